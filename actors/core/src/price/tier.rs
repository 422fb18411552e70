//! How fast, and therefore at which price, an upstream says that it served a request.

use serde::{Deserialize, Serialize};

use super::Multiplier;

/// The service tier of one answer. A tier that is unknown here is the standard one, so that no new word of an upstream
/// makes a row unreadable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "&'static str")]
pub enum Tier {
    #[default]
    Standard,
    Priority,
    Batch,
}

impl Tier {
    pub const ALL: [Self; 3] = [Self::Standard, Self::Priority, Self::Batch];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Priority => "priority",
            Self::Batch => "batch",
        }
    }
}

impl From<String> for Tier {
    fn from(word: String) -> Self {
        let known = Self::ALL.into_iter().find(|tier| tier.as_str() == word);
        known.unwrap_or_default()
    }
}

impl From<Tier> for &'static str {
    fn from(tier: Tier) -> Self {
        tier.as_str()
    }
}

/// What the prices of tokens are multiplied with in tiers other than the standard one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TierFactors {
    pub priority: Multiplier,
    pub batch: Multiplier,
}

impl TierFactors {
    #[must_use]
    pub const fn of(self, tier: Tier) -> Multiplier {
        match tier {
            Tier::Standard => Multiplier::ONE,
            Tier::Priority => self.priority,
            Tier::Batch => self.batch,
        }
    }

    /// Of the dearest tier.
    #[must_use]
    pub const fn dearest(self) -> Multiplier {
        Multiplier::ONE.most(self.priority).most(self.batch)
    }

    /// The dearer of the two in each tier.
    pub(super) const fn dearer(self, other: Self) -> Self {
        Self {
            priority: self.priority.most(other.priority),
            batch: self.batch.most(other.batch),
        }
    }
}
