//! What a key may do: the same fields for a new key and for a change.

use serde::{Deserialize, Serialize};
use troupe_core::key::{KeyRecord, ResourceScope};

use super::super::OpError;
use super::super::fields::{self, Endpoints, Limits};
use crate::account_rules::value;

/// What is left out stays. An empty owner or group, an empty list and an expiry of `never` remove.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeyRights {
    pub owner: Option<String>,
    pub group: Option<String>,
    pub endpoints: Option<Endpoints>,
    pub resources: Option<ResourceScope>,
    pub limits: Limits,
    /// `30d`, RFC 3339, or `never`.
    pub expires: Option<String>,
    /// Accounts that it may use, by name, by their group or by their tags: any of the three. All, when all are empty.
    pub accounts: Option<Vec<String>>,
    pub account_groups: Option<Vec<String>>,
    pub account_tags: Option<Vec<String>>,
    /// Models that it may ask for; `*` stands for any text.
    pub models: Option<Vec<String>>,
}

impl KeyRights {
    pub(in super::super) fn apply(&self, key: &mut KeyRecord, now_ms: u64) -> Result<(), OpError> {
        if let Some(owner) = &self.owner {
            key.owner = fields::label("owner", owner)?;
        }
        if let Some(group) = &self.group {
            key.group = fields::label("group", group)?;
        }
        if let Some(endpoints) = self.endpoints.clone() {
            key.endpoints = endpoints.try_into()?;
        }
        key.resources = self.resources.unwrap_or(key.resources);
        key.limits = fields::apply_limits(key.limits.clone(), self.limits.clone())?;
        if let Some(expires) = &self.expires {
            key.expires_ms = fields::expiry(expires, now_ms)?;
        }
        let binding = &mut key.binding;
        for (given, stands) in [
            (&self.accounts, &mut binding.accounts),
            (&self.account_groups, &mut binding.groups),
            (&self.account_tags, &mut binding.tags),
        ] {
            if let Some(given) = given {
                stands.clone_from(given);
            }
        }
        value::binding(binding).map_err(OpError::invalid)?;
        if let Some(models) = &self.models {
            let patterns = value::patterns(models);
            key.rules.allow =
                patterns.map_err(|why| OpError::invalid(format!("`models` {why}")))?;
        }
        Ok(())
    }
}
