//! `audit`: who did what to what.

use std::path::PathBuf;

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rules;
use super::unit::HumanDuration;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct Audit {
    /// Folder of the trail's files; relative to the working directory. Without it: `audit` in the data folder.
    #[garde(skip)]
    pub dir: Option<PathBuf>,
    /// Files whose day (UTC) ended longer ago are deleted.
    #[garde(custom(rules::not_zero))]
    pub retention: HumanDuration,
}

impl Default for Audit {
    fn default() -> Self {
        Self {
            dir: None,
            retention: HumanDuration::from_secs(400 * 86_400),
        }
    }
}
