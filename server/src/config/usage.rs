//! `usage`: who spent what, by day.

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rules;
use super::unit::HumanDuration;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct Usage {
    /// Days (UTC) that ended longer ago are dropped.
    #[garde(custom(rules::not_zero))]
    pub retention: HumanDuration,
}

impl Default for Usage {
    fn default() -> Self {
        Self {
            retention: HumanDuration::from_secs(400 * 86_400),
        }
    }
}
