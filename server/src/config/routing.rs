//! `routing`: which account serves a request, and how often another is tried.

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use troupe_core::routing::Strategy;

use super::unit::HumanDuration;
use super::{rules, words};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct Routing {
    /// What decides among accounts that could serve as well as each other.
    #[garde(skip)]
    #[schemars(schema_with = "words::strategy")]
    pub strategy: Strategy,
    #[garde(dive)]
    pub affinity: Affinity,
    /// Accounts tried for one request, the first included.
    #[garde(range(min = 1, max = 10))]
    pub max_attempts: u32,
    /// No further attempt begins after so long.
    #[garde(custom(rules::not_zero), custom(rules::at_most_a_day))]
    pub max_elapsed: HumanDuration,
}

/// A session goes on with the account that served it last, while that is well: its prompt caches are there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct Affinity {
    #[garde(skip)]
    pub enabled: bool,
    /// A session that was silent for so long is forgotten.
    #[garde(custom(rules::not_zero))]
    pub ttl: HumanDuration,
    #[garde(range(min = 1))]
    pub max_entries: u64,
}

impl Default for Routing {
    fn default() -> Self {
        Self {
            strategy: Strategy::default(),
            affinity: Affinity::default(),
            max_attempts: 3,
            max_elapsed: HumanDuration::from_secs(60),
        }
    }
}

impl Default for Affinity {
    fn default() -> Self {
        Self {
            enabled: true,
            ttl: HumanDuration::from_secs(3600),
            max_entries: 100_000,
        }
    }
}
