//! `web_session`: whether accounts may be used through a session cookie of the provider's web pages.
//!
//! Invariant: off unless two keys say so: one that it is wanted, one that the operator has read what it means.

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rules;
use super::unit::HumanDuration;
use crate::account_rules::WebConsent;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct WebSession {
    #[garde(skip)]
    pub enabled: bool,
    /// That it may be against the provider's terms is understood, and is the operator's decision.
    #[garde(skip)]
    pub acknowledge_terms: bool,
    /// How long a conversation waits for the result of a tool.
    #[garde(custom(rules::not_zero), custom(rules::at_most_a_day))]
    pub pause: HumanDuration,
    /// Where a session is exchanged for an OAuth grant: a URL with `{organization_uuid}`, and perhaps
    /// `{base}` for the account's web address. Never exchanged when absent.
    #[garde(inner(custom(rules::web_authorize_url)))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorize_url: Option<String>,
}

impl Default for WebSession {
    fn default() -> Self {
        Self {
            enabled: false,
            acknowledge_terms: false,
            pause: HumanDuration::from_secs(10 * 60),
            authorize_url: None,
        }
    }
}

impl WebSession {
    /// What the operator has said.
    pub const fn consent(&self) -> WebConsent {
        WebConsent {
            enabled: self.enabled,
            acknowledge_terms: self.acknowledge_terms,
        }
    }
}
