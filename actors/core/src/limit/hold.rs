//! What one request holds of one scope's limits.
//!
//! Invariant: all of the scope's limits that apply, or none; settled once, on [`Hold::settle`], [`Hold::give_back`] or
//! drop; whoever waits is told when something came free. What others see as used or charged belongs to requests that have
//! all of the scope's limits: one that is turned away at the second never makes the first look spent.

use std::sync::Arc;

use smallvec::SmallVec;

use super::amounts::{Amounts, Demand};
use super::cell::Cell;
use super::gate::{Gate, Limit, ScopeView};
use super::name::{Dimension, LimitName};
use super::rule::Cap;

/// Why nothing was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocked {
    /// The scope's cells, or those of this moment, are not open yet.
    Cold,
    /// Others wait.
    Behind,
    /// The limit at this place of the view has too little left.
    Short { limit: usize },
}

/// A strict limit had less left than the request turned out to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overrun {
    pub name: LimitName,
}

/// Units of one cell.
#[derive(Clone, Copy, Debug)]
struct Part {
    limit: u16,
    cell: u8,
    taken: u64,
    used: u64,
    charged: u64,
}

/// See the module.
#[derive(Debug)]
pub struct Hold {
    gate: Arc<Gate>,
    view: Arc<ScopeView>,
    parts: Parts,
    /// Shadow limits that would have refused it.
    shadowed: Shadowed,
    /// It comes out of the queue and nobody has begun to use it: whoever waited for it may be gone.
    is_offered: bool,
}

type Parts = SmallVec<[Part; 8]>;
type Shadowed = SmallVec<[LimitName; 2]>;

impl Hold {
    /// Takes what `demand` may need of every limit that applies to `model`. Nobody goes ahead of those who wait, but the
    /// head of the queue itself (`is_head`); what it is given comes back whole if it is dropped before its first word.
    ///
    /// # Errors
    /// [`Blocked`]; then nothing is taken.
    pub fn take(
        gate: &Arc<Gate>,
        demand: &Demand,
        model: &str,
        unix_ms: u64,
        is_head: bool,
    ) -> Result<Self, Blocked> {
        let view = gate.view();
        if !view.ready {
            return Err(Blocked::Cold);
        }
        let (mut parts, mut shadowed) = (Parts::new(), Shadowed::new());
        if !view.limits.is_empty() {
            if !is_head && gate.waiting() > 0 {
                return Err(Blocked::Behind);
            }
            let taken = {
                let mut taking = Taking {
                    gate,
                    view: &view,
                    parts: &mut parts,
                    shadowed: &mut shadowed,
                };
                taking.all(demand, model, unix_ms)
            };
            if let Err(blocked) = taken {
                each(&view, &mut parts, |_, cell, part| {
                    cell.give_back(part.taken)
                });
                // The head of the queue tells nobody, or it would wake itself for ever.
                if !parts.is_empty() && !is_head {
                    gate.tell_if_waited_for();
                }
                return Err(blocked);
            }
            each(&view, &mut parts, |_, cell, part| {
                cell.enter();
                cell.charge(0, part.charged);
                cell.use_units(0, part.used);
            });
        }
        Ok(Self {
            gate: Arc::clone(gate),
            view,
            parts,
            shadowed,
            is_offered: is_head,
        })
    }

    /// All of it is free again, as if it had never been.
    fn undo(&mut self) {
        if self.parts.is_empty() {
            return;
        }
        each(&self.view, &mut self.parts, |_, cell, part| {
            cell.use_units(part.used, 0);
            cell.charge(part.charged, 0);
            cell.leave();
            cell.give_back(part.taken);
        });
        self.parts.clear();
        self.gate.tell_if_waited_for();
    }

    #[must_use]
    pub fn view(&self) -> &Arc<ScopeView> {
        &self.view
    }

    #[must_use]
    pub fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    /// Does it hold anything?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Does it hold anything whose use must be told while it runs?
    #[must_use]
    pub fn is_metered(&self) -> bool {
        self.parts
            .iter()
            .any(|part| self.view.limits[usize::from(part.limit)].name.is_metered())
    }

    /// Shadow limits that would have refused the request.
    #[must_use]
    pub fn shadowed(&self) -> &[LimitName] {
        &self.shadowed
    }

    /// The request has used `facts` so far and `ahead` at most by the next word from it. What is used beyond what was
    /// taken is taken now, and counted even where there is none left.
    ///
    /// # Errors
    /// [`Overrun`]: a strict limit had too little left; the request must end.
    pub fn checkpoint(
        &mut self,
        facts: &Amounts,
        ahead: &Amounts,
        unix_ms: u64,
    ) -> Result<(), Overrun> {
        self.is_offered = false;
        let mut overrun = None;
        let Self {
            gate, view, parts, ..
        } = self;
        each(view, parts, |limit, cell, part| {
            if !limit.name.is_metered() {
                return;
            }
            let now = view.units(limit.name, facts);
            if now > part.taken {
                if !grow(gate, cell, now - part.taken, unix_ms) {
                    overrun = Some(Overrun { name: limit.name });
                }
                part.taken = now;
            }
            // What stays if the process dies is never less than what was used.
            let charged = view.units(limit.name, ahead).min(part.taken).max(now);
            cell.charge(part.charged, charged);
            part.charged = charged;
            cell.use_units(part.used, now);
            part.used = now;
        });
        overrun.map_or(Ok(()), Err)
    }

    /// The request has ended and used `facts`.
    pub fn settle(mut self, facts: &Amounts, unix_ms: u64) {
        // Nothing can be ended any more; what was used is counted.
        let _ = self.checkpoint(facts, facts, unix_ms);
        self.gate.learn(facts);
        self.end();
    }

    /// The gateway failed before an upstream answered: nothing was used, not even a request.
    pub fn give_back(mut self) {
        self.undo();
    }

    /// What is not used is free again.
    fn end(&mut self) {
        if self.parts.is_empty() {
            return;
        }
        each(&self.view, &mut self.parts, |_, cell, part| {
            cell.charge(part.charged, part.used);
            cell.leave();
            cell.give_back(part.taken.saturating_sub(part.used));
        });
        self.parts.clear();
        self.gate.tell_if_waited_for();
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if self.is_offered {
            self.undo();
        } else {
            self.end();
        }
    }
}

/// What is taken on the way to a hold.
struct Taking<'a> {
    gate: &'a Gate,
    view: &'a ScopeView,
    parts: &'a mut Parts,
    shadowed: &'a mut Shadowed,
}

impl Taking<'_> {
    fn all(&mut self, demand: &Demand, model: &str, unix_ms: u64) -> Result<(), Blocked> {
        let view = self.view;
        for (index, limit) in view.limits.iter().enumerate() {
            if !limit.applies(model) {
                continue;
            }
            let at = limit
                .cells
                .iter()
                .position(|cell| cell.span.contains(unix_ms))
                .ok_or(Blocked::Cold)?;
            let cell = &limit.cells[at];
            let bound = view.units(limit.name, &demand.bound);
            let units = self.gate.reserves(limit, view, bound);
            if !cell.take(units, limit.rule.capacity(unix_ms)) {
                if !limit.rule.is_shadow() {
                    return Err(Blocked::Short { limit: index });
                }
                cell.take_anyway(units);
                self.shadowed.push(limit.name);
            }
            let (used, charged) = match limit.name {
                LimitName::Concurrent => (0, 0),
                LimitName::Per(Dimension::Requests, _) => (units, units),
                name => (0, view.units(name, &demand.at_once).min(units)),
            };
            self.parts.push(Part {
                limit: u16::try_from(index).unwrap_or(u16::MAX),
                cell: u8::try_from(at).unwrap_or(u8::MAX),
                taken: units,
                used,
                charged,
            });
        }
        Ok(())
    }
}

fn each(view: &ScopeView, parts: &mut Parts, mut visit: impl FnMut(&Limit, &Cell, &mut Part)) {
    for part in parts {
        let limit = &view.limits[usize::from(part.limit)];
        visit(limit, &limit.cells[usize::from(part.cell)], part);
    }
}

/// Takes `extra` units that are used already: by the rule that holds now, or by none. False where there was too little.
fn grow(gate: &Gate, cell: &Cell, extra: u64, unix_ms: u64) -> bool {
    let view = gate.look();
    let present = view
        .limits
        .iter()
        .find(|limit| limit.cells.first().is_some_and(|first| first.id == cell.id));
    let Some(limit) = present else {
        cell.take_anyway(extra);
        return true;
    };
    if cell.take(extra, limit.rule.capacity(unix_ms)) {
        return true;
    }
    cell.take_anyway(extra);
    limit.rule.is_shadow() || limit.rule.cap == Cap::Soft
}
