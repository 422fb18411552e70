//! What must go on while the server is away: sums of limits and keys, sessions, learnt states of accounts.
//!
//! ```text
//! save ─▶ waiting ─▶ flush ── written ──▶ gone from what waits, unless it was saved anew meanwhile
//!                      └─ failed ─▶ away: saves answer at once; a task flushes every second until it works
//! ```
//! Sums are read from memory: this node is their only writer. `waiting` holds the flushes' rows, `state` what is in
//! memory, `flush` the writing, `quotas`, `sessions` the ports.
//!
//! Invariant: a save that returned `Ok` is in the database, or waits in memory and is written before anything later
//! about the same row; what waits is bounded, and beyond the bound a save is refused. A limit's sum that waits has a
//! counter in the node's ledger, so that it outlives the process.

mod flush;
mod quotas;
mod sessions;
mod waiting;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use troupe_core::account::AccountState;
use troupe_core::event::DomainEvent;
use troupe_core::key::KeyTotals;
use troupe_core::port::{CellRows, QuotaRow, StoreError};
use troupe_core::{AccountId, KeyId, LimitId};

pub(crate) use quotas::fold;

use super::fault::Fault;
use super::pool::Pg;
use super::rows::rows;
use crate::codec::decode;
use waiting::{Item, Waiting};

const AGAIN: Duration = Duration::from_secs(1);

/// Authority and soft rows; clones share them.
#[derive(Clone)]
pub(crate) struct Soft(Arc<Inner>);

/// Never derived: rows are nobody's business.
impl std::fmt::Debug for Soft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Soft({} wait)", self.state().waiting.len())
    }
}

struct Inner {
    pg: Pg,
    node: Arc<str>,
    cells: Arc<dyn CellRows>,
    state: Mutex<State>,
    /// Held by who writes soft rows.
    turn: tokio::sync::Mutex<()>,
    /// The last flush failed.
    away: AtomicBool,
}

#[derive(Default)]
struct State {
    quotas: BTreeMap<(LimitId, u64), QuotaRow>,
    totals: HashMap<KeyId, KeyTotals>,
    waiting: Waiting,
}

impl Soft {
    /// Loads the sums, and begins to write what waits.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    pub(crate) async fn load(
        pg: Pg,
        node: Arc<str>,
        cells: Arc<dyn CellRows>,
    ) -> Result<Self, StoreError> {
        let quotas = pg
            .read(|connection| rows(connection, "select \"row\" from quotas", quotas::ROW))
            .await?;
        let totals = pg
            .read(|connection| Box::pin(load_totals(connection)))
            .await?;
        let state = State {
            quotas: quotas.into_iter().map(quotas::place).collect(),
            totals,
            waiting: Waiting::default(),
        };
        let soft = Self(Arc::new(Inner {
            pg,
            node,
            cells,
            state: Mutex::new(state),
            turn: tokio::sync::Mutex::new(()),
            away: AtomicBool::new(false),
        }));
        tokio::spawn(write_behind(Arc::downgrade(&soft.0)));
        Ok(soft)
    }

    pub(super) fn pg(&self) -> &Pg {
        &self.0.pg
    }

    pub(super) fn node(&self) -> Arc<str> {
        Arc::clone(&self.0.node)
    }

    /// Nobody writes soft rows meanwhile.
    pub(super) async fn alone(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.0.turn.lock().await
    }

    pub(super) fn key_totals(&self, id: KeyId) -> KeyTotals {
        self.state().totals.get(&id).copied().unwrap_or_default()
    }

    pub(super) async fn save_key_totals(
        &self,
        id: KeyId,
        totals: KeyTotals,
    ) -> Result<(), StoreError> {
        self.save(|state| {
            state.waiting.put(Item::Totals(id, totals))?;
            state.totals.insert(id, totals);
            Ok(())
        })
        .await
    }

    pub(super) async fn save_account_state(
        &self,
        new: AccountState,
        events: Vec<DomainEvent>,
    ) -> Result<(), StoreError> {
        self.save(|state| state.waiting.put_state(new, events))
            .await
    }

    pub(super) fn has_state(&self, id: AccountId) -> bool {
        self.state().waiting.states().any(|state| state.id == id)
    }

    pub(super) fn forget_state(&self, id: AccountId) {
        self.state().waiting.forget_state(id);
    }

    /// `stored`, where nothing newer waits.
    pub(super) fn newest_states(&self, stored: Vec<AccountState>) -> Vec<AccountState> {
        let mut newest: BTreeMap<_, _> =
            stored.into_iter().map(|state| (state.id, state)).collect();
        let waiting = self.state();
        newest.extend(
            waiting
                .waiting
                .states()
                .map(|state| (state.id, state.clone())),
        );
        newest.into_values().collect()
    }

    /// Writes what waits, once.
    ///
    /// # Errors
    /// `Unknown`: so many rows are lost, but for sums of limits, which the next process finds in the ledger.
    pub(crate) async fn close(&self) -> Result<(), StoreError> {
        let flushed = self.flush().await;
        let mut state = self.state();
        let left = state.waiting.len();
        flushed.map_err(|error| {
            state.waiting.leave_counters();
            StoreError::Unknown(format!(
                "{left} rows of limits, keys, sessions and accounts were not written: {error}"
            ))
        })
    }

    /// Takes the rows, and writes them now unless the server is known to be away.
    async fn save(
        &self,
        take: impl FnOnce(&mut State) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mine = {
            let mut state = self.state();
            let taken = take(&mut state);
            self.0.pg.health().set_dirty(state.waiting.len());
            taken?;
            state.waiting.newest()
        };
        if self.0.away.load(Ordering::Relaxed) {
            return Ok(());
        }
        match self.flush_to(mine).await {
            Ok(()) | Err(StoreError::Unavailable(_) | StoreError::Unknown(_)) => Ok(()),
            Err(other) => Err(other),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn load_totals(
    connection: &mut sqlx::postgres::PgConnection,
) -> Result<HashMap<KeyId, KeyTotals>, Fault> {
    use sqlx::Row;
    let found = sqlx::query("select id, \"row\" from key_totals")
        .fetch_all(connection)
        .await?;
    let mut totals = HashMap::with_capacity(found.len());
    for row in found {
        totals.insert(
            KeyId(row.try_get(0)?),
            decode("key totals", row.try_get(1)?)?,
        );
    }
    Ok(totals)
}

/// Ends with the last handle.
async fn write_behind(soft: std::sync::Weak<Inner>) {
    loop {
        // Not held while it waits, so that the last handle can go.
        let Some(inner) = soft.upgrade() else { return };
        let soft_now = Soft(inner);
        if soft_now.0.away.load(Ordering::Relaxed) {
            // Health and the log tell what became of it.
            let _ = soft_now.flush().await;
        }
        drop(soft_now);
        tokio::time::sleep(AGAIN).await;
    }
}
