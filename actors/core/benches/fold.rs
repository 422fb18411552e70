//! What it costs to count a row of the request log: once beside many, and with its share of handing over what was counted.
//!
//! Target: 2 µs a row with everything, since the recorder shares two cores with the workers.

use divan::{Bencher, black_box};
use troupe_core::record::{Outcome, RequestRecord, Route, TokenUsage};
use troupe_core::usage::UsageFold;
use troupe_core::{AccountId, KeyId, RequestId};
use uuid::Uuid;

/// 24 February 2026, 09:59:37 UTC.
const NOW_MS: u64 = 1_771_927_177_000;
/// Two seconds of 400 requests a second: what one hand-over has.
const ROWS: usize = 800;

fn main() {
    divan::main();
}

fn row(n: usize) -> RequestRecord {
    let ms = n as u64;
    RequestRecord {
        key: Some(KeyId::declared(&format!("key {}", n * 7 % 200))),
        owner: Some(format!("owner {}", n * 7 % 50).into()),
        group: Some(format!("group {}", n % 10).into()),
        account: Some(AccountId::declared(&format!("account {}", n * 3 % 20))),
        account_name: Some("account".into()),
        model: Some(format!("claude-{}", n % 10).into()),
        status: if n.is_multiple_of(50) { 529 } else { 200 },
        upstream_status: Some(200),
        outcome: Outcome::Completed,
        usage: TokenUsage {
            input: 10,
            output: 2,
            cache_read: 1_000,
            ..TokenUsage::default()
        },
        cost_micro_usd: 7,
        first_event_us: Some(300_000 + ms * 1_000),
        duration_us: 2_000_000 + ms * 10_000,
        ..RequestRecord::begin(RequestId(Uuid::nil()), NOW_MS + ms * 5 / 2, Route::Messages)
    }
}

fn rows() -> Vec<RequestRecord> {
    (0..ROWS).map(row).collect()
}

/// 800 rows that were counted before: what a busy recorder does.
#[divan::bench]
fn add_known(bencher: Bencher<'_, '_>) {
    let rows = rows();
    let mut fold = UsageFold::default();
    rows.iter().for_each(|row| fold.add(row));
    bencher
        .counter(divan::counter::ItemsCount::new(ROWS))
        .bench_local(|| rows.iter().for_each(|row| fold.add(black_box(row))));
}

/// 800 new rows, handed over.
#[divan::bench]
fn add_and_take(bencher: Bencher<'_, '_>) {
    let rows = rows();
    let mut fold = UsageFold::default();
    bencher
        .counter(divan::counter::ItemsCount::new(ROWS))
        .bench_local(|| {
            rows.iter().for_each(|row| fold.add(black_box(row)));
            (fold.take(), fold.take_series())
        });
}
