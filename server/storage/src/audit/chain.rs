//! The end of a chain: what the next line follows on.
//!
//! Invariant: the next number is one more, the next `prev` is the last hash; what has been told of the outbox never goes
//! back but by a line that says so.

use std::sync::Arc;

use troupe_core::audit::{AuditAnchor, AuditRow};

use super::line::{Entry, Line};

/// The `prev` of the first line.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    node: Arc<str>,
    /// Number and hash of the last line; 0 and [`GENESIS`] before the first.
    seq: u64,
    hash: Arc<str>,
    told: u64,
}

impl Chain {
    #[must_use]
    pub fn new(node: Arc<str>) -> Self {
        Self {
            node,
            seq: 0,
            hash: GENESIS.into(),
            told: 0,
        }
    }

    /// Goes on after `last`.
    pub(super) fn after(node: Arc<str>, last: &Line) -> Self {
        Self {
            node,
            seq: last.seq,
            hash: Arc::clone(&last.hash),
            told: last.told,
        }
    }

    /// Goes on after lines that only the store has. `told` is what the last of them tells of, where that is known.
    pub(super) fn resume(&mut self, anchor: &AuditAnchor, told: Option<u64>) {
        self.seq = anchor.seq;
        self.hash = Arc::clone(&anchor.hash);
        self.told = told.unwrap_or(self.told);
    }

    /// Lines that cannot be read keep their numbers.
    pub(super) fn skip(&mut self, lines: u64) {
        self.seq += lines;
    }

    /// The last event of the outbox that this chain tells of.
    #[must_use]
    pub fn told(&self) -> u64 {
        self.told
    }

    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq
    }

    #[must_use]
    pub fn node(&self) -> &Arc<str> {
        &self.node
    }

    /// The next line of the chain.
    pub fn seal(&mut self, entry: &Entry) -> AuditRow {
        let (seq, told) = (self.seq + 1, entry.event.unwrap_or(self.told));
        let (line, hash) = entry.seal(&self.node, seq, told, &self.hash);
        let hash: Arc<str> = hash.into();
        self.seq = seq;
        self.told = told;
        self.hash = Arc::clone(&hash);
        AuditRow {
            node: Arc::clone(&self.node),
            seq,
            at_ms: entry.at_ms,
            actor: entry.actor.as_str().into(),
            action: entry.action.as_str().into(),
            resource: entry.resource.as_str().into(),
            status: entry.status.unwrap_or(troupe_core::audit::AuditStatus::Ok),
            hash,
            line: line.into(),
        }
    }
}
