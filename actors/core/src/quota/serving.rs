//! Serving those who wait: one pass over the heads of the queue.
//!
//! Invariant: whoever has waited for long for what others have reserved is passed by nobody of the same class or a lower
//! one; nobody waits for what cannot come.

use std::sync::Arc;

use smallvec::SmallVec;

use super::machine::Quota;
use super::message::{QuotaReply, Wanted};
use super::queue::{Served, Waiter};
use crate::limit::{Blocked, Gate, Hold, LimitName, OnLimit, ScopeView};
use crate::machine::Turn;
use crate::time::Now;

/// Who has waited so long for what others have reserved is passed by nobody any more.
pub(super) const CLAIM_AFTER_MS: u64 = 1_000;

/// One look at the heads of the queue.
pub(super) struct Serving<'a> {
    gate: &'a Arc<Gate>,
    view: Arc<ScopeView>,
    now: Now,
    /// Limits (by place) of which somebody has waited for long: nobody else takes of them, or many small requests would
    /// keep a large one out for ever.
    claimed: SmallVec<[usize; 4]>,
}

impl<'a> Serving<'a> {
    pub(super) fn new(gate: &'a Arc<Gate>, now: Now) -> Self {
        Self {
            gate,
            view: gate.view(),
            now,
            claimed: SmallVec::new(),
        }
    }

    pub(super) fn one(&mut self, waiter: Waiter, turn: &mut Turn<Quota>) -> Served {
        let Wanted { demand, model, .. } = &waiter.wanted;
        if self.is_claimed(model) {
            return Served::Waits(waiter);
        }
        match Hold::take(self.gate, demand, model, self.now.unix_ms, true) {
            Ok(hold) => turn.reply(waiter.ticket, QuotaReply::Granted(hold)),
            Err(Blocked::Cold | Blocked::Behind) => return Served::Waits(waiter),
            Err(Blocked::Short { limit: place }) => {
                match waits(&self.view, self.gate, place, &waiter.wanted, self.now) {
                    Waits::No => turn.reply(waiter.ticket, QuotaReply::Judge),
                    Waits::ForOthers => {
                        if waiter.since_ms.saturating_add(CLAIM_AFTER_MS) <= self.now.mono_ms {
                            self.claimed.push(place);
                        }
                        return Served::Waits(waiter);
                    }
                    Waits::ForItsWindow => return Served::Waits(waiter),
                }
            }
        }
        Served::Done
    }

    fn is_claimed(&self, model: &str) -> bool {
        let mut claimed = self.claimed.iter();
        claimed.any(|place| {
            let limit = self.view.limits.get(*place);
            limit.is_some_and(|limit| limit.applies(model))
        })
    }
}

/// Can a request pass by waiting, and for what?
enum Waits {
    No,
    /// Only what others have reserved keeps it out.
    ForOthers,
    ForItsWindow,
}

/// Can a request that the limit at this place keeps out pass by waiting?
fn waits(view: &ScopeView, gate: &Gate, place: usize, wanted: &Wanted, now: Now) -> Waits {
    let Some(limit) = view.limits.get(place) else {
        return Waits::No;
    };
    let Some(cell) = limit.cell(now.unix_ms) else {
        return Waits::ForItsWindow;
    };
    let bound = view.units(limit.name, &wanted.demand.bound);
    let need = gate.reserves(limit, view, bound);
    let used = match limit.name {
        LimitName::Concurrent => 0,
        _ => cell.used(),
    };
    if used.saturating_add(need) <= limit.rule.capacity(now.unix_ms) {
        return Waits::ForOthers;
    }
    let next = limit.rule.capacity(cell.span.end_ms);
    let to_edge_ms = cell.span.end_ms.saturating_sub(now.unix_ms);
    let is_in_time = to_edge_ms <= wanted.deadline_ms.saturating_sub(now.mono_ms);
    match limit.rule.on_limit == OnLimit::Queue && need <= next && is_in_time {
        true => Waits::ForItsWindow,
        false => Waits::No,
    }
}
