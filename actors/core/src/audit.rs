//! The audit trail: who did what to what, and how it ended.
//!
//! A node's lines are a chain: each has the next sequence number and a hash over itself and the hash before. The file is the
//! truth; stores hold a mirror of it, and with it the anchor that shows when the file's tail was cut.
//!
//! Invariant: no secret is in a line; a line is never changed.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// How an action ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditStatus {
    Ok,
    /// It was tried, and nothing or not all was done.
    Failed,
    /// Whoever asked may not.
    Denied,
}

impl AuditStatus {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Denied => "denied",
        }
    }
}

/// One line, as a store mirrors it: what is asked for by column, and the line itself as it stands in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRow {
    /// Whose chain.
    pub node: Arc<str>,
    /// From 1, without gaps.
    pub seq: u64,
    /// Milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// `cli`, `config`, `system`, `client`, `user:NAME`.
    pub actor: Arc<str>,
    /// Noun and verb: `key.created`.
    pub action: Arc<str>,
    /// Kind and name: `key:ci`.
    pub resource: Arc<str>,
    pub status: AuditStatus,
    /// SHA-256 of the line, lower-case hex.
    pub hash: Arc<str>,
    /// One JSON object, without its line end.
    pub line: Arc<str>,
}

/// The end of a node's chain, as the store knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditAnchor {
    pub node: Arc<str>,
    pub seq: u64,
    pub hash: Arc<str>,
}

/// Which lines; every part that is set must match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    pub actor: Option<Arc<str>>,
    /// An action, or its noun: `key` is every `key.*`.
    pub action: Option<Arc<str>>,
    /// A resource, or its kind: `key` is every `key:*`.
    pub resource: Option<Arc<str>>,
    pub status: Option<AuditStatus>,
    /// The end excluded (ms since the Unix epoch).
    pub from_ms: Option<u64>,
    pub to_ms: Option<u64>,
}

impl AuditFilter {
    #[must_use]
    pub fn matches(&self, row: &AuditRow) -> bool {
        let is = |wanted: &Option<Arc<str>>, found: &str, end: char| {
            wanted.as_deref().is_none_or(|wanted| {
                let rest = found.strip_prefix(wanted);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(end))
            })
        };
        self.actor.as_ref().is_none_or(|actor| *actor == row.actor)
            && is(&self.action, &row.action, '.')
            && is(&self.resource, &row.resource, ':')
            && self.status.is_none_or(|status| status == row.status)
            && self.from_ms.is_none_or(|from| from <= row.at_ms)
            && self.to_ms.is_none_or(|to| row.at_ms < to)
    }
}

/// A search from the newest line back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditSearch {
    pub filter: AuditFilter,
    /// Lines at most.
    pub limit: usize,
    /// Before the line of this time, node and number: the last one of the page before.
    pub before: Option<(u64, Arc<str>, u64)>,
}
