//! Ports: what the house needs from a store, as traits. Implementations live in `server/storage`; each passes the same
//! contract suite.
//!
//! Invariant: a write returns only when it is durable; *certainly failed* and *perhaps done* are different errors.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use secrecy::SecretString;

use crate::account::{
    AccountRecord, AccountState, AccountView, Auth, Probe, ProbeKind, Renewal, Renewed, TokenRow,
};
use crate::audit::{AuditAnchor, AuditRow, AuditSearch};
use crate::bodies::StoredBodies;
use crate::event::DomainEvent;
use crate::id::{AccountId, KeyId, LimitId, RequestId, SessionKey};
use crate::key::{KeyRecord, KeyTotals};
use crate::log::{LogFound, LogPage, LogQuery, LogSearch};
use crate::record::RequestRecord;
use crate::usage::{Grain, SeriesQuery, SeriesRow, UsageBatch, UsageBy, UsageQuery, UsageRow};

/// A store's answer; boxed, because the backend is chosen at run time and no port is on the request path.
pub type PortFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Why a store did not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The row is not what the caller thought: another version, another row with that name, or none.
    #[error("{0}")]
    Conflict(String),
    /// The store could not be reached or refused; nothing was written.
    #[error("store unavailable: {0}")]
    Unavailable(String),
    /// The store failed while writing; the change may or may not be there.
    #[error("store failed, the change may be there: {0}")]
    Unknown(String),
    /// What was read is not what was written (damage, another format, another master key).
    #[error("store is damaged: {0}")]
    Corrupt(String),
}

/// What a put expects to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// No row of that id, and no live row of that name.
    Absent,
    /// A row of that id with this `version`; the put stores `version + 1`.
    Version(u64),
}

/// Accounts and their learnt state.
pub trait AccountStore: Send + Sync {
    /// All accounts, by name.
    fn list(&self) -> PortFuture<'_, Vec<AccountRecord>>;
    /// Writes the record (its `version` is set by the store) and the event in one transaction; returns what was stored.
    fn put(
        &self,
        record: AccountRecord,
        expect: Expect,
        event: DomainEvent,
    ) -> PortFuture<'_, AccountRecord>;
    /// Removes the account, its state and its tokens: also what is left of a declared account, which has no row.
    /// `Conflict` when there is nothing.
    fn remove(&self, id: AccountId, event: DomainEvent) -> PortFuture<'_, ()>;
    /// Learnt states (health, pauses, counters) of all accounts, declared ones included.
    fn states(&self) -> PortFuture<'_, Vec<AccountState>>;
    /// Last write wins: state is soft and small.
    fn save_state(&self, state: AccountState, events: Vec<DomainEvent>) -> PortFuture<'_, ()>;
    /// The tokens of all accounts, declared ones included.
    fn tokens(&self) -> PortFuture<'_, Vec<TokenRow>>;
    fn token(&self, id: AccountId) -> PortFuture<'_, Option<TokenRow>>;
    /// Compare-and-set of an account's tokens (`version` is set by the store), with the event in one transaction.
    /// `Conflict` when the row is not as expected. The account's own row need not exist: declared accounts have tokens.
    fn put_token(
        &self,
        row: TokenRow,
        expect: Expect,
        event: Option<DomainEvent>,
    ) -> PortFuture<'_, TokenRow>;
}

/// Which account a session was served by, as stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SessionRow {
    pub session: SessionKey,
    pub account: AccountId,
    /// Tokens of it that the account's upstream has cached, as of the last answer.
    pub cached_tokens: u64,
    /// The preference ends then (ms since the Unix epoch).
    pub until_ms: u64,
}

/// Affinities, so that sessions find their prompt cache after a restart.
pub trait SessionStore: Send + Sync {
    /// Last write of a session wins. Durable on return, as all writes.
    fn save(&self, rows: Vec<SessionRow>) -> PortFuture<'_, ()>;
    /// Rows that have not ended, the latest to end first, at most `limit`.
    fn load(&self, now_ms: u64, limit: usize) -> PortFuture<'_, Vec<SessionRow>>;
    /// Drops rows that have ended; returns how many.
    fn prune(&self, now_ms: u64) -> PortFuture<'_, usize>;
}

/// Gateway keys.
pub trait KeyStore: Send + Sync {
    /// All keys, revoked ones included, by name.
    fn list(&self) -> PortFuture<'_, Vec<KeyRecord>>;
    /// Writes record and event in one transaction; `Conflict` on a version, a live name or a hash that is taken.
    fn put(
        &self,
        record: KeyRecord,
        expect: Expect,
        event: DomainEvent,
    ) -> PortFuture<'_, KeyRecord>;
    /// What a key has used, zero when unknown.
    fn totals(&self, id: KeyId) -> PortFuture<'_, KeyTotals>;
    fn save_totals(&self, id: KeyId, totals: KeyTotals) -> PortFuture<'_, ()>;
}

/// What a limit has charged in one of its windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct QuotaRow {
    pub limit: LimitId,
    /// First moment of the window (ms since the Unix epoch).
    pub start_ms: u64,
    /// First moment after the window (ms since the Unix epoch).
    pub end_ms: u64,
    /// In the limit's own unit: requests, tokens or micro-USD.
    pub charged: u64,
}

/// What limits have charged, for as long as their windows last. The base that [`CellRows`] run on.
pub trait QuotaStore: Send + Sync {
    /// Rows of these limits whose window has not ended at `now_ms`, in no order.
    fn load(&self, limits: Vec<LimitId>, now_ms: u64) -> PortFuture<'_, Vec<QuotaRow>>;
    /// Absolute values: the last write of a limit's window wins. All rows or none.
    fn save(&self, rows: Vec<QuotaRow>) -> PortFuture<'_, ()>;
    /// Drops rows whose window has ended; returns how many. One call may leave some: call again until it returns 0.
    fn prune(&self, now_ms: u64) -> PortFuture<'_, usize>;
}

/// Gives out the counters of cells. Synchronous and off the request path.
///
/// What a counter stood at when the process was killed is in [`QuotaStore`] at the next start, so a cell that must begin
/// anew then (slots in use) has no counter here.
pub trait CellRows: Send + Sync {
    /// A counter that starts at `charged`, which is what [`QuotaStore`] has of the window. One at a time for a window of
    /// a limit: of two, the next start keeps the larger. Never fails; see [`CellRows::is_durable`].
    fn open(&self, limit: LimitId, start_ms: u64, end_ms: u64, charged: u64) -> Arc<dyn Counter>;
    /// Counters that are given out.
    fn in_use(&self) -> usize;
    /// Would all counters that are given out survive the end of the process?
    fn is_durable(&self) -> bool;
}

/// What one cell has charged. Dropping the last reference frees its place: save the value before.
pub trait Counter: Send + Sync {
    fn value(&self) -> &AtomicU64;
}

/// Whose an upstream resource (file, batch, container …) is.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ResourceOwner {
    pub resource: String,
    pub account: AccountId,
    pub key: KeyId,
    /// Milliseconds since the Unix epoch.
    pub created_ms: u64,
}

/// Ownership of upstream resources; written before the client sees the id.
pub trait ResourceStore: Send + Sync {
    /// Set if absent; returns the owner that now stands (the first one wins).
    fn own(&self, owner: ResourceOwner) -> PortFuture<'_, ResourceOwner>;
    fn owner(&self, resource: String) -> PortFuture<'_, Option<ResourceOwner>>;
}

/// Small facts about the store itself: format version, sealed pepper, master key id.
pub trait MetaStore: Send + Sync {
    fn get(&self, name: &'static str) -> PortFuture<'_, Option<Vec<u8>>>;
    /// Returns the value that now stands.
    fn put_if_absent(&self, name: &'static str, value: Vec<u8>) -> PortFuture<'_, Vec<u8>>;
    /// Compare-and-set; `Conflict` when another value stands there, or none.
    fn replace(&self, name: &'static str, old: Vec<u8>, new: Vec<u8>) -> PortFuture<'_, ()>;
}

/// The outbox, in commit order.
pub trait EventStore: Send + Sync {
    /// At most `limit` events with a sequence number above `after`.
    fn after(&self, after: u64, limit: usize) -> PortFuture<'_, Vec<(u64, DomainEvent)>>;
}

/// The request log; append-only, off the path.
pub trait LogStore: Send + Sync {
    /// Appends a batch; a lost batch is counted by the caller, never retried for ever.
    fn append(&self, rows: Vec<RequestRecord>) -> PortFuture<'_, ()>;
    /// Drops days older than `oldest_ms`; returns how many segments went.
    fn retain(&self, oldest_ms: u64) -> PortFuture<'_, usize>;
    /// The row of one request. Looks only at the day that the id names.
    fn find(&self, id: RequestId) -> PortFuture<'_, Option<RequestRecord>>;
    /// The last rows, or those since a [`LogPage`]. Looks at a bounded part of the log.
    fn tail(&self, query: LogQuery) -> PortFuture<'_, LogPage>;
    /// From the newest row back. Looks at a bounded part of the log and says where to read on. `Conflict` when the cursor
    /// is not one that this store gives.
    fn search(&self, search: LogSearch) -> PortFuture<'_, LogFound>;
}

/// Bodies of requests and answers, apart from their rows and with a retention of their own.
pub trait BodyStore: Send + Sync {
    /// All of them or none; what is there already stays. `Unavailable` when there is no room: the caller counts what was
    /// lost.
    fn append(&self, bodies: Vec<StoredBodies>) -> PortFuture<'_, ()>;
    fn find(&self, id: RequestId) -> PortFuture<'_, Option<StoredBodies>>;
    /// From now on so many bytes at most, where the backend counts them: it starts with a bound of its own.
    fn bound(&self, _max_bytes: u64) {}
    /// Bytes, packed, of all bodies of that moment's day (UTC), or a few more: their frames with them.
    fn of_day(&self, at_ms: u64) -> PortFuture<'_, u64>;
    /// Drops days older than `oldest_ms`; returns how many segments went.
    fn retain(&self, oldest_ms: u64) -> PortFuture<'_, usize>;
}

/// The mirror of the audit trail; see [`crate::audit`].
pub trait AuditStore: Send + Sync {
    /// Lines of one node's chain in their order, in one transaction. What is there already stays; `Conflict` when a line
    /// of that number is there with another hash, or when one before it is missing. The first line that a store is given
    /// of a node may have any number: those before it may have been retired.
    fn append(&self, rows: Vec<AuditRow>) -> PortFuture<'_, ()>;
    /// The last line of that node's chain.
    fn anchor(&self, node: Arc<str>) -> PortFuture<'_, Option<AuditAnchor>>;
    /// The newest first: by time, node and number.
    fn search(&self, search: AuditSearch) -> PortFuture<'_, Vec<AuditRow>>;
    /// Drops lines older than `oldest_ms`, but never an anchor; returns how many went.
    fn retain(&self, oldest_ms: u64) -> PortFuture<'_, usize>;
}

/// Who spent what, by day.
pub trait UsageStore: Send + Sync {
    /// Adds a batch to what is there, in one transaction. A batch whose number is that of the batch before is there
    /// already, and is not counted again: whoever does not know whether one was written tells it again before the next.
    fn add(&self, batch: UsageBatch) -> PortFuture<'_, ()>;
    /// Sums of the rows that match, as [`crate::usage::UsageGroups`] makes them.
    fn query(&self, query: UsageQuery) -> PortFuture<'_, Vec<UsageRow>>;
    /// Drops days before `before_day` (days since the Unix epoch); returns how many rows went. Series are left.
    fn prune(&self, before_day: u32) -> PortFuture<'_, usize>;
    /// Days that have rows (days since the Unix epoch), the earliest first. Few: as many as are kept.
    fn days(&self) -> PortFuture<'_, Vec<u32>> {
        Box::pin(async move {
            let ever = UsageQuery {
                by: UsageBy::Day,
                to_day: u32::MAX,
                ..UsageQuery::default()
            };
            let rows = self.query(ever).await?;
            Ok(rows.iter().map(|row| row.key.day).collect())
        })
    }
    /// Points that something was counted at, in the order of their keys.
    fn series(&self, query: SeriesQuery) -> PortFuture<'_, Vec<SeriesRow>>;
    /// Drops points of this grain before `before`; returns how many rows went.
    fn prune_series(&self, grain: Grain, before: u32) -> PortFuture<'_, usize>;
}

/// Every port of one backend.
#[derive(Clone)]
pub struct Stores {
    pub accounts: Arc<dyn AccountStore>,
    pub keys: Arc<dyn KeyStore>,
    pub resources: Arc<dyn ResourceStore>,
    pub sessions: Arc<dyn SessionStore>,
    pub quotas: Arc<dyn QuotaStore>,
    pub cells: Arc<dyn CellRows>,
    pub meta: Arc<dyn MetaStore>,
    pub events: Arc<dyn EventStore>,
    pub log: Arc<dyn LogStore>,
    pub bodies: Arc<dyn BodyStore>,
    pub usage: Arc<dyn UsageStore>,
    pub audit: Arc<dyn AuditStore>,
}

impl std::fmt::Debug for Stores {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stores")
    }
}

/// Asks an upstream whether an account's credential works.
pub trait Prober: Send + Sync {
    /// Never an error: what cannot be found out is [`Probe::Inconclusive`].
    fn probe(
        &self,
        account: Arc<AccountView>,
        auth: Auth,
        kind: ProbeKind,
    ) -> Pin<Box<dyn Future<Output = Probe> + Send + '_>>;
}

/// Renews an account's tokens: the exclusive part, from the intent in the store to the new generation in the store.
pub trait TokenKeeper: Send + Sync {
    /// Never an error: what happened is one of [`Renewed`]. Ends within a minute.
    fn renew(
        &self,
        account: Arc<AccountView>,
        client_secret: Option<SecretString>,
        order: Renewal,
    ) -> Pin<Box<dyn Future<Output = Renewed> + Send + '_>>;
}

/// One running process of the gateway.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Member {
    /// Stable over restarts.
    pub node: String,
    /// Grows with every start of that node: two processes of one node are never taken for each other.
    pub boot_epoch: u64,
}

/// Who else serves the same keys and accounts.
pub trait Members: Send + Sync {
    fn this(&self) -> &Member;
    /// Live members, this one included; never 0.
    fn live(&self) -> usize;
}
