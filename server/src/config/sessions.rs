//! `sessions`: how many client sessions are remembered, and for how long.

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rules;
use super::unit::HumanDuration;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct Sessions {
    #[garde(custom(rules::not_zero))]
    pub idle_timeout: HumanDuration,
    #[garde(range(min = 1))]
    pub max: u64,
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            idle_timeout: HumanDuration::from_secs(15 * 60),
            max: 100_000,
        }
    }
}
