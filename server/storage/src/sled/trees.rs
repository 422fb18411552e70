//! The trees, and how each is made durable.
//!
//! Invariant: a tree that decides who may call, what they own, or what a credential is, is `Durable`.

use std::path::Path;

use ::sled::{Db, Result, Tree};

use super::flush::Flusher;

/// When a write reaches the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FlushPolicy {
    /// Before the port answers.
    Durable,
    /// Within `FLUSH_EVERY_MS`.
    Lazy,
}
use FlushPolicy::{Durable, Lazy};

#[derive(Clone, Copy, Debug)]
pub(super) struct Table {
    pub name: &'static str,
    pub flush: FlushPolicy,
}

/// One line per tree: constant, field (which is its name on disk too) and policy.
macro_rules! trees {
    ($($(#[$doc:meta])* $table:ident $field:ident $flush:ident;)+) => {
        $($(#[$doc])* pub(super) const $table: Table = Table {
            name: stringify!($field),
            flush: $flush,
        };)+

        /// All trees of an open store.
        pub(super) struct Trees {
            $($(#[$doc])* pub $field: Tree,)+
            pub flusher: Flusher,
        }

        impl Trees {
            pub(super) fn open(db: Db, folder: &Path) -> Result<Self> {
                let trees = Self {
                    $($field: db.open_tree($table.name)?,)+
                    flusher: Flusher::new(db.clone(), folder)?,
                };
                // The trees' names are durable before the first row is.
                db.flush()?;
                Ok(trees)
            }
        }
    };
}

trees! {
    /// The store's own facts; name → bytes as they are.
    META meta Durable;
    /// Account id → `AccountRecord`.
    ACCOUNTS accounts Durable;
    /// Name → account id.
    ACCOUNT_NAMES account_names Durable;
    /// Account id → `AccountState`.
    ACCOUNT_STATES account_states Durable;
    /// Account id → `TokenRow`.
    TOKENS tokens Durable;
    /// Key id, then the session's hash (u64, big-endian) → `SessionRow`.
    SESSIONS sessions Durable;
    /// Limit id, then the start of the window (ms, u64, big-endian) → `QuotaRow`.
    QUOTAS quotas Durable;
    /// Key id → `KeyRecord`.
    KEYS keys Durable;
    /// Name of a live key → key id.
    KEY_NAMES key_names Durable;
    /// Hash → key id, revoked ones included.
    KEY_HASHES key_hashes Durable;
    /// Key id → `KeyTotals`.
    KEY_TOTALS key_totals Lazy;
    /// Upstream id → `ResourceOwner`.
    RESOURCES resources Durable;
    /// Day (u32, big-endian), then the rest of its key → `UsageRow`; the day alone → how many rows it has.
    USAGE usage Durable;
    /// Grain, what it is of, point (u32, big-endian), value → `UsageSums`.
    SERIES series Durable;
    /// Node, a zero byte, number (u64, big-endian) → `AuditRow`.
    AUDIT audit Durable;
    /// Time (ms, u64, big-endian), then the place in `audit` → nothing.
    AUDIT_TIMES audit_times Durable;
    /// Sequence number (u64, big-endian) → `DomainEvent`.
    OUTBOX outbox Durable;
}
