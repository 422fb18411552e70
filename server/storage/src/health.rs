//! How a store behind a network does, for whoever asks at any time.
//!
//! Invariant: reading it waits for nothing.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// What kind of failure it was, for health and for texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// Nobody listens, or the connection broke.
    Unreachable,
    /// No connection or no answer in time.
    Timeout,
    /// Others held it up: a lock or a statement took too long.
    Contended,
    /// User or password are refused.
    Login,
    /// There is no such database.
    NoDatabase,
    /// The server shuts down, recovers, or takes no more connections.
    Busy,
    /// The server refused a statement.
    Statement,
    /// What came back could not be understood.
    Nonsense,
}

impl FaultKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Contended => "held up",
            Self::Login => "login refused",
            Self::NoDatabase => "no such database",
            Self::Busy => "not taking connections",
            Self::Statement => "statement refused",
            Self::Nonsense => "answer not understood",
        }
    }

    /// Is the server, as far as this failure tells, still there?
    pub(crate) fn is_up(self) -> bool {
        matches!(self, Self::Contended | Self::Statement | Self::Nonsense)
    }
}

/// How the store does. Numbers of one reading need not fit together.
#[derive(Debug)]
pub struct StoreHealth {
    up: AtomicBool,
    since_ms: AtomicU64,
    dirty_rows: AtomicUsize,
    failures: AtomicU64,
    spooled_bytes: AtomicU64,
    lost: AtomicU64,
    last: Mutex<Option<FaultKind>>,
}

impl StoreHealth {
    pub(crate) fn new() -> Self {
        Self {
            up: AtomicBool::new(true),
            since_ms: AtomicU64::new(now_ms()),
            dirty_rows: AtomicUsize::new(0),
            failures: AtomicU64::new(0),
            spooled_bytes: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            last: Mutex::new(None),
        }
    }

    /// Did the server answer, the last time it was asked?
    pub fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    /// Since when it has been up, or down (ms since the Unix epoch).
    pub fn since_ms(&self) -> u64 {
        self.since_ms.load(Ordering::Relaxed)
    }

    /// Soft rows that wait to be written.
    pub fn dirty_rows(&self) -> usize {
        self.dirty_rows.load(Ordering::Relaxed)
    }

    /// Operations that failed since the start.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Bytes of traffic records that the store has not been told yet: they wait on this node's disk.
    pub fn spooled_bytes(&self) -> u64 {
        self.spooled_bytes.load(Ordering::Relaxed)
    }

    /// Batches of them that found no room there or could not be told, since the start.
    pub fn spool_lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// What failed last, if anything did.
    pub fn last_failure(&self) -> Option<FaultKind> {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_dirty(&self, rows: usize) {
        self.dirty_rows.store(rows, Ordering::Relaxed);
    }

    pub(crate) fn set_spooled(&self, bytes: u64) {
        self.spooled_bytes.store(bytes, Ordering::Relaxed);
    }

    pub(crate) fn spool_has_lost(&self, batches: u64) {
        self.lost.fetch_add(batches, Ordering::Relaxed);
    }

    pub(crate) fn answered(&self) {
        if !self.up.swap(true, Ordering::Relaxed) {
            let away_ms = now_ms().saturating_sub(self.since_ms.swap(now_ms(), Ordering::Relaxed));
            tracing::info!(store.away_ms = away_ms, "PostgreSQL answers again");
        }
    }

    pub(crate) fn failed(&self, kind: FaultKind) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(kind);
        if kind.is_up() {
            self.answered();
        } else if self.up.swap(false, Ordering::Relaxed) {
            self.since_ms.store(now_ms(), Ordering::Relaxed);
            tracing::warn!(store.error = kind.as_str(), "PostgreSQL does not answer");
        }
    }
}

fn now_ms() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH);
    elapsed.map_or(0, |elapsed| {
        u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
    })
}
