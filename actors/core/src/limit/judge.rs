//! Why a request does not fit, and what that means for it: of everything that is short, the tightest speaks.
//!
//! Invariant: a request is refused with the time after which it would fit all of its limits, not only the first that was
//! looked at; what cannot be refused for good (others may give back) is never called spent.

use std::sync::Arc;

use super::amounts::Demand;
use super::cell::Cell;
use super::gate::{Gate, Limit, ScopeView};
use super::name::{LimitName, Scope, Source};
use super::period::Span;
use super::rule::{LimitRule, OnLimit};
use crate::models::Pattern;

/// How a limit is short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// Only what others have reserved and not used keeps the request out.
    Reserved,
    /// There is something left of the window, but not enough.
    TooLittle,
    /// Everything was used.
    Spent,
    /// It needs more than the whole limit.
    Never,
}

/// One limit that a request does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortage {
    pub scope: Scope,
    /// See [`ScopeView::label`].
    pub label: Box<str>,
    pub name: LimitName,
    pub models: Option<Pattern>,
    pub rule: LimitRule,
    pub source: Source,
    pub why: Why,
    /// In the units of the limit.
    pub need: u64,
    pub capacity: u64,
    pub used: u64,
    pub taken: u64,
    pub span: Span,
}

/// What is to be done with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is short now.
    Fits,
    /// The scope at this place has to open its cells first.
    Cold { scope: usize },
    /// It must wait in the queue of the scope at this place.
    Wait { scope: usize, short: Box<Shortage> },
    /// It is to be asked of another model.
    Downgrade { model: String, short: Box<Shortage> },
    /// It cannot pass before `retry_at_ms`.
    Refuse {
        short: Box<Shortage>,
        retry_at_ms: u64,
    },
    /// It can never pass.
    Never { short: Box<Shortage> },
}

/// Looks at every limit of all `gates`. A request waits `patience_ms` at most, and is asked of another model once.
#[must_use]
pub fn judge(
    gates: &[Arc<Gate>],
    demand: &Demand,
    model: &str,
    unix_ms: u64,
    patience_ms: u64,
    is_downgraded: bool,
) -> Verdict {
    let mut found: Vec<(usize, Shortage)> = Vec::new();
    for (place, gate) in gates.iter().enumerate() {
        let view = gate.view();
        if !view.ready {
            return Verdict::Cold { scope: place };
        }
        for limit in view.applying(model) {
            if limit.cell(unix_ms).is_none() {
                return Verdict::Cold { scope: place };
            }
            let bound = view.units(limit.name, &demand.bound);
            let need = gate.reserves(limit, &view, bound);
            let short = shortage(&view, limit, need, unix_ms);
            found.extend(short.map(|short| (place, short)));
        }
    }
    if !is_downgraded
        && let Some((model, short)) = found.iter().find_map(|(_, short)| downgrade(short))
    {
        let short = Box::new(short.clone());
        return Verdict::Downgrade { model, short };
    }
    match conclude(found, unix_ms, patience_ms) {
        Verdict::Refuse { short, retry_at_ms } => {
            match fits_at(gates, demand, model, unix_ms, retry_at_ms) {
                Ok(retry_at_ms) => Verdict::Refuse { short, retry_at_ms },
                Err(short) => Verdict::Never { short },
            }
        }
        verdict => verdict,
    }
}

/// When a request that cannot pass before `at_ms` can: what is granted on top of a limit may be over by then, so that
/// another limit is short, or too small for good.
fn fits_at(
    gates: &[Arc<Gate>],
    demand: &Demand,
    model: &str,
    unix_ms: u64,
    mut at_ms: u64,
) -> Result<u64, Box<Shortage>> {
    loop {
        let mut later_ms = at_ms;
        for gate in gates {
            let view = gate.view();
            for limit in view
                .applying(model)
                .filter(|limit| limit.rule.grant.is_some())
            {
                let bound = view.units(limit.name, &demand.bound);
                let need = gate.reserves(limit, &view, bound);
                let capacity = limit.rule.capacity(at_ms);
                let cell = limit.cell(unix_ms).filter(|_| !limit.rule.is_shadow());
                let Some(cell) = cell else {
                    continue;
                };
                if need > capacity {
                    let (why, used) = (Why::Never, cell.used());
                    let short = describe(&view, limit, cell, (need, capacity, used, why));
                    return Err(Box::new(short));
                }
                let is_full = cell.used().saturating_add(need) > capacity;
                if cell.span.contains(at_ms) && limit.name != LimitName::Concurrent && is_full {
                    later_ms = later_ms.max(cell.span.end_ms);
                }
            }
        }
        if later_ms == at_ms {
            return Ok(at_ms);
        }
        at_ms = later_ms;
    }
}

fn downgrade(short: &Shortage) -> Option<(String, &Shortage)> {
    match &short.rule.on_limit {
        // What only waits for others is not at its limit.
        OnLimit::Downgrade { model } if short.why > Why::Reserved => Some((model.clone(), short)),
        _ => None,
    }
}

fn conclude(found: Vec<(usize, Shortage)>, unix_ms: u64, patience_ms: u64) -> Verdict {
    let boxed = |(_, short): (usize, Shortage)| Box::new(short);
    if let Some(never) = found.iter().position(|(_, short)| short.why == Why::Never) {
        let short = found.into_iter().nth(never).map(boxed);
        return short.map_or(Verdict::Fits, |short| Verdict::Never { short });
    }
    let hard = |short: &Shortage| short.why > Why::Reserved;
    let ends_at = |short: &Shortage| if hard(short) { short.span.end_ms } else { 0 };
    let Some(tightest) = found
        .iter()
        .map(|(_, short)| short)
        .enumerate()
        .max_by_key(|(_, short)| (ends_at(short), short.why))
        .map(|(at, _)| at)
    else {
        return Verdict::Fits;
    };
    let retry_at_ms = ends_at(&found[tightest].1);
    let waits = |short: &Shortage| !hard(short) || short.rule.on_limit == OnLimit::Queue;
    let in_time = retry_at_ms.saturating_sub(unix_ms) <= patience_ms;
    if in_time && found.iter().all(|(_, short)| waits(short)) {
        let (scope, short) = match found.into_iter().nth(tightest) {
            Some((scope, short)) => (scope, Box::new(short)),
            None => return Verdict::Fits,
        };
        return Verdict::Wait { scope, short };
    }
    // One that only waits for others does not speak for those that refuse.
    let speaks = found
        .iter()
        .enumerate()
        .filter(|(_, (_, short))| hard(short))
        .max_by_key(|(_, (_, short))| (short.span.end_ms, short.why))
        .map_or(tightest, |(at, _)| at);
    let short = found.into_iter().nth(speaks).map(boxed);
    short.map_or(Verdict::Fits, |short| Verdict::Refuse {
        short,
        retry_at_ms,
    })
}

/// How `limit` is short of `need` units, if it is.
fn shortage(view: &ScopeView, limit: &Limit, need: u64, unix_ms: u64) -> Option<Shortage> {
    let cell = limit.cell(unix_ms)?;
    let capacity = limit.rule.capacity(unix_ms);
    let (used, taken) = (cell.used(), cell.taken());
    if limit.rule.is_shadow() || taken.saturating_add(need) <= capacity {
        return None;
    }
    let is_reserved = limit.name == LimitName::Concurrent || used.saturating_add(need) <= capacity;
    // By the next window what is granted may be over.
    let then = capacity.min(limit.rule.capacity(cell.span.end_ms));
    let (why, capacity) = if need > capacity {
        (Why::Never, capacity)
    } else if is_reserved {
        (Why::Reserved, capacity)
    } else if need > then {
        (Why::Never, then)
    } else if used >= capacity {
        (Why::Spent, capacity)
    } else {
        (Why::TooLittle, capacity)
    };
    Some(describe(view, limit, cell, (need, capacity, used, why)))
}

fn describe(
    view: &ScopeView,
    limit: &Limit,
    cell: &Cell,
    (need, capacity, used, why): (u64, u64, u64, Why),
) -> Shortage {
    Shortage {
        scope: view.scope.clone(),
        label: view.label.clone(),
        name: limit.name,
        models: limit.models.clone(),
        rule: limit.rule.clone(),
        source: limit.source,
        why,
        need,
        capacity,
        used,
        taken: cell.taken(),
        span: cell.span,
    }
}
