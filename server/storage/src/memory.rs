//! Every port in memory: for tests and for `memory:`.
//!
//! Invariant: one lock over everything, so each write is one step as a transaction is; logs, events, resources and
//! sessions are bounded, the oldest goes first.

mod accounts;
mod audit;
mod bodies;
pub(crate) mod cells;
mod facts;
mod keys;
mod log;
mod quotas;
mod series;
mod sessions;
mod usage;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use troupe_core::account::{AccountRecord, AccountState, TokenRow};
use troupe_core::event::DomainEvent;
use troupe_core::key::{KeyRecord, KeyTotals};
use troupe_core::port::{QuotaRow, ResourceOwner, SessionRow, Stores};
use troupe_core::record::RequestRecord;
use troupe_core::usage::{SeriesKey, UsageKey, UsageRow, UsageSums};
use troupe_core::{AccountId, KeyHash, KeyId, LimitId, SessionKey};

use crate::rules::EVENTS_KEPT;

/// Rows of the request log that are kept.
const LOG_ROWS: usize = 100_000;
/// Resources whose owner is remembered.
const RESOURCES: usize = 100_000;
/// Sessions that are remembered; the soonest to end goes first.
const SESSIONS: usize = 100_000;
/// Rows of usage.
const USAGE_ROWS: usize = 100_000;
/// Rows of series; the oldest minutes go first, then hours, then days.
const SERIES_ROWS: usize = 100_000;

#[derive(Default)]
struct State {
    accounts: BTreeMap<AccountId, AccountRecord>,
    account_names: HashMap<String, AccountId>,
    account_states: BTreeMap<AccountId, AccountState>,
    tokens: BTreeMap<AccountId, TokenRow>,
    sessions: HashMap<SessionKey, SessionRow>,
    /// The same sessions by their end, as `rules::session_order` has them.
    session_ends: BTreeSet<(u64, KeyId, u64)>,
    /// By limit and start of the window.
    quotas: BTreeMap<(LimitId, u64), QuotaRow>,
    keys: BTreeMap<KeyId, KeyRecord>,
    key_names: HashMap<String, KeyId>,
    key_hashes: HashMap<KeyHash, KeyId>,
    key_totals: HashMap<KeyId, KeyTotals>,
    resources: HashMap<String, ResourceOwner>,
    resource_order: VecDeque<String>,
    meta: HashMap<&'static str, Vec<u8>>,
    last_event: u64,
    events: VecDeque<(u64, DomainEvent)>,
    last_row: u64,
    log: VecDeque<(u64, RequestRecord)>,
    usage: BTreeMap<UsageKey, UsageRow>,
    /// How many rows a day has.
    usage_days: BTreeMap<u32, usize>,
    usage_batch: Option<u64>,
    audit: audit::Lines,
    series: BTreeMap<SeriesKey, UsageSums>,
}

impl State {
    fn push_event(&mut self, event: DomainEvent) {
        self.last_event += 1;
        self.events.push_back((self.last_event, event));
        if self.events.len() as u64 > EVENTS_KEPT {
            self.events.pop_front();
        }
    }
}

/// The store; clones share it.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<State>>);

impl Memory {
    fn with<T>(&self, step: impl FnOnce(&mut State) -> T) -> T {
        step(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A new, empty store.
pub(crate) fn stores() -> Stores {
    let memory = Arc::new(Memory::default());
    Stores {
        accounts: memory.clone(),
        keys: memory.clone(),
        resources: memory.clone(),
        sessions: memory.clone(),
        quotas: memory.clone(),
        cells: Arc::new(cells::MemoryCells::default()),
        meta: memory.clone(),
        events: memory.clone(),
        log: memory.clone(),
        bodies: Arc::new(bodies::MemoryBodies::default()),
        usage: memory.clone(),
        audit: memory,
    }
}
