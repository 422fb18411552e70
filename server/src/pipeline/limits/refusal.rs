//! What a client is told that a limit keeps out: the judge's verdict as a problem.
//!
//! Invariant: everything that is told was looked at in one moment; an account's limits are nobody's but the operator's.

use std::sync::Arc;

use bytes::Bytes;
use troupe_core::RequestId;
use troupe_core::limit::{Gate, Overrun, Scope, Verdict};
use troupe_wire::error::error_event;

use crate::error::{Balance, Balances, Problem, Refusal};

/// The refusal of a request for `model` that was judged so by `gates`: what is certain, or what it has waited for in
/// vain.
#[must_use]
pub fn problem(
    verdict: Verdict,
    gates: &[Arc<Gate>],
    model: &str,
    id: RequestId,
    unix_ms: u64,
) -> Problem {
    match verdict {
        Verdict::Refuse { short, .. }
        | Verdict::Never { short }
        | Verdict::Wait { short, .. }
        | Verdict::Downgrade { short, .. } => {
            let balances = balances(gates, model, unix_ms);
            Problem::Limit(Box::new(Refusal::new(short, balances, unix_ms, id)))
        }
        Verdict::Cold { .. } => {
            Problem::Store("what was charged to limits was not read in time".into())
        }
        Verdict::Fits => Problem::Behind {
            label: busiest(gates).into(),
        },
    }
}

/// The event that ends a stream which used more than a strict limit had left.
#[must_use]
pub fn overrun_event(overrun: Overrun) -> Bytes {
    let name = overrun.name;
    let kind = if name.is_spend() {
        "billing_error"
    } else {
        "rate_limit_error"
    };
    let text = format!("this answer was ended: it used more than was left of the limit {name}");
    error_event(kind, &text)
}

/// The caller's limits for `model` as they stand.
#[must_use]
pub fn balances(gates: &[Arc<Gate>], model: &str, unix_ms: u64) -> Balances {
    let mut balances = Balances::default();
    for gate in gates {
        let view = gate.look();
        if matches!(view.scope, Scope::Account(_)) {
            continue;
        }
        for limit in view.applying(model).filter(|limit| !limit.rule.is_shadow()) {
            let period = limit.name.period();
            balances.add(Balance {
                name: limit.name,
                limit: limit.rule.capacity(unix_ms),
                remaining: gate.left(limit, &view, unix_ms),
                reset_ms: period.map_or(u64::MAX, |period| period.span(unix_ms).end_ms),
            });
        }
    }
    balances
}

/// The scope that most requests wait for.
fn busiest(gates: &[Arc<Gate>]) -> Box<str> {
    let busiest = gates.iter().max_by_key(|gate| gate.waiting());
    busiest.map_or("this gateway".into(), |gate| gate.look().label.clone())
}
