//! Usage over time: sums of one thing (everything, a key, a model …) by minute, hour and day.
//!
//! Rows of usage tell who used what together, by day; rows of a series tell one thing at a time, so that a chart of a month
//! reads as many rows as it has points.
//!
//! Invariant: sums only grow and merging is commutative, as with rows of usage; values are the operator's own names and
//! ids, models that answered and statuses, so their number is bounded.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::UsageSums;

/// How long one point of a series lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grain {
    Minute,
    Hour,
    Day,
}

impl Grain {
    pub const ALL: [Self; 3] = [Self::Minute, Self::Hour, Self::Day];

    #[must_use]
    pub fn length_ms(self) -> u64 {
        match self {
            Self::Minute => 60_000,
            Self::Hour => 3_600_000,
            Self::Day => 86_400_000,
        }
    }

    /// The point that a time (ms since the Unix epoch) falls in, in lengths since the epoch.
    #[must_use]
    pub fn point(self, unix_ms: u64) -> u32 {
        u32::try_from(unix_ms / self.length_ms()).unwrap_or(u32::MAX)
    }
}

/// What a series is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeriesOf {
    /// Everything; its value is empty.
    All,
    Owner,
    Group,
    /// By the key's id.
    Key,
    /// By the account's id.
    Account,
    Model,
    /// The status that the client was answered with, three digits.
    Status,
}

impl SeriesOf {
    pub const ALL: [Self; 7] = [
        Self::All,
        Self::Owner,
        Self::Group,
        Self::Key,
        Self::Account,
        Self::Model,
        Self::Status,
    ];
}

/// One point of one series. An empty value is nobody's: without an owner, without an account …
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SeriesKey {
    pub grain: Grain,
    pub of: SeriesOf,
    /// In lengths of the grain since the Unix epoch.
    pub point: u32,
    pub value: Arc<str>,
}

/// What was counted at one point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeriesRow {
    pub key: SeriesKey,
    pub sums: UsageSums,
}

/// Which points. Whoever asks for all values asks for few points: an answer is as long as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeriesQuery {
    pub grain: Grain,
    pub of: SeriesOf,
    /// First and last point, both included.
    pub from: u32,
    pub to: u32,
    /// Of these values only; of all, when it is `None`.
    pub values: Option<Vec<Arc<str>>>,
}
