//! `passthrough`: callers may bring an upstream credential of their own, and the gateway's key in `x-troupe-key`.

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::accounts::DEFAULT_BASE_URL;
use super::rules;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct Passthrough {
    #[garde(skip)]
    pub enabled: bool,
    /// The only upstream that callers' credentials are sent to; `/v1/…` is added.
    #[garde(custom(rules::base_url))]
    pub base_url: String,
}

impl Default for Passthrough {
    fn default() -> Self {
        Self {
            enabled: false,
            base_url: DEFAULT_BASE_URL.to_owned(),
        }
    }
}
