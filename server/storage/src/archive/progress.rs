//! How far a backup, a restore or a move has come, for whoever waits. Invariant: numbers only grow.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use super::row::Kind;

/// Shared by the one that works and the one that looks.
#[derive(Debug, Default)]
pub struct Progress {
    rows: AtomicU64,
    kind: AtomicU8,
    checked: AtomicU64,
    stopped: AtomicBool,
}

impl Progress {
    /// Rows that were copied, or found to be there.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Of them, those that were read back and compared.
    #[must_use]
    pub fn checked(&self) -> u64 {
        self.checked.load(Ordering::Relaxed)
    }

    /// The kind of the last row.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        Kind::of_code(self.kind.load(Ordering::Relaxed))
    }

    /// Ends the work after the batch that is under way.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    pub(super) fn passed(&self, kind: Kind) {
        self.rows.fetch_add(1, Ordering::Relaxed);
        self.kind.store(kind as u8, Ordering::Relaxed);
    }

    pub(super) fn compared(&self, kind: Kind, rows: usize) {
        let rows = u64::try_from(rows).unwrap_or(u64::MAX);
        self.checked.fetch_add(rows, Ordering::Relaxed);
        self.kind.store(kind as u8, Ordering::Relaxed);
    }
}
