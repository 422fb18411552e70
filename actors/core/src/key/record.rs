//! The stored form of a key.

use serde::{Deserialize, Serialize};

use crate::account::AccountRecord;
use crate::id::{KeyHash, KeyId};
use crate::models::ModelRules;
use crate::record::TokenUsage;

/// Which paths below `/v1` a key may call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoints {
    /// Messages, count_tokens, models: the documented rows.
    #[default]
    Default,
    /// Everything that the relay passes.
    All,
    /// The documented rows and relayed paths that begin with one of these (`/v1/files`, …).
    Only(Vec<String>),
}

impl Endpoints {
    /// May a key call this relayed path (normalised, beginning with `/v1/`)?
    #[must_use]
    pub fn allows_relay(&self, path: &str) -> bool {
        match self {
            Self::Default => false,
            Self::All => true,
            Self::Only(prefixes) => prefixes.iter().any(|prefix| {
                path.strip_prefix(prefix.trim_end_matches('/'))
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }),
        }
    }
}

/// Whose upstream resources a key may reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResourceScope {
    /// Those it created.
    #[default]
    Own,
    /// All of the accounts it uses.
    All,
}

/// Limits of one key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyLimits {
    /// Requests in flight at once; `None` is no limit.
    pub concurrent: Option<u32>,
}

/// How a stored hash was made from the secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HashScheme {
    /// Under the gateway's own pepper.
    #[default]
    HmacSha256,
    /// Plain, as another gateway stored it: accepted, and replaced by ours at the first use.
    Sha256,
}

/// Which accounts a key may use; empty is all. An account that any of the three names is one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountBinding {
    pub accounts: Vec<String>,
    pub groups: Vec<String>,
    pub tags: Vec<String>,
}

impl AccountBinding {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty() && self.groups.is_empty() && self.tags.is_empty()
    }

    #[must_use]
    pub fn allows(&self, account: &AccountRecord) -> bool {
        self.is_empty()
            || self.accounts.contains(&account.name)
            || account
                .group
                .as_ref()
                .is_some_and(|g| self.groups.contains(g))
            || account.tags.iter().any(|tag| self.tags.contains(tag))
    }
}

/// A key as stored. The secret itself is nowhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    pub id: KeyId,
    pub name: String,
    pub hash: KeyHash,
    #[serde(default)]
    pub scheme: HashScheme,
    /// What people see: `troupe-` and 8 characters, or 8 characters derived from the hash for brought secrets.
    pub prefix: String,
    pub owner: Option<String>,
    pub group: Option<String>,
    pub endpoints: Endpoints,
    pub resources: ResourceScope,
    pub limits: KeyLimits,
    /// Models that it may ask for.
    #[serde(default)]
    pub rules: ModelRules,
    #[serde(default)]
    pub binding: AccountBinding,
    pub enabled: bool,
    /// Milliseconds since the Unix epoch, as all times here.
    pub expires_ms: Option<u64>,
    pub revoked_ms: Option<u64>,
    pub created_ms: u64,
    pub updated_ms: u64,
    /// Counts the writes of this row; set by the store.
    pub version: u64,
}

impl KeyRecord {
    /// Why the key may not be used now, if it may not.
    #[must_use]
    pub fn unusable(&self, unix_ms: u64) -> Option<&'static str> {
        if self.revoked_ms.is_some() {
            Some("revoked")
        } else if self.expires_ms.is_some_and(|at| at <= unix_ms) {
            Some("expired")
        } else if !self.enabled {
            Some("disabled")
        } else {
            None
        }
    }
}

/// What a key has used since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyTotals {
    pub requests: u64,
    pub usage: TokenUsage,
    /// Milliseconds since the Unix epoch; 0 is never.
    pub last_used_ms: u64,
}

impl KeyTotals {
    pub fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.usage.add(&other.usage);
        self.last_used_ms = self.last_used_ms.max(other.last_used_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoint_prefixes_end_at_a_segment() {
        let only = Endpoints::Only(vec!["/v1/files".into()]);
        assert!(only.allows_relay("/v1/files"));
        assert!(only.allows_relay("/v1/files/file_1/content"));
        assert!(!only.allows_relay("/v1/files2"));
        assert!(!Endpoints::Default.allows_relay("/v1/files"));
        assert!(Endpoints::All.allows_relay("/v1/anything"));
    }
}
