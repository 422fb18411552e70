//! `streaming`: how long silence may last, on either side.

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rules;
use super::unit::HumanDuration;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct Streaming {
    /// A ping goes to the client after each such silence.
    #[garde(custom(rules::not_zero))]
    pub keepalive: HumanDuration,
    /// An upstream silent for so long within a stream has failed.
    #[garde(custom(rules::not_zero))]
    pub idle_timeout: HumanDuration,
    /// For `stream: true`: the upstream's first event must come within.
    #[garde(custom(rules::not_zero))]
    pub first_event_timeout: HumanDuration,
    /// For everything else: the upstream's answer must come within.
    #[garde(custom(rules::not_zero))]
    pub response_timeout: HumanDuration,
}

impl Default for Streaming {
    fn default() -> Self {
        Self {
            keepalive: HumanDuration::from_secs(15),
            idle_timeout: HumanDuration::from_secs(300),
            first_event_timeout: HumanDuration::from_secs(120),
            response_timeout: HumanDuration::from_secs(600),
        }
    }
}
