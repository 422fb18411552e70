//! Usage: who spent what, by day. Rows of the request log fold into sums by owner, group, key, account, model and day.
//!
//! Index. [`UsageSums`]: what is counted. [`Latency`]: how long answers took, mergeable. [`UsageFold`]: rows of the log
//! into rows of usage and of series. [`UsageQuery`] and [`UsageGroups`]: rows of usage into a report. [`SeriesRow`]: usage
//! over time, one thing at a time.
//!
//! Invariant: sums only grow and merging is commutative, so that the order of batches does not matter; a day has at most
//! [`MAX_ROWS_A_DAY`] rows, whatever clients send; counts saturate.

mod fold;
mod latency;
mod points;
mod query;
mod series;
mod sums;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::id::{AccountId, KeyId};

pub use self::fold::UsageFold;
pub use self::latency::Latency;
pub use self::points::MAX_VALUES;
pub use self::query::{Named, UsageBy, UsageFilter, UsageGroups, UsageQuery};
pub use self::series::{Grain, SeriesKey, SeriesOf, SeriesQuery, SeriesRow};
pub use self::sums::UsageSums;

/// Rows of one day. What comes when they are used up is counted with less detail, see [`UsageKey::places`].
pub const MAX_ROWS_A_DAY: usize = 10_000;
/// Of them, those that tell account and model.
const DETAILED_ROWS_A_DAY: usize = 8_000;
/// Models that are not told apart.
pub const OTHER: &str = "other";

const DAY_MS: u64 = 86_400_000;

/// The UTC day of a time (ms since the Unix epoch), in days since the epoch.
#[must_use]
pub fn day_of(unix_ms: u64) -> u32 {
    u32::try_from(unix_ms / DAY_MS).unwrap_or(u32::MAX)
}

/// Whose usage, of what, on which day. `None` is nobody's, or what was not told apart any more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UsageKey {
    /// Days since the Unix epoch, UTC: that on which the request began.
    pub day: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyId>,
    /// Owner and group that the key had then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Arc<str>>,
    /// The account that answered, or was tried last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Arc<str>>,
}

impl UsageKey {
    /// Where this may be counted, the best place first, each with how many rows its day may have for it to be a new one.
    /// The last place always has room. A store takes the first that it has already or has room for.
    #[must_use]
    pub fn places(&self) -> [(Self, usize); 3] {
        let of_key = Self {
            account: None,
            model: Some(OTHER.into()),
            ..self.clone()
        };
        let other = Self {
            day: self.day,
            model: Some(OTHER.into()),
            ..Self::default()
        };
        [
            (self.clone(), DETAILED_ROWS_A_DAY),
            (of_key, MAX_ROWS_A_DAY - 1),
            (other, usize::MAX),
        ]
    }
}

/// Sums of one [`UsageKey`], and the names that its ids had last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageRow {
    pub key: UsageKey,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_name: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_name: Option<Arc<str>>,
    pub sums: UsageSums,
}

impl UsageRow {
    /// A row of nothing yet.
    #[must_use]
    pub fn empty(key: UsageKey) -> Self {
        Self {
            key,
            ..Self::default()
        }
    }

    /// Adds what `other` counted; names that it knows replace those known, if `self` tells of such.
    pub fn merge(&mut self, other: &Self) {
        self.sums.merge(&other.sums);
        if self.key.key.is_some() && other.key_name.is_some() {
            self.key_name.clone_from(&other.key_name);
        }
        if self.key.account.is_some() && other.account_name.is_some() {
            self.account_name.clone_from(&other.account_name);
        }
    }
}

/// Rows to add, once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageBatch {
    /// Another one for each batch. A batch that is told again, because it is unknown whether it was written, has the same.
    pub number: u64,
    pub rows: Vec<UsageRow>,
    #[serde(default)]
    pub series: Vec<SeriesRow>,
}

#[cfg(test)]
mod tests;
