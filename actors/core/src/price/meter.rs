//! The prices of one model, looked up once and asked often.

use super::prices::Prices;
use super::tier::Tier;
use crate::record::TokenUsage;

/// Counts the cost of one request while it runs: no look-up and no allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meter {
    pub(super) prices: Prices,
    pub(super) known: bool,
}

impl Meter {
    /// Micro-dollars of what was used so far, rounded up once.
    #[must_use]
    pub fn cost(&self, usage: &TokenUsage, tier: Tier) -> u64 {
        self.prices.micro_usd(usage, tier)
    }

    /// The most that a request can cost, see [`Prices::bound`].
    #[must_use]
    pub fn bound(&self, input_tokens: u64, max_tokens: u64, marks_cache: bool) -> u64 {
        self.prices.bound(input_tokens, max_tokens, marks_cache)
    }

    /// False when the model is priced as the dearest known one.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.known
    }
}
