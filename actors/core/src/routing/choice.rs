//! How an account was chosen, short enough for every row of the request log.

use serde::{Deserialize, Serialize};

use super::Strategy;

/// What decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChosenBy {
    /// The session was served there before.
    Affinity,
    /// The strategy, among several.
    Strategy,
    /// No other could serve.
    Only,
    /// The request names a resource that belongs to the account.
    Bound,
}

impl ChosenBy {
    /// The name in logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Affinity => "affinity",
            Self::Strategy => "strategy",
            Self::Only => "only",
            Self::Bound => "bound",
        }
    }
}

/// Why this account served this request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    pub by: ChosenBy,
    pub strategy: Strategy,
    /// Accounts that could have served, this one included.
    pub considered: u16,
    /// How many were tried before it for this choice.
    pub place: u16,
}

impl Choice {
    /// Counts above 65 535 are told as that.
    #[must_use]
    pub fn new(by: ChosenBy, strategy: Strategy, considered: usize, place: usize) -> Self {
        let short = |count| u16::try_from(count).unwrap_or(u16::MAX);
        Self {
            by,
            strategy,
            considered: short(considered),
            place: short(place),
        }
    }
}
