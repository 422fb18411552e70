//! The key machine: the queue behind a key's slots, and what the key has used.
//!
//! Invariant: the queue is first come, first served and bounded; a slot granted to a caller that has left gives itself
//! back; a settlement is counted once; the actor leaves only when nobody is inside and everything is saved.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use super::record::{KeyRecord, KeyTotals};
use crate::gate::{Entry, EntryGuard, SlotGuard, Slots};
use crate::machine::{Input, Machine, Ticket, Turn};
use crate::time::Now;

/// How many may wait for a slot of one key.
pub const MAX_QUEUE: usize = 512;
/// How long totals may be unsaved.
const SAVE_AFTER_MS: u64 = 1_000;

/// What a finished request owes its key. Holding it keeps the actor from leaving.
#[derive(Debug)]
pub struct Settlement {
    pub hold: Option<EntryGuard>,
    pub used: KeyTotals,
}

/// What requests see of a key.
#[derive(Clone, Debug)]
pub struct KeyView {
    pub record: Arc<KeyRecord>,
    pub totals: KeyTotals,
    pub queued: usize,
}

/// Questions to a key.
#[derive(Clone, Copy, Debug)]
pub enum KeyAsk {
    /// The gate's debit failed: a slot, waiting for it until `deadline_ms` (monotonic) at most.
    Reserve { deadline_ms: u64 },
    /// Answered when everything settled before is saved, or one attempt to save it failed.
    Flush,
}

#[derive(Debug)]
pub enum KeyReply {
    Granted(SlotGuard),
    Refused(Refusal),
    Flushed,
}

/// Why a key refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No slot came free in time.
    Concurrent {
        limit: u32,
    },
    QueueFull,
    /// Revoked, expired or disabled while waiting.
    Unusable(&'static str),
}

/// Facts told to a key.
#[derive(Debug)]
pub enum KeyTell {
    Settle(Vec<Settlement>),
    Update(Arc<KeyRecord>),
    /// A slot was given back while somebody waits.
    SlotFreed,
}

#[derive(Debug)]
pub enum KeyEffect {
    LoadTotals,
    SaveTotals(KeyTotals),
}

#[derive(Debug)]
pub enum KeyDone {
    /// `None`: could not be read; tried again before the first save.
    Loaded(Option<KeyTotals>),
    Saved {
        ok: bool,
    },
}

/// The counters of a key; owned by the shell, so they outlive a panic of the machine.
#[derive(Debug, Default)]
struct Ledger {
    /// As read from the store; `None` until then, and nothing is saved before.
    base: Option<KeyTotals>,
    /// Used since this actor was activated.
    since: KeyTotals,
    saved: KeyTotals,
}

/// The shared part that survives a restart of the machine.
#[derive(Clone, Debug, Default)]
pub struct KeyLedger(Arc<Mutex<Ledger>>);

/// The key actor's core.
#[derive(Debug)]
pub struct Key {
    record: Arc<KeyRecord>,
    slots: Arc<Slots>,
    entry: Arc<Entry>,
    ledger: KeyLedger,
    queue: VecDeque<(Ticket, u64)>,
    flushing: Vec<Ticket>,
    idle_ms: u64,
    busy: bool,
    save_at_ms: Option<u64>,
    wake_at_ms: u64,
}

impl Key {
    #[must_use]
    pub fn new(
        record: Arc<KeyRecord>,
        slots: Arc<Slots>,
        entry: Arc<Entry>,
        ledger: KeyLedger,
        idle_ms: u64,
        now: Now,
    ) -> Self {
        slots.set_limit(record.limits.concurrent());
        slots.set_waiting(0);
        Self {
            record,
            slots,
            entry,
            ledger,
            queue: VecDeque::new(),
            flushing: Vec::new(),
            idle_ms,
            busy: false,
            save_at_ms: Some(now.mono_ms),
            wake_at_ms: now.mono_ms + idle_ms,
        }
    }

    fn ledger(&self) -> std::sync::MutexGuard<'_, Ledger> {
        self.ledger.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reserve(&mut self, now: Now, ticket: Ticket, deadline_ms: u64, turn: &mut Turn<Self>) {
        if let Some(why) = self.record.unusable(now.unix_ms) {
            return turn.reply(ticket, KeyReply::Refused(Refusal::Unusable(why)));
        }
        if self.queue.len() >= MAX_QUEUE {
            return turn.reply(ticket, KeyReply::Refused(Refusal::QueueFull));
        }
        self.queue.push_back((ticket, deadline_ms));
        self.slots.set_waiting(self.queue.len());
        self.serve(now, turn);
    }

    /// Grants from the head while slots last, then refuses those whose time has come.
    fn serve(&mut self, now: Now, turn: &mut Turn<Self>) {
        while !self.queue.is_empty()
            && let Some(slot) = self.slots.take_from_queue()
            && let Some((ticket, _)) = self.queue.pop_front()
        {
            turn.reply(ticket, KeyReply::Granted(slot));
        }
        let limit = self.slots.limit();
        self.queue.retain(|&(ticket, deadline_ms)| {
            let waits = deadline_ms > now.mono_ms;
            if !waits {
                turn.reply(ticket, KeyReply::Refused(Refusal::Concurrent { limit }));
            }
            waits
        });
        self.slots.set_waiting(self.queue.len());
    }

    fn settle(&mut self, now: Now, settled: Vec<Settlement>, turn: &mut Turn<Self>) {
        let mut ledger = self.ledger();
        settled.iter().for_each(|s| ledger.since.add(&s.used));
        drop(ledger);
        self.save_at_ms.get_or_insert(now.mono_ms + SAVE_AFTER_MS);
        turn.publish();
    }

    fn update(&mut self, now: Now, record: Arc<KeyRecord>, turn: &mut Turn<Self>) {
        self.slots.set_limit(record.limits.concurrent());
        self.record = record;
        if let Some(why) = self.record.unusable(now.unix_ms) {
            for (ticket, _) in self.queue.drain(..) {
                turn.reply(ticket, KeyReply::Refused(Refusal::Unusable(why)));
            }
        }
        self.serve(now, turn);
        turn.publish();
    }

    /// The next write to the store, if one is due and none is under way.
    fn save(&mut self, now: Now, turn: &mut Turn<Self>) {
        if self.busy || self.save_at_ms.is_none_or(|at| at > now.mono_ms) {
            return;
        }
        self.save_at_ms = None;
        let effect = {
            let mut ledger = self.ledger();
            match ledger.base {
                None => KeyEffect::LoadTotals,
                Some(_) if ledger.saved == ledger.since => return,
                Some(mut total) => {
                    total.add(&ledger.since);
                    ledger.saved = ledger.since;
                    KeyEffect::SaveTotals(total)
                }
            }
        };
        self.busy = true;
        turn.effect(effect);
    }

    fn flush(&mut self, now: Now, ticket: Ticket) {
        self.flushing.push(ticket);
        if self.save_at_ms.is_some() {
            self.save_at_ms = Some(now.mono_ms);
        }
    }

    fn done(&mut self, now: Now, done: &KeyDone, turn: &mut Turn<Self>) {
        self.busy = false;
        let mut ledger = self.ledger();
        let retry = match done {
            KeyDone::Loaded(Some(totals)) => {
                ledger.base.get_or_insert(*totals);
                ledger.since != ledger.saved
            }
            KeyDone::Loaded(None) => true,
            KeyDone::Saved { ok } => {
                if !ok {
                    ledger.saved = KeyTotals::default();
                }
                ledger.since != ledger.saved
            }
        };
        drop(ledger);
        if retry {
            self.save_at_ms.get_or_insert(now.mono_ms + SAVE_AFTER_MS);
        }
        turn.publish();
    }

    fn leave_if_idle(&mut self, now: Now, turn: &mut Turn<Self>) {
        // A key that may not be used any more has nothing to wait for.
        let idle_ms = if self.record.unusable(now.unix_ms).is_some() {
            0
        } else {
            self.idle_ms
        };
        let idle_at = self.entry.touched_ms() + idle_ms;
        self.wake_at_ms = idle_at.max(now.mono_ms + 1);
        if idle_at > now.mono_ms {
            return;
        }
        if !self.busy
            && self.save_at_ms.is_none()
            && self.queue.is_empty()
            && self.entry.try_close()
        {
            turn.stop();
        } else {
            self.wake_at_ms = now.mono_ms + SAVE_AFTER_MS;
        }
    }
}

impl Machine for Key {
    type Ask = KeyAsk;
    type Reply = KeyReply;
    type Tell = KeyTell;
    type Effect = KeyEffect;
    type Done = KeyDone;
    type View = KeyView;

    fn handle(&mut self, now: Now, input: Input<Self>, turn: &mut Turn<Self>) {
        match input {
            Input::Ask(ticket, KeyAsk::Reserve { deadline_ms }) => {
                self.reserve(now, ticket, deadline_ms, turn)
            }
            Input::Ask(ticket, KeyAsk::Flush) => self.flush(now, ticket),
            Input::Tell(KeyTell::Settle(settled)) => self.settle(now, settled, turn),
            Input::Tell(KeyTell::Update(record)) => self.update(now, record, turn),
            Input::Tell(KeyTell::SlotFreed) => self.serve(now, turn),
            Input::Done(done) => self.done(now, &done, turn),
            Input::Left(ticket) => {
                self.queue.retain(|&(waiting, _)| waiting != ticket);
                self.flushing.retain(|&waiting| waiting != ticket);
                self.serve(now, turn);
            }
            Input::Wake => self.serve(now, turn),
        }
        self.save(now, turn);
        if !self.busy {
            for ticket in self.flushing.drain(..) {
                turn.reply(ticket, KeyReply::Flushed);
            }
        }
        self.leave_if_idle(now, turn);
    }

    fn view(&self) -> KeyView {
        let ledger = self.ledger();
        let mut totals = ledger.base.unwrap_or_default();
        totals.add(&ledger.since);
        drop(ledger);
        KeyView {
            record: Arc::clone(&self.record),
            totals,
            queued: self.queue.len(),
        }
    }

    fn deadline(&self) -> Option<u64> {
        let queue = self.queue.iter().map(|&(_, at)| at).min();
        let save = self.save_at_ms.filter(|_| !self.busy);
        queue.into_iter().chain(save).chain([self.wake_at_ms]).min()
    }
}

#[cfg(test)]
mod tests;
