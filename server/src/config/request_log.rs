//! `request_log`: the row that is kept of each request.

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rules;
use super::unit::HumanDuration;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct RequestLog {
    #[garde(skip)]
    pub enabled: bool,
    #[garde(custom(rules::not_zero))]
    pub retention: HumanDuration,
}

impl Default for RequestLog {
    fn default() -> Self {
        Self {
            enabled: true,
            retention: HumanDuration::from_secs(30 * 86_400),
        }
    }
}
