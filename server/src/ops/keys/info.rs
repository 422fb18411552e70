//! A key as people and programs see it: everything but the secret and its hash.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use troupe_core::KeyId;
use troupe_core::key::{KeyRecord, KeyTotals, ResourceScope};
use troupe_core::record::TokenUsage;

use super::super::fields::{Endpoints, timestamp};

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
    pub endpoints: Endpoints,
    pub resources: ResourceScope,
    pub limits: KeyLimitsInfo,
    /// Accounts that it may use; all, when the three are empty.
    pub accounts: Vec<String>,
    pub account_groups: Vec<String>,
    pub account_tags: Vec<String>,
    /// Models that it may ask for; all, when empty.
    pub models: Vec<String>,
    pub expires: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    /// `None` for declared keys.
    pub created_at: Option<Timestamp>,
    pub updated_at: Option<Timestamp>,
}

/// Limits that are set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyLimitsInfo {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrent: Option<u32>,
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
            endpoints: Endpoints::from(&record.endpoints),
            resources: record.resources,
            limits: KeyLimitsInfo {
                concurrent: record.limits.concurrent(),
            },
            accounts: record.binding.accounts.clone(),
            account_groups: record.binding.groups.clone(),
            account_tags: record.binding.tags.clone(),
            models: record.rules.allow.iter().map(ToString::to_string).collect(),
            expires: record.expires_ms.and_then(timestamp),
            revoked_at: record.revoked_ms.and_then(timestamp),
            created_at: written(record.created_ms),
            updated_at: written(record.updated_ms),
        }
    }
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
