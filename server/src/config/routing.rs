//! `routing`: which account serves a request, and how often another is tried.

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rules;
use super::unit::HumanDuration;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct Routing {
    #[garde(dive)]
    pub affinity: Affinity,
    /// Accounts tried for one request, the first included.
    #[garde(range(min = 1, max = 10))]
    pub max_attempts: u32,
    /// No further attempt begins after so long.
    #[garde(custom(rules::not_zero))]
    pub max_elapsed: HumanDuration,
}

/// Which account a session used last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct Affinity {
    #[garde(custom(rules::not_zero))]
    pub ttl: HumanDuration,
    #[garde(range(min = 1))]
    pub max_entries: u64,
}

impl Default for Routing {
    fn default() -> Self {
        Self {
            affinity: Affinity::default(),
            max_attempts: 3,
            max_elapsed: HumanDuration::from_secs(60),
        }
    }
}

impl Default for Affinity {
    fn default() -> Self {
        Self {
            ttl: HumanDuration::from_secs(3600),
            max_entries: 100_000,
        }
    }
}
