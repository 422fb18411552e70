//! A key as people and programs see it: everything but the secret and its hash.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use troupe_core::KeyId;
use troupe_core::key::{KeyRecord, KeyTotals, Priority, ResourceScope};
use troupe_core::record::TokenUsage;

use super::super::fields::{Endpoints, timestamp};
use super::super::limits::{self, Limits};
use crate::config::HumanDuration;

/// One key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyInfo {
    pub id: KeyId,
    pub name: String,
    pub prefix: String,
    /// `active`, `disabled`, `expired` or `revoked`.
    pub state: String,
    /// It belongs to the configuration file.
    pub declared: bool,
    pub owner: Option<Arc<str>>,
    pub group: Option<Arc<str>>,
    #[serde(default)]
    pub tags: Vec<String>,
    #[serde(default)]
    pub note: Option<String>,
    pub endpoints: Endpoints,
    pub resources: ResourceScope,
    /// Its own, as the configuration file writes them.
    pub limits: Limits,
    /// Accounts that it may use; all, when the three are empty.
    pub accounts: Vec<String>,
    pub account_groups: Vec<String>,
    pub account_tags: Vec<String>,
    /// Models that it may ask for; all, when empty.
    pub models: Vec<String>,
    /// Models that it may not ask for.
    #[serde(default)]
    pub deny_models: Vec<String>,
    /// Where its requests may come from; everywhere, when empty.
    #[serde(default)]
    pub addresses: Vec<String>,
    #[serde(default)]
    pub priority: Priority,
    /// When it ends, as far as that is known.
    pub expires: Option<Timestamp>,
    /// How long after its first use it ends.
    #[serde(default)]
    pub expires_after_first_use: Option<String>,
    /// Kept where an end counts from it.
    #[serde(default)]
    pub first_used_at: Option<Timestamp>,
    /// The secret before the last rotation, while it still works.
    #[serde(default)]
    pub previous: Option<OldSecret>,
    /// Until then the log keeps the bodies of its requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture_until: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    /// `None` for declared keys.
    pub created_at: Option<Timestamp>,
    pub updated_at: Option<Timestamp>,
}

/// A secret that has been replaced and still works.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OldSecret {
    pub prefix: String,
    pub until: Timestamp,
}

/// What a key has used since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyUsage {
    pub requests: u64,
    pub tokens: TokenUsage,
    pub last_used_at: Option<Timestamp>,
}

impl KeyInfo {
    pub(in super::super) fn new(record: &KeyRecord, declared: bool, now_ms: u64) -> Self {
        let written = |at: u64| timestamp(at).filter(|_| at > 0);
        Self {
            id: record.id,
            name: record.name.clone(),
            prefix: record.prefix.clone(),
            state: record.unusable(now_ms).unwrap_or("active").to_owned(),
            declared,
            owner: record.owner.clone(),
            group: record.group.clone(),
            tags: record.tags.clone(),
            note: record.note.clone(),
            endpoints: Endpoints::from(&record.endpoints),
            resources: record.resources,
            limits: limits::info(&record.limits),
            accounts: record.binding.accounts.clone(),
            account_groups: record.binding.groups.clone(),
            account_tags: record.binding.tags.clone(),
            models: texts(&record.rules.allow),
            deny_models: texts(&record.rules.deny),
            addresses: texts(&record.addresses),
            priority: record.priority,
            expires: record.ends_ms().and_then(timestamp),
            expires_after_first_use: record
                .expires_after_first_use_ms
                .map(|ms| HumanDuration::from_millis(ms).to_string()),
            first_used_at: record.first_used_ms.and_then(timestamp),
            previous: old_secret(record, now_ms),
            capture_until: record
                .capture_until_ms
                .filter(|until| *until > now_ms)
                .and_then(timestamp),
            revoked_at: record.revoked_ms.and_then(timestamp),
            created_at: written(record.created_ms),
            updated_at: written(record.updated_ms),
        }
    }
}

fn texts(items: &[impl ToString]) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
}

fn old_secret(key: &KeyRecord, now_ms: u64) -> Option<OldSecret> {
    let previous = key.previous.as_ref();
    let works = previous.filter(|old| old.until_ms > now_ms && key.unusable(now_ms).is_none())?;
    Some(OldSecret {
        prefix: works.prefix.clone(),
        until: timestamp(works.until_ms)?,
    })
}

impl From<KeyTotals> for KeyUsage {
    fn from(totals: KeyTotals) -> Self {
        Self {
            requests: totals.requests,
            tokens: totals.usage,
            last_used_at: timestamp(totals.last_used_ms).filter(|_| totals.last_used_ms > 0),
        }
    }
}
