//! Prices of one model: by class of token, length of prompt, service tier and paid call.
//!
//! Invariant: a request's tokens are rounded up once, to the micro-dollar, after the tier's factor.

use super::data;
use super::tier::{Tier, TierFactors};
use crate::record::TokenUsage;

/// Micro-dollars per million tokens, by class: 3 USD per million is 3 000 000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    pub input: u64,
    pub output: u64,
    pub cache_read: u64,
    pub cache_write_5m: u64,
    pub cache_write_1h: u64,
}

const fn most(a: u64, b: u64) -> u64 {
    if a > b { a } else { b }
}

impl Rates {
    pub(super) const FREE: Self = Self::of(0, 0);

    /// Micro-dollars per million tokens in and out; cache reads at 0.1 of input, writes for 5 minutes at 1.25, for an
    /// hour at 2 (rounded up).
    #[must_use]
    pub const fn of(input: u64, output: u64) -> Self {
        Self {
            input,
            output,
            cache_read: input.div_ceil(10),
            cache_write_5m: input.saturating_add(input.div_ceil(4)),
            cache_write_1h: input.saturating_mul(2),
        }
    }

    /// The dearer of the two in each class.
    pub(super) const fn dearer(self, other: Self) -> Self {
        Self {
            input: most(self.input, other.input),
            output: most(self.output, other.output),
            cache_read: most(self.cache_read, other.cache_read),
            cache_write_5m: most(self.cache_write_5m, other.cache_write_5m),
            cache_write_1h: most(self.cache_write_1h, other.cache_write_1h),
        }
    }

    /// The dearest that a token of the prompt can be. Without cache marks in the request nothing is written to a cache.
    const fn dearest_input(&self, marks_cache: bool) -> u64 {
        let plain = most(self.input, self.cache_read);
        if marks_cache {
            most(plain, most(self.cache_write_5m, self.cache_write_1h))
        } else {
            plain
        }
    }

    /// Micro-dollars times a million.
    fn product(&self, usage: &TokenUsage) -> u128 {
        [
            (usage.input, self.input),
            (usage.output, self.output),
            (usage.cache_read, self.cache_read),
            (usage.cache_write_5m, self.cache_write_5m),
            (usage.cache_write_1h, self.cache_write_1h),
        ]
        .into_iter()
        .map(|(tokens, rate)| u128::from(tokens) * u128::from(rate))
        .fold(0, u128::saturating_add)
    }
}

/// Prices of requests whose prompt (input, cache reads and cache writes) is longer than `over_tokens`; they hold for
/// every token of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LongPrompt {
    pub over_tokens: u64,
    pub rates: Rates,
}

/// All prices of one model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prices {
    pub rates: Rates,
    pub long_prompt: Option<LongPrompt>,
    /// On tokens, not on calls.
    pub tiers: TierFactors,
    /// Micro-dollars for a call of the server-side web search.
    pub web_search_micro_usd: u64,
}

impl From<Rates> for Prices {
    fn from(rates: Rates) -> Self {
        Self::of(rates)
    }
}

impl Prices {
    /// What is not said by `rates` is as published for every model.
    #[must_use]
    pub const fn of(rates: Rates) -> Self {
        Self {
            rates,
            long_prompt: None,
            tiers: data::TIERS,
            web_search_micro_usd: data::WEB_SEARCH_MICRO_USD,
        }
    }

    /// Micro-dollars of what a request has used, rounded up once. The prompt is input, cache reads and cache writes:
    /// each token stands in one class only.
    #[must_use]
    pub fn micro_usd(&self, usage: &TokenUsage, tier: Tier) -> u64 {
        let calls = usage.web_searches.saturating_mul(self.web_search_micro_usd);
        let factor = self.tiers.of(tier);
        micro_usd(self.rates_of(usage).product(usage), factor.ppm()).saturating_add(calls)
    }

    /// The most that so many tokens can cost, whatever the classes that the upstream counts them in, and its tier.
    /// Calls of server-side tools, and the tokens that these bring in, are beside it.
    #[must_use]
    pub fn bound(&self, input_tokens: u64, output_tokens: u64, marks_cache: bool) -> u64 {
        let rates = match self.long_prompt {
            Some(long) if input_tokens > long.over_tokens => self.rates.dearer(long.rates),
            _ => self.rates,
        };
        let input = u128::from(input_tokens) * u128::from(rates.dearest_input(marks_cache));
        let output = u128::from(output_tokens) * u128::from(rates.output);
        micro_usd(input.saturating_add(output), self.tiers.dearest().ppm())
    }

    fn rates_of(&self, usage: &TokenUsage) -> &Rates {
        match &self.long_prompt {
            Some(long) if usage.prompt() > long.over_tokens => &long.rates,
            _ => &self.rates,
        }
    }

    /// The dearer of the two in everything, for prompts of any length.
    pub(super) const fn dearer(self, other: Self) -> Self {
        Self {
            rates: self.dearest_rates().dearer(other.dearest_rates()),
            long_prompt: None,
            tiers: self.tiers.dearer(other.tiers),
            web_search_micro_usd: most(self.web_search_micro_usd, other.web_search_micro_usd),
        }
    }

    const fn dearest_rates(&self) -> Rates {
        match self.long_prompt {
            Some(long) => self.rates.dearer(long.rates),
            None => self.rates,
        }
    }
}

/// Rounds up. Where a product was cut at the most there is, so is the result.
fn micro_usd(product: u128, factor_ppm: u32) -> u64 {
    let product = product.saturating_mul(u128::from(factor_ppm));
    u64::try_from(product.div_ceil(1_000_000_000_000)).unwrap_or(u64::MAX)
}
