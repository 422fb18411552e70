//! What a key may do: the same fields for a new key and for a change.

use serde::{Deserialize, Serialize};
use troupe_core::key::{KeyRecord, Priority, ResourceScope};

use super::super::OpError;
use super::super::fields::{self, Endpoints};
use super::super::limits::{self, Limits};
use crate::account_rules::value;

/// What is left out stays. An empty owner, group or note, an empty list and an expiry of `never` remove.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeyRights {
    pub owner: Option<String>,
    pub group: Option<String>,
    pub tags: Option<Vec<String>>,
    pub note: Option<String>,
    pub endpoints: Option<Endpoints>,
    pub resources: Option<ResourceScope>,
    pub limits: Limits,
    /// `30d`, RFC 3339, or `never`.
    pub expires: Option<String>,
    /// `30d` after the first request that is admitted, or `never`. The earlier of both ends counts.
    pub expires_after_first_use: Option<String>,
    /// Addresses and networks that its requests may come from.
    pub addresses: Option<Vec<String>>,
    /// Its class where requests wait.
    pub priority: Option<Priority>,
    /// Accounts that it may use, by name, by their group or by their tags: any of the three. All, when all are empty.
    pub accounts: Option<Vec<String>>,
    pub account_groups: Option<Vec<String>>,
    pub account_tags: Option<Vec<String>>,
    /// Models that it may ask for; `*` stands for any text.
    pub models: Option<Vec<String>>,
    /// Models that it may not ask for, whatever `models` says.
    pub deny_models: Option<Vec<String>>,
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
        key.limits = limits::apply(std::mem::take(&mut key.limits), &self.limits, now_ms)?;
        if let Some(expires) = &self.expires {
            key.expires_ms = fields::expiry(expires, now_ms)?;
        }
        if let Some(after) = &self.expires_after_first_use {
            key.expires_after_first_use_ms = fields::after_first_use(after, now_ms)?;
            if key.expires_after_first_use_ms.is_none() {
                key.first_used_ms = None;
            }
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
        let told = |what: &str, why: String| OpError::invalid(format!("`{what}` {why}"));
        for (what, given, stands) in [
            ("models", &self.models, &mut key.rules.allow),
            ("deny_models", &self.deny_models, &mut key.rules.deny),
        ] {
            if let Some(given) = given {
                *stands = value::patterns(given).map_err(|why| told(what, why))?;
            }
        }
        if let Some(addresses) = &self.addresses {
            key.addresses = value::networks(addresses).map_err(|why| told("addresses", why))?;
        }
        if let Some(tags) = &self.tags {
            value::labels(tags).map_err(|why| told("tags", why))?;
            key.tags.clone_from(tags);
        }
        if let Some(note) = &self.note {
            value::note(note).map_err(|why| told("note", why))?;
            key.note = Some(note.clone()).filter(|note| !note.is_empty());
        }
        key.priority = self.priority.unwrap_or(key.priority);
        Ok(())
    }
}
