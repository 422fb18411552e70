//! What is learnt is saved: changes at once, counters now and then.

use std::collections::BTreeMap;

use super::super::health::Health;
use super::super::message::{AccountEffect, AccountReply};
use super::super::record::AccountState;
use super::Account;
use crate::event::EventKind;
use crate::machine::{Ticket, Turn};
use crate::time::Now;

/// Changes that may wait for a slow store; the oldest go first.
const MAX_UNTOLD: usize = 64;
/// How old unsaved counters may be.
const STATS_EVERY_MS: u64 = 30_000;

#[derive(Debug)]
pub(super) struct Saves {
    running: bool,
    /// The state that stands is not the one that was handed to the store last.
    wanted: bool,
    untold: Vec<EventKind>,
    stats_dirty: bool,
    /// Monotonic ms.
    saved_ms: u64,
    flushing: Vec<Ticket>,
}

impl Saves {
    pub(super) fn new(now: Now) -> Self {
        Self {
            running: false,
            wanted: false,
            untold: Vec::new(),
            stats_dirty: false,
            saved_ms: now.mono_ms,
            flushing: Vec::new(),
        }
    }

    pub(super) fn stats_changed(&mut self) {
        self.stats_dirty = true;
    }

    pub(super) fn due_ms(&self) -> Option<u64> {
        (self.stats_dirty && !self.running).then_some(self.saved_ms + STATS_EVERY_MS)
    }

    pub(super) fn left(&mut self, ticket: Ticket) {
        self.flushing.retain(|waiting| *waiting != ticket);
    }
}

impl Account {
    /// Publishes, and saves after what is being saved: the latest state is written last.
    pub(super) fn save(&mut self, change: Option<EventKind>, turn: &mut Turn<Self>) {
        turn.publish();
        self.saves.wanted = true;
        self.saves.untold.extend(change);
        if self.saves.untold.len() > MAX_UNTOLD {
            self.saves.untold.remove(0);
        }
        self.save_next(turn);
    }

    pub(super) fn save_stats_if_due(&mut self, turn: &mut Turn<Self>) {
        if self.saves.due_ms().is_some_and(|at| at <= self.now.mono_ms) {
            self.saves.wanted = true;
            self.save_next(turn);
        }
    }

    pub(super) fn flush(&mut self, ticket: Ticket, turn: &mut Turn<Self>) {
        self.saves.flushing.push(ticket);
        self.saves.wanted |= self.saves.stats_dirty;
        self.save_next(turn);
    }

    pub(super) fn saved(&mut self, turn: &mut Turn<Self>) {
        self.saves.running = false;
        self.save_next(turn);
    }

    fn save_next(&mut self, turn: &mut Turn<Self>) {
        if self.saves.running {
            return;
        }
        if !self.saves.wanted {
            for ticket in std::mem::take(&mut self.saves.flushing) {
                turn.reply(ticket, AccountReply::Flushed);
            }
            return;
        }
        self.saves.running = true;
        self.saves.wanted = false;
        self.saves.stats_dirty = false;
        self.saves.saved_ms = self.now.mono_ms;
        let unix_ms = self.now.unix_ms;
        let mut state = AccountState::new(self.record.id, unix_ms);
        state.stats = self.stats.clone();
        state.lanes = BTreeMap::from_iter(self.lanes.iter().filter_map(|lane| {
            let lasting = lane.state.lasting(unix_ms);
            let says = lasting.health != Health::Active
                || !lasting.cooldowns.is_empty()
                || !lasting.windows.is_empty();
            says.then_some((lane.auth, lasting))
        }));
        turn.effect(AccountEffect::Save {
            state: Box::new(state),
            changes: std::mem::take(&mut self.saves.untold),
        });
    }
}
