//! Rows like those of a busy gateway, and a few that stand out.

use std::error::Error;
use std::time::{SystemTime, UNIX_EPOCH};

use troupe_core::account::Auth;
use troupe_core::record::{FailedAttempt, Outcome, RequestRecord, Route, TokenUsage};
use troupe_core::{AccountId, KeyId, RequestId};
use uuid::Uuid;

const DAY_MS: u64 = 86_400_000;
/// One row of so many has what no other has; all of them in the older half.
const RARE: u64 = 100_000;

/// Rows that are spread over some days, up to now.
pub struct Span {
    pub rows: u64,
    pub from_ms: u64,
    pub to_ms: u64,
}

impl Span {
    pub fn of_days(rows: u64, days: u64) -> Result<Self, Box<dyn Error>> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let now_ms = u64::try_from(now.as_millis())?;
        // Whole days, so that one day is one part.
        let to_ms = now_ms / DAY_MS * DAY_MS;
        Ok(Self {
            rows,
            from_ms: to_ms - days * DAY_MS,
            to_ms,
        })
    }

    pub fn row(&self, n: u64) -> RequestRecord {
        let at_ms = self.from_ms + (self.to_ms - self.from_ms) * n / self.rows;
        let mix = (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        let id =
            u128::from(at_ms) << 80 | 7 << 76 | u128::from(mix) << 20 | u128::from(n & 0xf_ffff);
        let mut row = RequestRecord::begin(RequestId(Uuid::from_u128(id)), at_ms, Route::Messages);
        // Some keys are used much more than others.
        let key = (mix % 200) * (mix / 200 % 200) / 200;
        row.key = Some(KeyId::declared(&format!("key {key}")));
        row.owner = Some(format!("owner {}", key / 4).into());
        row.group = Some(format!("group {}", key / 20).into());
        let account = mix / 7 % 20;
        row.account = Some(AccountId::declared(&format!("account {account}")));
        row.account_name = Some(format!("account {account}").into());
        row.model = Some(format!("claude-model-{}", key % 8).into());
        row.session = Some((n / 500 * 40 + mix % 40).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        row.route = if mix.is_multiple_of(10) {
            Route::CountTokens
        } else {
            Route::Messages
        };
        row.stream = !mix.is_multiple_of(5);
        row.attempts = 1;
        row.status = 200;
        row.upstream_status = Some(200);
        row.outcome = Outcome::Completed;
        row.upstream_request_id = Some(format!("req_011C{n:012x}{:08x}", mix & 0xffff_ffff));
        row.usage = TokenUsage {
            input: mix % 1_000,
            output: mix % 3_000,
            cache_read: mix % 90_000,
            ..TokenUsage::default()
        };
        row.cost_micro_usd = mix % 200_000;
        row.first_event_us = Some(300_000 + mix % 900_000);
        row.gateway_us = 150;
        row.duration_us = 1_000_000 + mix % 60_000_000;
        spoil(&mut row, mix);
        if n.is_multiple_of(RARE) && n < self.rows / 2 {
            stand_out(&mut row);
        }
        row
    }
}

/// One of twenty does not go well.
fn spoil(row: &mut RequestRecord, mix: u64) {
    if mix % 50 == 1 {
        row.failed.push(FailedAttempt {
            account: format!("account {}", mix / 9 % 20).into(),
            auth: Auth::Oauth,
            status: Some(529),
            error: "overloaded".into(),
            began_us: 40,
            took_us: 90_000,
        });
        row.attempts = 2;
    }
    (row.status, row.outcome) = match mix % 100 {
        3 | 4 => (429, Outcome::Refused),
        5 | 6 => (529, Outcome::Completed),
        7 => (400, Outcome::Completed),
        8 => (200, Outcome::Cancelled),
        _ => return,
    };
    if row.status != 200 {
        row.error = Some(format!("the upstream says {}", row.status));
    }
}

fn stand_out(row: &mut RequestRecord) {
    row.key = Some(KeyId::declared("rare"));
    for text in [
        &mut row.owner,
        &mut row.group,
        &mut row.account_name,
        &mut row.model,
    ] {
        *text = Some("rare".into());
    }
    row.session = Some(1);
    row.route = Route::Relay;
    row.outcome = Outcome::Truncated;
    row.status = 413;
    row.error = Some("rare".into());
    row.upstream_request_id = Some("rare".into());
    row.cost_micro_usd = 9_000_000;
    row.duration_us = 900_000_000;
}
