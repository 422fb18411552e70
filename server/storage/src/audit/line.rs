//! One line: a JSON object whose last two fields are the hash of the line before and its own.
//!
//! ```text
//! {"timestamp":…,"node":…,"seq":7,"actor":…,"action":…,"resource":…,"status":…, …,"prev":"…","hash":"…"}
//!  └──────────────────────── SHA-256 over these bytes and a closing brace ───────────────┘
//! ```
//! Invariant: the hash is over the bytes as they stand, not over what they mean: no second spelling of a line passes.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use troupe_core::audit::{AuditRow, AuditStatus};

/// `,"hash":"`, 64 digits, `"}`.
const SEAL: &[u8] = b",\"hash\":\"";
const DIGITS: usize = 64;
const SEAL_BYTES: usize = SEAL.len() + DIGITS + 2;
/// Longer texts are cut: a name in a refused request may be anything.
const TEXT_MAX_CHARS: usize = 512;
/// A larger `before` or `after` is left out, and that is said.
const VALUE_MAX_BYTES: usize = 64 * 1024;

/// What is to be told, before it has a place in the chain.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entry {
    /// Milliseconds since the Unix epoch.
    pub at_ms: u64,
    pub actor: String,
    pub action: String,
    pub resource: String,
    pub status: Option<AuditStatus>,
    /// Why it was not done.
    pub reason: Option<String>,
    pub key: Option<String>,
    pub account: Option<String>,
    pub request_id: Option<String>,
    /// Address of the caller.
    pub remote: Option<String>,
    /// How often it happened, where one line tells of many.
    pub count: Option<u64>,
    /// Its number in the store's outbox.
    pub event: Option<u64>,
    pub before: Option<Value>,
    pub after: Option<Value>,
}

impl Entry {
    /// Something that was done.
    #[must_use]
    pub fn new(at_ms: u64, actor: &str, action: &str, resource: impl Into<String>) -> Self {
        Self {
            at_ms,
            actor: actor.to_owned(),
            action: action.to_owned(),
            resource: resource.into(),
            ..Self::default()
        }
    }

    /// The finished line, and its hash.
    pub(super) fn seal(&self, node: &str, seq: u64, told: u64, prev: &str) -> (String, String) {
        let body = Body {
            timestamp: rfc3339_ms(self.at_ms),
            node,
            seq,
            actor: cut(&self.actor),
            action: cut(&self.action),
            resource: cut(&self.resource),
            status: self.status.unwrap_or(AuditStatus::Ok),
            reason: self.reason.as_deref().map(cut),
            key: self.key.as_deref().map(cut),
            account: self.account.as_deref().map(cut),
            request_id: self.request_id.as_deref().map(cut),
            remote: self.remote.as_deref().map(cut),
            count: self.count,
            event: self.event,
            before: self.before.as_ref().map(bounded),
            after: self.after.as_ref().map(bounded),
            told,
            prev,
        };
        // Strings, numbers and values with text keys: nothing here can fail.
        let mut text = serde_json::to_string(&body).unwrap_or_default();
        let hash = hex(&Sha256::digest(text.as_bytes()));
        text.pop();
        text.push_str(",\"hash\":\"");
        text.push_str(&hash);
        text.push_str("\"}");
        (text, hash)
    }
}

#[derive(Serialize)]
struct Body<'a> {
    timestamp: String,
    node: &'a str,
    seq: u64,
    actor: String,
    action: String,
    resource: String,
    status: AuditStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Value>,
    told: u64,
    prev: &'a str,
}

/// A line as it was read, and found to be whole.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Line {
    pub timestamp: String,
    pub node: Arc<str>,
    pub seq: u64,
    pub actor: Arc<str>,
    pub action: Arc<str>,
    pub resource: Arc<str>,
    pub status: AuditStatus,
    #[serde(default)]
    pub reason: Option<String>,
    #[serde(default)]
    pub key: Option<String>,
    #[serde(default)]
    pub account: Option<String>,
    #[serde(default)]
    pub request_id: Option<String>,
    #[serde(default)]
    pub remote: Option<String>,
    #[serde(default)]
    pub count: Option<u64>,
    #[serde(default)]
    pub event: Option<u64>,
    #[serde(default)]
    pub before: Option<Value>,
    #[serde(default)]
    pub after: Option<Value>,
    /// The last event of the store's outbox that this chain tells of.
    #[serde(default)]
    pub told: u64,
    pub prev: Arc<str>,
    pub hash: Arc<str>,
}

/// Why bytes are no line of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("it has no hash at its end: it was cut or changed")]
    Unsealed,
    #[error("hash mismatch: its contents were changed")]
    Hash,
    #[error("its fields are not those of an audit line")]
    Fields,
}

impl Line {
    /// Reads one line, without its line end.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn read(bytes: &[u8]) -> Result<Self, Fault> {
        let body = bytes.len().checked_sub(SEAL_BYTES).ok_or(Fault::Unsealed)?;
        let (body, seal) = bytes.split_at(body);
        let digits = seal
            .strip_prefix(SEAL)
            .and_then(|rest| rest.strip_suffix(b"\"}"))
            .ok_or(Fault::Unsealed)?;
        let mut hash = Sha256::new();
        hash.update(body);
        hash.update(b"}");
        if hex(&hash.finalize()).as_bytes() != digits {
            return Err(Fault::Hash);
        }
        serde_json::from_slice(bytes).map_err(|_| Fault::Fields)
    }

    /// Milliseconds since the Unix epoch; 0 for a time that cannot be read.
    #[must_use]
    pub fn at_ms(&self) -> u64 {
        let at: Option<jiff::Timestamp> = self.timestamp.parse().ok();
        at.map_or(0, |at| u64::try_from(at.as_millisecond()).unwrap_or(0))
    }

    /// As a store mirrors it.
    #[must_use]
    pub fn row(&self, text: &str) -> AuditRow {
        AuditRow {
            node: Arc::clone(&self.node),
            seq: self.seq,
            at_ms: self.at_ms(),
            actor: Arc::clone(&self.actor),
            action: Arc::clone(&self.action),
            resource: Arc::clone(&self.resource),
            status: self.status,
            hash: Arc::clone(&self.hash),
            line: text.into(),
        }
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(TEXT_MAX_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn bounded(value: &Value) -> Value {
    let size_bytes = value.to_string().len();
    if size_bytes > VALUE_MAX_BYTES {
        json!({ "left_out": true, "size_bytes": size_bytes })
    } else {
        value.clone()
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// UTC with milliseconds; the epoch for a time beyond what can be written.
fn rfc3339_ms(at_ms: u64) -> String {
    let at = i64::try_from(at_ms).ok();
    let at = at.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    format!("{:.3}", at.unwrap_or_default())
}
