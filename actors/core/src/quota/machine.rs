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
use super::queue::{FairQueue, Waiter};
use super::record::QuotaRecord;
use super::serving::Serving;
use super::totals::{KeyLedger, Totals};
use super::windows::Windows;
use crate::gate::Entry;
use crate::limit::{Gate, Scope, ScopeView};
use crate::machine::{Input, Machine, Ticket, Turn};
use crate::port::{CellRows, QuotaRow};
use crate::time::Now;

/// How long an actor that could not leave, or whose store failed, waits before it tries again.
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
    /// Not before then, after the store failed (monotonic).
    load_at_ms: u64,
    save_at_ms: u64,
    /// Rows on their way to the store, and the flushes that are answered when they are there.
    saving: Option<Vec<QuotaRow>>,
    flushed: Vec<Ticket>,
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
        let windows = Windows::new(rows, &gate);
        let totals = record.key.as_ref().map(|_| Totals::new(ledger, now));
        let mut quota = Self {
            ready: false,
            record,
            gate,
            entry,
            windows,
            loading: false,
            load_at_ms: now.mono_ms,
            save_at_ms: now.mono_ms,
            saving: None,
            flushed: Vec::new(),
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

    fn load(&mut self, now: Now, turn: &mut Turn<Self>) {
        if !self.ready && !self.loading && self.load_at_ms <= now.mono_ms {
            self.loading = true;
            turn.effect(QuotaEffect::Load(self.windows.unknown(&self.record)));
        }
    }

    fn reserve(&mut self, now: Now, ticket: Ticket, wanted: Wanted, turn: &mut Turn<Self>) {
        if let Some(why) = self.unusable(now) {
            return turn.reply(ticket, QuotaReply::Unusable(why));
        }
        let is_shared = self.record.key.is_none();
        let waiter = Waiter {
            ticket,
            wanted,
            since_ms: now.mono_ms,
        };
        if let Err(ticket) = self.queue.push(waiter, is_shared) {
            return turn.reply(ticket, QuotaReply::Full);
        }
        self.serve(now, turn);
    }

    fn unusable(&self, now: Now) -> Option<&'static str> {
        self.record
            .key
            .as_ref()
            .and_then(|key| key.unusable(now.unix_ms))
    }

    /// Grants what fits, in turn, and refuses those whose time is over; then whoever stood behind one of these has a look.
    fn serve(&mut self, now: Now, turn: &mut Turn<Self>) {
        loop {
            self.gate.set_waiting(self.queue.len());
            if self.queue.is_empty() {
                return;
            }
            if let Some(why) = self.unusable(now) {
                return self.refuse_all(turn, || QuotaReply::Unusable(why));
            }
            if self.ready {
                let mut serving = Serving::new(&self.gate, now);
                self.queue.serve(|waiter| serving.one(waiter, turn));
            }
            let late = self
                .queue
                .remove(|waiter| waiter.wanted.deadline_ms <= now.mono_ms);
            if late.is_empty() {
                return self.gate.set_waiting(self.queue.len());
            }
            for waiter in late {
                turn.reply(waiter.ticket, QuotaReply::Late);
            }
        }
    }

    fn settle(&mut self, now: Now, settled: &[Settlement]) {
        if let Some(totals) = &mut self.totals {
            totals.add(now, settled.iter().map(|settlement| &settlement.used));
        }
    }

    fn update(&mut self, now: Now, record: Arc<QuotaRecord>, turn: &mut Turn<Self>) {
        self.record = record;
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
                    None => {
                        self.load_at_ms = now.mono_ms.saturating_add(TRY_AGAIN_MS);
                        self.refuse_all(turn, || QuotaReply::Unread);
                    }
                }
            }
            QuotaDone::Saved { ok } => self.saved(now, ok, turn),
            QuotaDone::TotalsLoaded(totals) => {
                if let Some(all) = &mut self.totals {
                    let is_read = totals.is_some();
                    all.loaded(now, totals);
                    if is_read && !self.flushing.is_empty() {
                        all.hurry(now);
                    }
                }
            }
            QuotaDone::TotalsSaved { ok } => {
                if let Some(all) = &mut self.totals {
                    all.saved(now, ok);
                }
            }
        }
    }

    /// Opens the cells of the next windows; of those before, where the clock was set back.
    fn roll(&mut self, now: Now, turn: &mut Turn<Self>) {
        if self.ready && self.windows.is_past(now) {
            self.open(now);
            self.serve(now, turn);
        }
    }

    fn save(&mut self, now: Now, turn: &mut Turn<Self>) {
        let rows = self.windows.begin_save(now);
        if !rows.is_empty() {
            self.saving = Some(rows.clone());
            turn.effect(QuotaEffect::Save(rows));
        }
    }

    fn saved(&mut self, now: Now, ok: bool, turn: &mut Turn<Self>) {
        let rows = self.saving.take().unwrap_or_default();
        if ok {
            self.windows.saved(&rows);
            self.windows.tidy(&self.record, now);
        } else {
            self.save_at_ms = now.mono_ms.saturating_add(TRY_AGAIN_MS);
        }
        for ticket in self.flushed.drain(..) {
            turn.reply(ticket, QuotaReply::Flushed);
        }
    }

    /// Saves for those who ask for it, each once; answers when nothing is under way any more: what was used before is read, or
    /// one attempt to read it failed.
    fn flush(&mut self, now: Now, turn: &mut Turn<Self>) {
        let is_busy = self.totals.as_ref().is_some_and(Totals::is_busy);
        if self.flushing.is_empty() || self.saving.is_some() || self.loading || is_busy {
            return;
        }
        self.save(now, turn);
        let asked = std::mem::take(&mut self.flushing);
        if self.saving.is_some() {
            self.flushed = asked;
            return;
        }
        for ticket in asked {
            turn.reply(ticket, QuotaReply::Flushed);
        }
    }

    /// Stores what limits that hold no more have charged when they are many, so that their cells can go.
    fn make_room(&mut self, now: Now, turn: &mut Turn<Self>) {
        let may_save = self.saving.is_none() && self.save_at_ms <= now.mono_ms;
        if may_save && self.windows.is_crowded(&self.record) {
            self.save(now, turn);
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
            && self.flushing.is_empty()
            && self.saving.is_none()
            && self.save_at_ms <= now.mono_ms
            && !self.loading;
        if quiet && self.entry.inside() == 0 {
            // Whoever was inside since the last save has changed a cell, or nothing.
            self.save(now, turn);
            if self.saving.is_none() && self.entry.try_close() {
                return turn.stop();
            }
        }
        self.wake_at_ms = now.mono_ms + TRY_AGAIN_MS;
    }
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
                self.flushed.retain(|&waiting| waiting != ticket);
                self.serve(now, turn);
            }
        }
        self.load(now, turn);
        if let Some(effect) = self.totals.as_mut().and_then(|totals| totals.next(now)) {
            turn.effect(effect);
        }
        self.flush(now, turn);
        self.make_room(now, turn);
        self.leave_if_idle(now, turn);
        // What is not known cannot be opened, whatever the time is.
        self.edge_at_ms = match self.ready {
            true => {
                let to_edge_ms = self.windows.edge_ms().saturating_sub(now.unix_ms);
                now.mono_ms.saturating_add(to_edge_ms)
            }
            false => u64::MAX,
        };
    }

    fn view(&self) {}

    fn deadline(&self) -> Option<u64> {
        let totals = self.totals.as_ref().and_then(Totals::deadline);
        [self.queue.deadline(), totals]
            .into_iter()
            .flatten()
            .chain((!self.ready && !self.loading).then_some(self.load_at_ms))
            .chain([self.wake_at_ms, self.edge_at_ms])
            .min()
            .filter(|at| *at < u64::MAX)
    }
}

#[cfg(test)]
mod tests;
