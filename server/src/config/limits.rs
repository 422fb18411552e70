//! `limits`: whether limits hold, how long a request may wait for one, how a refusal looks.

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rules;
use super::unit::HumanDuration;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    #[garde(skip)]
    pub enabled: bool,
    /// How long a request waits for a free slot before it is refused; `0s` refuses at once.
    #[garde(custom(rules::at_most_a_day))]
    pub concurrency_queue: HumanDuration,
    #[garde(skip)]
    pub error_shape: ErrorShape,
}

/// The body of a refusal: the Messages shape, or the plain string of the roadmap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorShape {
    #[default]
    Messages,
    Roadmap,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            enabled: true,
            concurrency_queue: HumanDuration::from_secs(30),
            error_shape: ErrorShape::Messages,
        }
    }
}
