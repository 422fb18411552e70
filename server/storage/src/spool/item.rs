//! What is spooled.

use serde::{Deserialize, Serialize};
use troupe_core::bodies::StoredBodies;
use troupe_core::record::RequestRecord;
use troupe_core::usage::UsageBatch;

/// One call of a port.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Item {
    Rows(Vec<RequestRecord>),
    Usage(UsageBatch),
    Bodies(Vec<StoredBodies>),
}

impl Item {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Rows(_) => "request rows",
            Self::Usage(_) => "usage",
            Self::Bodies(_) => "bodies",
        }
    }

    /// Per cent of the spool up to which this may fill it: bodies leave room for rows, and both for what was spent.
    pub(super) fn share(&self) -> u64 {
        match self {
            Self::Bodies(_) => 50,
            Self::Rows(_) => 90,
            Self::Usage(_) => 100,
        }
    }
}
