//! Rows that wait to be written.
//!
//! Invariant: one row of each place, the newest; a row leaves when the very one was written; events leave in order.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use troupe_core::account::AccountState;
use troupe_core::event::DomainEvent;
use troupe_core::key::KeyTotals;
use troupe_core::port::{Counter, QuotaRow, SessionRow, StoreError};
use troupe_core::{AccountId, KeyId, LimitId, SessionKey};

/// All kinds together.
const MOST_ROWS: usize = 200_000;
const MOST_EVENTS: usize = 10_000;
/// Rows of one kind in one flush.
const BATCH: usize = 2_000;

pub(super) enum Item {
    Quota(QuotaRow, Arc<dyn Counter>),
    Totals(KeyId, KeyTotals),
    Session(SessionRow),
}

type Kept = (QuotaRow, Arc<dyn Counter>);

struct Slot<T> {
    number: u64,
    row: T,
}

/// By place, each with the number of its save.
#[derive(Default)]
pub(super) struct Waiting {
    newest: u64,
    /// With the counter that lets it outlive the process.
    quotas: BTreeMap<(LimitId, u64), Slot<Kept>>,
    totals: HashMap<KeyId, Slot<KeyTotals>>,
    sessions: HashMap<SessionKey, Slot<SessionRow>>,
    states: HashMap<AccountId, Slot<AccountState>>,
    /// Of the states' changes.
    events: VecDeque<Slot<DomainEvent>>,
}

/// What one flush writes.
#[derive(Default)]
pub(super) struct Flush {
    pub quotas: Vec<(u64, QuotaRow)>,
    pub totals: Vec<(u64, KeyId, KeyTotals)>,
    pub sessions: Vec<(u64, SessionRow)>,
    pub states: Vec<(u64, AccountState)>,
    pub events: Vec<DomainEvent>,
    last_event: u64,
}

impl Flush {
    pub(super) fn is_empty(&self) -> bool {
        self.quotas.is_empty()
            && self.totals.is_empty()
            && self.sessions.is_empty()
            && self.states.is_empty()
            && self.events.is_empty()
    }
}

impl Waiting {
    pub(super) fn len(&self) -> usize {
        self.quotas.len()
            + self.totals.len()
            + self.sessions.len()
            + self.states.len()
            + self.events.len()
    }

    /// The number of the last save.
    pub(super) fn newest(&self) -> u64 {
        self.newest
    }

    /// Is nothing left of the saves up to `number`?
    pub(super) fn is_written(&self, number: u64) -> bool {
        let old = |slot: u64| slot <= number;
        !(self.quotas.values().any(|slot| old(slot.number))
            || self.totals.values().any(|slot| old(slot.number))
            || self.sessions.values().any(|slot| old(slot.number))
            || self.states.values().any(|slot| old(slot.number))
            || self.events.iter().any(|slot| old(slot.number)))
    }

    /// # Errors
    /// `Unavailable` when too many wait.
    pub(super) fn room(&self, rows: usize) -> Result<(), StoreError> {
        if self.len().saturating_add(rows) > MOST_ROWS {
            return Err(full());
        }
        Ok(())
    }

    /// # Errors
    /// `Unavailable` when too many wait.
    pub(super) fn put(&mut self, item: Item) -> Result<(), StoreError> {
        self.room(1)?;
        let number = self.next();
        match item {
            Item::Quota(row, counter) => {
                let row = (row, counter);
                self.quotas
                    .insert((row.0.limit, row.0.start_ms), Slot { number, row });
            }
            Item::Totals(id, row) => {
                self.totals.insert(id, Slot { number, row });
            }
            Item::Session(row) => {
                self.sessions.insert(row.session, Slot { number, row });
            }
        }
        Ok(())
    }

    /// # Errors
    /// `Unavailable` when too many wait.
    pub(super) fn put_state(
        &mut self,
        row: AccountState,
        events: Vec<DomainEvent>,
    ) -> Result<(), StoreError> {
        self.room(1)?;
        if self.events.len() + events.len() > MOST_EVENTS {
            return Err(full());
        }
        let number = self.next();
        self.states.insert(row.id, Slot { number, row });
        for row in events {
            let number = self.next();
            self.events.push_back(Slot { number, row });
        }
        Ok(())
    }

    pub(super) fn states(&self) -> impl Iterator<Item = &AccountState> {
        self.states.values().map(|slot| &slot.row)
    }

    pub(super) fn sessions(&self) -> impl Iterator<Item = &SessionRow> {
        self.sessions.values().map(|slot| &slot.row)
    }

    pub(super) fn forget_state(&mut self, id: AccountId) {
        self.states.remove(&id);
    }

    pub(super) fn forget_quota(&mut self, place: (LimitId, u64)) {
        self.quotas.remove(&place);
    }

    /// Nobody will write them: their counters stay for the next process.
    pub(super) fn leave_counters(&mut self) {
        for (_, slot) in std::mem::take(&mut self.quotas) {
            #[expect(
                clippy::disallowed_methods,
                reason = "dropped, it would give up its place in the file, which the next process reads"
            )]
            std::mem::forget(slot.row.1);
        }
    }

    /// Sessions that have ended need not be written; returns how many those were.
    pub(super) fn forget_sessions(&mut self, now_ms: u64) -> usize {
        let before = self.sessions.len();
        self.sessions.retain(|_, slot| slot.row.until_ms > now_ms);
        before - self.sessions.len()
    }

    /// Some of what waits; all of it when little does.
    pub(super) fn next_flush(&self) -> Flush {
        let quotas = self.quotas.values().take(BATCH);
        let totals = self.totals.iter().take(BATCH);
        let sessions = self.sessions.values().take(BATCH);
        let states = self.states.values().take(BATCH);
        Flush {
            quotas: quotas.map(|slot| (slot.number, slot.row.0)).collect(),
            totals: totals
                .map(|(id, slot)| (slot.number, *id, slot.row))
                .collect(),
            sessions: sessions.map(|slot| (slot.number, slot.row)).collect(),
            states: states.map(|slot| (slot.number, slot.row.clone())).collect(),
            events: self
                .events
                .iter()
                .take(BATCH)
                .map(|slot| slot.row.clone())
                .collect(),
            last_event: self
                .events
                .iter()
                .take(BATCH)
                .next_back()
                .map_or(0, |slot| slot.number),
        }
    }

    pub(super) fn written(&mut self, flush: &Flush) {
        for (number, row) in &flush.quotas {
            remove_same(&mut self.quotas, (row.limit, row.start_ms), *number);
        }
        for (number, id, _) in &flush.totals {
            remove_if(&mut self.totals, id, *number);
        }
        for (number, row) in &flush.sessions {
            remove_if(&mut self.sessions, &row.session, *number);
        }
        for (number, row) in &flush.states {
            remove_if(&mut self.states, &row.id, *number);
        }
        while self
            .events
            .front()
            .is_some_and(|slot| slot.number <= flush.last_event)
        {
            self.events.pop_front();
        }
    }

    fn next(&mut self) -> u64 {
        self.newest += 1;
        self.newest
    }
}

fn remove_same<K: Ord, T>(rows: &mut BTreeMap<K, Slot<T>>, place: K, number: u64) {
    if rows.get(&place).is_some_and(|slot| slot.number == number) {
        rows.remove(&place);
    }
}

fn remove_if<K: std::hash::Hash + Eq, T>(rows: &mut HashMap<K, Slot<T>>, place: &K, number: u64) {
    if rows.get(place).is_some_and(|slot| slot.number == number) {
        rows.remove(place);
    }
}

fn full() -> StoreError {
    StoreError::Unavailable("too many rows wait for PostgreSQL".into())
}
