//! The trees, and how each is made durable.
//!
//! Invariant: a tree that decides who may call or what they own is `Durable`.

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

/// The store's own facts; name → bytes as they are.
pub(super) const META: Table = Table {
    name: "meta",
    flush: Durable,
};
/// Account id → `AccountRecord`.
pub(super) const ACCOUNTS: Table = Table {
    name: "accounts",
    flush: Durable,
};
/// Name → account id.
pub(super) const ACCOUNT_NAMES: Table = Table {
    name: "account_names",
    flush: Durable,
};
/// Account id → `AccountState`.
pub(super) const ACCOUNT_STATES: Table = Table {
    name: "account_states",
    flush: Durable,
};
/// Key id → `KeyRecord`.
pub(super) const KEYS: Table = Table {
    name: "keys",
    flush: Durable,
};
/// Name of a live key → key id.
pub(super) const KEY_NAMES: Table = Table {
    name: "key_names",
    flush: Durable,
};
/// Hash → key id, revoked ones included.
pub(super) const KEY_HASHES: Table = Table {
    name: "key_hashes",
    flush: Durable,
};
/// Key id → `KeyTotals`.
pub(super) const KEY_TOTALS: Table = Table {
    name: "key_totals",
    flush: Lazy,
};
/// Upstream id → `ResourceOwner`.
pub(super) const RESOURCES: Table = Table {
    name: "resources",
    flush: Durable,
};
/// Sequence number (u64, big-endian) → `DomainEvent`.
pub(super) const OUTBOX: Table = Table {
    name: "outbox",
    flush: Durable,
};

/// All trees of an open store.
pub(super) struct Trees {
    pub meta: Tree,
    pub accounts: Tree,
    pub account_names: Tree,
    pub account_states: Tree,
    pub keys: Tree,
    pub key_names: Tree,
    pub key_hashes: Tree,
    pub key_totals: Tree,
    pub resources: Tree,
    pub outbox: Tree,
    pub flusher: Flusher,
}

impl Trees {
    pub(super) fn open(db: Db, folder: &Path) -> Result<Self> {
        let tree = |table: Table| db.open_tree(table.name);
        let trees = Self {
            meta: tree(META)?,
            accounts: tree(ACCOUNTS)?,
            account_names: tree(ACCOUNT_NAMES)?,
            account_states: tree(ACCOUNT_STATES)?,
            keys: tree(KEYS)?,
            key_names: tree(KEY_NAMES)?,
            key_hashes: tree(KEY_HASHES)?,
            key_totals: tree(KEY_TOTALS)?,
            resources: tree(RESOURCES)?,
            outbox: tree(OUTBOX)?,
            flusher: Flusher::new(db.clone(), folder)?,
        };
        // The trees' names are durable before the first row is.
        db.flush()?;
        Ok(trees)
    }
}
