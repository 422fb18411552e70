//! Why nobody can serve, in the words of the contract.

use std::fmt::Write as _;

use smallvec::SmallVec;
use troupe_core::account::Unavailable;

use crate::error::Problem;

/// Why nobody can serve. `reasons` are the accounts' kinds and what keeps each.
pub(super) fn nobody(reasons: &[(&'static str, Unavailable)], now_ms: u64) -> Problem {
    if reasons.is_empty() {
        return Problem::NoAccount {
            why: "none is configured (add one with `troupe account add`)".into(),
            retry_after_s: None,
        };
    }
    // Those that a wait cannot help say nothing about how long.
    let concerned = || {
        reasons
            .iter()
            .map(|(_, why)| why)
            .filter(|why| !is_elsewhere(why))
    };
    let throttled = |why: &Unavailable| match why {
        Unavailable::Throttled { until_ms }
        | Unavailable::Reserved { until_ms }
        | Unavailable::Limited { until_ms } => Some(*until_ms).filter(|at| *at != u64::MAX),
        _ => None,
    };
    let all_throttled = concerned().all(|why| throttled(why).is_some());
    if let Some(earliest) = concerned().filter_map(throttled).min()
        && all_throttled
    {
        return Problem::Throttled {
            for_ms: earliest.saturating_sub(now_ms),
        };
    }
    let full = reasons.iter().any(|(_, why)| *why == Unavailable::Full);
    let ends = reasons.iter().filter_map(|(_, why)| why.until_ms()).min();
    Problem::NoAccount {
        why: told(reasons),
        retry_after_s: match full {
            true => Some(1),
            false => ends.map(|at| at.saturating_sub(now_ms).div_ceil(1_000).max(1)),
        },
    }
}

/// Is the account none for such a request, whatever time it is?
fn is_elsewhere(why: &Unavailable) -> bool {
    matches!(
        why,
        Unavailable::NotBound | Unavailable::ModelDenied | Unavailable::Unsupported
    )
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
        for word in Unavailable::WORDS {
            let count = of_kind().filter(|(_, why)| why.word() == word).count();
            if count > 0 {
                let _ = write!(text, "{separator}{count} {word}");
                separator = ", ";
            }
        }
    }
    text
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
        // Accounts that are none for this request do not make it a matter of waiting for something else.
        assert_eq!(
            nobody(&[throttled(9_000), ("oauth", Unavailable::NotBound)], 1_000),
            Problem::Throttled { for_ms: 8_000 }
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
        // What can never fit is no matter of time.
        let never = ("api_key", Unavailable::Limited { until_ms: u64::MAX });
        assert!(matches!(
            nobody(&[never], 0),
            Problem::NoAccount {
                retry_after_s: None,
                ..
            }
        ));
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

    #[test]
    fn every_reason_has_a_word() {
        let why = [
            Unavailable::ModelDenied,
            Unavailable::Gone,
            Unavailable::OffSchedule { until_ms: u64::MAX },
        ];
        let reasons = why.map(|why| ("oauth", why));
        assert_eq!(
            told(&reasons),
            "3 oauth: 1 not for this model, 1 off schedule, 1 quarantined"
        );
    }
}
