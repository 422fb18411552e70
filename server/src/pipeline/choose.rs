//! Which account takes the next attempt: candidates from the published views, the pure ranking, a slot at the gate.
//!
//! Invariant: an account is leased at most once per request; when none can serve, the reasons are said, per kind.

use std::fmt::Write as _;
use std::sync::Arc;

use smallvec::SmallVec;
use troupe_actors::account::ActiveAccount;
use troupe_core::AccountId;
use troupe_core::account::{AccountAsk, AccountReply, Unavailable};
use troupe_core::routing::{Candidate, Strategy, rank};

use super::exchange::Lease;
use crate::error::Problem;
use crate::worker::Worker;

/// Most gates asked when their slots are taken.
const MAX_ASKS: usize = 3;

/// What a choice depends on.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    pub model: Option<&'a str>,
    /// The session's last account: a preference.
    pub preferred: Option<AccountId>,
    /// The owner of a resource that the request names: a must.
    pub bound: Option<AccountId>,
    pub tried: &'a [AccountId],
}

/// Leases the best account.
///
/// # Errors
/// 429 when all are throttled, else 503 with every reason.
pub async fn lease(worker: &Worker, wanted: Wanted<'_>) -> Result<Lease, Problem> {
    let accounts = Arc::clone(&worker.gateway.directory.accounts());
    let now = worker.gateway.directory.clock().now();
    let mut reasons: SmallVec<[(&'static str, Unavailable); 4]> = SmallVec::new();
    let mut candidates: SmallVec<[Candidate; 8]> = SmallVec::new();
    for (index, account) in accounts.iter().enumerate() {
        if wanted.bound.is_some_and(|bound| bound != account.id) {
            continue;
        }
        let view = account.view.load();
        let kind = view.kind.as_str();
        let usable = if account.is_gone() {
            Err(Unavailable::Gone)
        } else if wanted.tried.contains(&account.id) {
            Err(Unavailable::Tried)
        } else {
            view.available(wanted.model, now.unix_ms)
        };
        match usable {
            Ok(()) => candidates.push(Candidate {
                index,
                in_use: account.slots.in_use(),
                limit: account.slots.limit(),
                utilisation_ppm: 0,
                weight: 1,
                priority: 0,
                avoided: view.avoided(wanted.model, now.unix_ms),
                preferred: wanted.preferred == Some(account.id),
            }),
            Err(why) => reasons.push((kind, why)),
        }
    }
    let mut asks = 0;
    for index in rank(
        Strategy::default(),
        &candidates,
        worker.next_turn(),
        candidates.len(),
    ) {
        let account = &accounts[index];
        if let Some(slot) = account.slots.try_take() {
            return Ok(Lease {
                account: Arc::clone(account),
                slot,
            });
        }
        let refused = if asks < MAX_ASKS {
            asks += 1;
            match ask(account, wanted.model).await {
                Ok(lease) => return Ok(lease),
                Err(why) => why,
            }
        } else {
            Unavailable::Full
        };
        reasons.push((account.view.load().kind.as_str(), refused));
    }
    Err(nobody(&reasons, now.unix_ms))
}

async fn ask(account: &Arc<ActiveAccount>, model: Option<&str>) -> Result<Lease, Unavailable> {
    match account
        .handle
        .ask(AccountAsk::Lease {
            model: model.map(Into::into),
        })
        .await
    {
        Ok(AccountReply::Leased(slot)) => Ok(Lease {
            account: Arc::clone(account),
            slot,
        }),
        Ok(AccountReply::Refused(why)) => Err(why),
        Ok(AccountReply::Tested(_) | AccountReply::Noted) | Err(_) => Err(Unavailable::Gone),
    }
}

/// Why nobody can serve.
fn nobody(reasons: &[(&'static str, Unavailable)], now_ms: u64) -> Problem {
    if reasons.is_empty() {
        return Problem::NoAccount {
            why: "none is configured (add one with `troupe account add`)".into(),
            retry_after_s: None,
        };
    }
    let ends = reasons.iter().filter_map(|(_, why)| match why {
        Unavailable::Throttled { until_ms } => Some(until_ms.saturating_sub(now_ms)),
        _ => None,
    });
    let earliest = ends.clone().min();
    if let Some(for_ms) = earliest.filter(|_| ends.count() == reasons.len()) {
        return Problem::Throttled { for_ms };
    }
    let full = reasons.iter().any(|(_, why)| *why == Unavailable::Full);
    let retry_after_s = if full {
        Some(1)
    } else {
        earliest.map(|ms| ms.div_ceil(1_000).max(1))
    };
    Problem::NoAccount {
        why: told(reasons),
        retry_after_s,
    }
}

/// `2 api_key: 1 disabled, 1 throttled`.
fn told(reasons: &[(&'static str, Unavailable)]) -> String {
    let mut text = String::new();
    let mut kinds: SmallVec<[&str; 4]> = reasons.iter().map(|(kind, _)| *kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    for (place, kind) in kinds.iter().enumerate() {
        let of_kind = || reasons.iter().filter(|(k, _)| k == kind);
        let _ = write!(
            text,
            "{}{} {kind}",
            if place > 0 { "; " } else { "" },
            of_kind().count()
        );
        let mut separator = ": ";
        for word in [
            "disabled",
            "rejected by its upstream",
            "out of service",
            "throttled",
            "tried and failed",
            "full",
            "quarantined",
        ] {
            let count = of_kind().filter(|(_, why)| said(why) == word).count();
            if count > 0 {
                let _ = write!(text, "{separator}{count} {word}");
                separator = ", ";
            }
        }
    }
    text
}

fn said(why: &Unavailable) -> &'static str {
    match why {
        Unavailable::Disabled => "disabled",
        Unavailable::Rejected => "rejected by its upstream",
        Unavailable::OutOfService => "out of service",
        Unavailable::Throttled { .. } | Unavailable::Forbidden { .. } => "throttled",
        Unavailable::Full => "full",
        Unavailable::Tried => "tried and failed",
        Unavailable::Gone => "quarantined",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throttled_only_when_all_are() {
        let throttled = |until_ms| ("api_key", Unavailable::Throttled { until_ms });
        assert_eq!(
            nobody(&[throttled(9_000), throttled(5_000)], 1_000),
            Problem::Throttled { for_ms: 4_000 }
        );
        let mixed = nobody(
            &[throttled(9_000), ("api_key", Unavailable::Disabled)],
            1_000,
        );
        let why = "2 api_key: 1 disabled, 1 throttled".to_owned();
        assert_eq!(
            mixed,
            Problem::NoAccount {
                why,
                retry_after_s: Some(8)
            }
        );
        assert!(matches!(
            nobody(&[], 0),
            Problem::NoAccount {
                retry_after_s: None,
                ..
            }
        ));
        assert!(matches!(
            nobody(&[("api_key", Unavailable::Full)], 0),
            Problem::NoAccount {
                retry_after_s: Some(1),
                ..
            }
        ));
    }
}
