//! The quota machine.
//!
//! ```text
//!            Load ──▶ Loaded             window's edge: open the next cells
//!  cold ─────────────────────▶ ready ◀──────────────────────────────┐
//!   │ requests wait              │ gate lets through; whoever must   │
//!   │                            │ wait is served when units are free┘
//!   └ unread: they are told      └ idle: rows saved, nobody inside ──▶ gone
//! ```
//!
//! Invariant: nobody waits beyond their time; a grant to a caller that has left gives itself back; the actor leaves only
//! when nobody is inside and everything is saved.

use std::sync::Arc;

use super::message::{QuotaAsk, QuotaDone, QuotaEffect, QuotaReply, QuotaTell, Settlement, Wanted};
use super::queue::{FairQueue, Served, Waiter};
use super::record::QuotaRecord;
use super::totals::{KeyLedger, Totals};
use super::windows::Windows;
use crate::gate::Entry;
use crate::limit::{Blocked, Gate, Hold, LimitName, OnLimit, Scope, ScopeView};
use crate::machine::{Input, Machine, Ticket, Turn};
use crate::port::CellRows;
use crate::time::Now;

/// How long an actor that could not leave waits before it tries again.
const TRY_AGAIN_MS: u64 = 1_000;

/// What lives beside the machine and outlives its panic.
#[derive(Clone)]
pub struct QuotaShared {
    pub gate: Arc<Gate>,
    pub entry: Arc<Entry>,
    pub ledger: KeyLedger,
    pub rows: Arc<dyn CellRows>,
}

impl std::fmt::Debug for QuotaShared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QuotaShared")
            .field("gate", &self.gate)
            .finish_non_exhaustive()
    }
}

/// The quota actor's core.
#[derive(Debug)]
pub struct Quota {
    record: Arc<QuotaRecord>,
    gate: Arc<Gate>,
    entry: Arc<Entry>,
    windows: Windows,
    /// What was used before of the present limits is known.
    ready: bool,
    loading: bool,
    /// Rows changed since they were stored; and they are on their way.
    unsaved: bool,
    saving: bool,
    queue: FairQueue,
    totals: Option<Totals>,
    flushing: Vec<Ticket>,
    idle_ms: u64,
    wake_at_ms: u64,
    /// The next edge of a window, as the monotonic clock sees it now.
    edge_at_ms: u64,
}

impl Quota {
    #[must_use]
    pub fn new(record: Arc<QuotaRecord>, shared: &QuotaShared, idle_ms: u64, now: Now) -> Self {
        let QuotaShared {
            gate,
            entry,
            ledger,
            rows,
        } = shared.clone();
        gate.set_waiting(0);
        let windows = Windows::new(rows, &gate.look());
        let totals = record.key.as_ref().map(|_| Totals::new(ledger, now));
        let mut quota = Self {
            ready: false,
            record,
            gate,
            entry,
            windows,
            loading: false,
            unsaved: true,
            saving: false,
            queue: FairQueue::default(),
            totals,
            flushing: Vec::new(),
            idle_ms,
            wake_at_ms: now.mono_ms,
            edge_at_ms: u64::MAX,
        };
        quota.open(now);
        quota
    }

    /// Publishes the present limits once it is known what was used of them before.
    fn open(&mut self, now: Now) {
        self.ready = self.windows.unknown(&self.record).is_empty();
        if self.ready {
            let view = self.make_view(now);
            self.gate.publish(view);
        }
    }

    fn make_view(&mut self, now: Now) -> ScopeView {
        ScopeView {
            scope: self.record.scope.clone(),
            label: self.record.label.clone(),
            limits: self.windows.limits(&self.record, now),
            multiplier: self.record.multiplier,
            ready: true,
        }
    }

    fn load(&mut self, turn: &mut Turn<Self>) {
        if !self.ready && !self.loading {
            self.loading = true;
            turn.effect(QuotaEffect::Load(self.windows.unknown(&self.record)));
        }
    }

    fn reserve(&mut self, now: Now, ticket: Ticket, wanted: Wanted, turn: &mut Turn<Self>) {
        if let Some(why) = self.unusable(now) {
            return turn.reply(ticket, QuotaReply::Unusable(why));
        }
        let is_shared = self.record.key.is_none();
        if let Err(waiter) = self.queue.push(Waiter { ticket, wanted }, is_shared) {
            return turn.reply(waiter.ticket, QuotaReply::Full);
        }
        self.gate.set_waiting(self.queue.len());
        self.serve(now, turn);
    }

    fn unusable(&self, now: Now) -> Option<&'static str> {
        self.record
            .key
            .as_ref()
            .and_then(|key| key.unusable(now.unix_ms))
    }

    /// Grants what fits, in turn, then refuses those whose time is over.
    fn serve(&mut self, now: Now, turn: &mut Turn<Self>) {
        if self.queue.is_empty() {
            return;
        }
        if self.ready {
            let gate = &self.gate;
            self.queue
                .serve(|waiter| serve_one(gate, now, waiter, turn));
        }
        let late = |waiter: &Waiter| waiter.wanted.deadline_ms <= now.mono_ms;
        for waiter in self.queue.remove(late) {
            turn.reply(waiter.ticket, QuotaReply::Late);
        }
        self.gate.set_waiting(self.queue.len());
    }

    fn settle(&mut self, now: Now, settled: &[Settlement]) {
        self.unsaved = true;
        if let Some(totals) = &mut self.totals {
            totals.add(now, settled.iter().map(|settlement| &settlement.used));
        }
    }

    fn update(&mut self, now: Now, record: Arc<QuotaRecord>, turn: &mut Turn<Self>) {
        self.record = record;
        if let Some(why) = self.unusable(now) {
            self.refuse_all(turn, || QuotaReply::Unusable(why));
        }
        self.open(now);
        self.serve(now, turn);
    }

    fn refuse_all(&mut self, turn: &mut Turn<Self>, reply: impl Fn() -> QuotaReply) {
        for waiter in self.queue.remove(|_| true) {
            turn.reply(waiter.ticket, reply());
        }
        self.gate.set_waiting(0);
    }

    fn done(&mut self, now: Now, done: QuotaDone, turn: &mut Turn<Self>) {
        match done {
            QuotaDone::Loaded { limits, rows } => {
                self.loading = false;
                match rows {
                    Some(rows) => {
                        self.windows.learn(&limits, rows);
                        self.open(now);
                        self.serve(now, turn);
                    }
                    None => self.refuse_all(turn, || QuotaReply::Unread),
                }
            }
            QuotaDone::Saved { ok } => {
                self.saving = false;
                self.unsaved |= !ok;
            }
            QuotaDone::TotalsLoaded(totals) => {
                if let Some(all) = &mut self.totals {
                    all.loaded(now, totals);
                }
            }
            QuotaDone::TotalsSaved { ok } => {
                if let Some(all) = &mut self.totals {
                    all.saved(now, ok);
                }
            }
        }
    }

    /// Opens the cells of the next windows.
    fn roll(&mut self, now: Now, turn: &mut Turn<Self>) {
        if self.ready && self.windows.edge_ms() <= now.unix_ms {
            self.open(now);
            self.serve(now, turn);
        }
    }

    fn save(&mut self, now: Now, turn: &mut Turn<Self>) {
        if !std::mem::replace(&mut self.unsaved, false) {
            return;
        }
        let rows = self.windows.to_save(now);
        if !rows.is_empty() {
            self.saving = true;
            turn.effect(QuotaEffect::Save(rows));
        }
    }

    /// Answers a flush when nothing is under way any more.
    fn flush(&mut self, now: Now, turn: &mut Turn<Self>) {
        if self.flushing.is_empty() || self.saving {
            return;
        }
        if self.totals.as_ref().is_some_and(Totals::is_busy) {
            return;
        }
        self.save(now, turn);
        if !self.saving {
            for ticket in self.flushing.drain(..) {
                turn.reply(ticket, QuotaReply::Flushed);
            }
        }
    }

    fn leave_if_idle(&mut self, now: Now, turn: &mut Turn<Self>) {
        if !matches!(self.record.scope, Scope::Key(_)) {
            self.wake_at_ms = u64::MAX;
            return;
        }
        // A key that may not be used any more has nothing to wait for.
        let idle_ms = match self.unusable(now) {
            Some(_) => 0,
            None => self.idle_ms,
        };
        let idle_at = self.entry.touched_ms() + idle_ms;
        self.wake_at_ms = idle_at.max(now.mono_ms + 1);
        if idle_at > now.mono_ms {
            return;
        }
        let quiet = self.totals.as_ref().is_none_or(Totals::is_quiet)
            && self.queue.is_empty()
            && !self.saving
            && !self.loading;
        if quiet && self.entry.inside() == 0 {
            self.save(now, turn);
            // Whoever was inside since then has told so before leaving, and it would be unsaved.
            if !self.saving && self.entry.try_close() {
                return turn.stop();
            }
        }
        self.wake_at_ms = now.mono_ms + TRY_AGAIN_MS;
    }
}

fn serve_one(gate: &Arc<Gate>, now: Now, waiter: Waiter, turn: &mut Turn<Quota>) -> Served {
    let Wanted { demand, model, .. } = &waiter.wanted;
    match Hold::take(gate, demand, model, now.unix_ms, true) {
        Ok(hold) => turn.reply(waiter.ticket, QuotaReply::Granted(hold)),
        Err(Blocked::Short { limit }) if waits(gate, limit, &waiter.wanted, now) => {
            return Served::Waits(waiter);
        }
        Err(Blocked::Cold | Blocked::Behind) => return Served::Waits(waiter),
        Err(Blocked::Short { .. }) => turn.reply(waiter.ticket, QuotaReply::Judge),
    }
    Served::Done
}

/// Can a request that the limit at this place keeps out pass by waiting?
fn waits(gate: &Gate, place: usize, wanted: &Wanted, now: Now) -> bool {
    let view = gate.look();
    let Some(limit) = view.limits.get(place) else {
        return false;
    };
    if limit.name == LimitName::Concurrent {
        return true;
    }
    let Some(cell) = limit.cell(now.unix_ms) else {
        return true;
    };
    let bound = view.units(limit.name, &wanted.demand.bound);
    let need = gate.reserves(limit, &view, bound);
    let capacity = limit.rule.capacity(now.unix_ms);
    let only_reserved = cell.used().saturating_add(need) <= capacity;
    only_reserved || (limit.rule.on_limit == OnLimit::Queue && need <= capacity)
}

impl Machine for Quota {
    type Ask = QuotaAsk;
    type Reply = QuotaReply;
    type Tell = QuotaTell;
    type Effect = QuotaEffect;
    type Done = QuotaDone;
    /// The gate's view is published by the machine itself, before its replies leave.
    type View = ();

    fn handle(&mut self, now: Now, input: Input<Self>, turn: &mut Turn<Self>) {
        self.roll(now, turn);
        match input {
            Input::Ask(ticket, QuotaAsk::Reserve(wanted)) => {
                self.reserve(now, ticket, *wanted, turn);
            }
            Input::Ask(ticket, QuotaAsk::Flush) => {
                self.flushing.push(ticket);
                if let Some(totals) = &mut self.totals {
                    totals.hurry(now);
                }
            }
            Input::Tell(QuotaTell::Settle(settled)) => self.settle(now, &settled),
            Input::Tell(QuotaTell::Update(record)) => self.update(now, record, turn),
            Input::Tell(QuotaTell::Freed) | Input::Wake => self.serve(now, turn),
            Input::Done(done) => self.done(now, done, turn),
            Input::Left(ticket) => {
                self.queue.remove(|waiter| waiter.ticket == ticket);
                self.flushing.retain(|&waiting| waiting != ticket);
                self.gate.set_waiting(self.queue.len());
                self.serve(now, turn);
            }
        }
        self.load(turn);
        if let Some(effect) = self.totals.as_mut().and_then(|totals| totals.next(now)) {
            turn.effect(effect);
        }
        self.flush(now, turn);
        self.leave_if_idle(now, turn);
        let to_edge_ms = self.windows.edge_ms().saturating_sub(now.unix_ms);
        self.edge_at_ms = now.mono_ms.saturating_add(to_edge_ms);
    }

    fn view(&self) {}

    fn deadline(&self) -> Option<u64> {
        let totals = self.totals.as_ref().and_then(Totals::deadline);
        [self.queue.deadline(), totals]
            .into_iter()
            .flatten()
            .chain([self.wake_at_ms, self.edge_at_ms])
            .min()
            .filter(|at| *at < u64::MAX)
    }
}

#[cfg(test)]
mod tests;
