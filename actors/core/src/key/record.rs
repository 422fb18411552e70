//! The stored form of a key.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::priority::Priority;
use super::secret::{HashScheme, PreviousSecret};
use crate::account::AccountRecord;
use crate::cidr::Cidr;
use crate::id::{KeyHash, KeyId};
use crate::limit::LimitSet;
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
    /// The secret before the last rotation, where it was given time.
    #[serde(default)]
    pub previous: Option<PreviousSecret>,
    /// The person and the team that it belongs to.
    pub owner: Option<Arc<str>>,
    pub group: Option<Arc<str>>,
    #[serde(default)]
    pub tags: Vec<String>,
    #[serde(default)]
    pub note: Option<String>,
    pub endpoints: Endpoints,
    pub resources: ResourceScope,
    /// Where its requests may come from; empty is everywhere.
    #[serde(default)]
    pub addresses: Vec<Cidr>,
    /// Its own; defaults and those of other scopes hold as well.
    #[serde(default)]
    pub limits: LimitSet,
    /// Its class where requests wait.
    #[serde(default)]
    pub priority: Priority,
    /// Models that it may ask for.
    #[serde(default)]
    pub rules: ModelRules,
    #[serde(default)]
    pub binding: AccountBinding,
    pub enabled: bool,
    /// Milliseconds since the Unix epoch, as all times here. Whichever of this and the next comes first ends the key.
    pub expires_ms: Option<u64>,
    /// So long after the first request that was admitted.
    #[serde(default)]
    pub expires_after_first_use_ms: Option<u64>,
    /// That request's time; kept only where an end counts from it.
    #[serde(default)]
    pub first_used_ms: Option<u64>,
    /// Until then the log keeps the bodies of all of its requests.
    #[serde(default)]
    pub capture_until_ms: Option<u64>,
    pub revoked_ms: Option<u64>,
    pub created_ms: u64,
    pub updated_ms: u64,
    /// Counts the writes of this row; set by the store.
    pub version: u64,
}

impl KeyRecord {
    /// A key that may do what every key may, without a secret.
    #[must_use]
    pub fn new(id: KeyId, name: String, created_ms: u64) -> Self {
        Self {
            id,
            name,
            hash: KeyHash([0; 32]),
            scheme: HashScheme::default(),
            prefix: String::new(),
            previous: None,
            owner: None,
            group: None,
            tags: Vec::new(),
            note: None,
            endpoints: Endpoints::default(),
            resources: ResourceScope::default(),
            addresses: Vec::new(),
            limits: LimitSet::default(),
            priority: Priority::default(),
            rules: ModelRules::default(),
            binding: AccountBinding::default(),
            enabled: true,
            expires_ms: None,
            expires_after_first_use_ms: None,
            first_used_ms: None,
            capture_until_ms: None,
            revoked_ms: None,
            created_ms,
            updated_ms: created_ms,
            version: 0,
        }
    }

    /// When it ends, as far as that is known.
    #[must_use]
    pub fn ends_ms(&self) -> Option<u64> {
        let of_use = self
            .first_used_ms
            .zip(self.expires_after_first_use_ms)
            .map(|(first, after)| first.saturating_add(after));
        self.expires_ms.into_iter().chain(of_use).min()
    }

    /// Does its next admitted request decide when it ends?
    #[must_use]
    pub fn awaits_first_use(&self) -> bool {
        self.expires_after_first_use_ms.is_some() && self.first_used_ms.is_none()
    }

    /// Why the key may not be used now, if it may not.
    #[must_use]
    pub fn unusable(&self, unix_ms: u64) -> Option<&'static str> {
        if self.revoked_ms.is_some() {
            Some("revoked")
        } else if self.ends_ms().is_some_and(|at| at <= unix_ms) {
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

    #[test]
    fn the_earlier_end_counts() {
        for (fixed, after, first, ends, awaits) in [
            (None, None, None, None, false),
            (Some(50), None, None, Some(50), false),
            (None, Some(30), None, None, true),
            (Some(50), Some(30), None, Some(50), true),
            (None, Some(30), Some(10), Some(40), false),
            (Some(50), Some(30), Some(10), Some(40), false),
            (Some(50), Some(30), Some(25), Some(50), false),
            (None, None, Some(10), None, false),
            (None, Some(u64::MAX), Some(10), Some(u64::MAX), false),
        ] {
            let key = KeyRecord {
                expires_ms: fixed,
                expires_after_first_use_ms: after,
                first_used_ms: first,
                ..KeyRecord::new(KeyId::declared("k"), "k".into(), 0)
            };
            let case = format!("{fixed:?} {after:?} {first:?}");
            assert_eq!(
                (key.ends_ms(), key.awaits_first_use()),
                (ends, awaits),
                "{case}"
            );
            if let Some(ends) = ends {
                assert_eq!(key.unusable(ends - 1), None, "{case}");
                assert_eq!(key.unusable(ends), Some("expired"), "{case}");
            }
        }
    }

    #[test]
    fn a_row_of_an_older_version_reads() {
        let key = KeyRecord::new(KeyId::declared("k"), "k".into(), 7);
        let mut row = serde_json::to_value(&key).unwrap();
        let fields = row.as_object_mut().unwrap();
        for new in [
            "scheme",
            "previous",
            "tags",
            "note",
            "addresses",
            "priority",
            "rules",
            "binding",
            "expires_after_first_use_ms",
            "first_used_ms",
        ] {
            assert!(fields.remove(new).is_some(), "{new}");
        }
        assert_eq!(serde_json::from_value::<KeyRecord>(row).unwrap(), key);
    }
}
