//! Prices of one model by class of token.

use serde::{Deserialize, Serialize};

use crate::record::TokenUsage;

/// Micro-dollars per million tokens, by class: 3 USD per million is 3 000 000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written")]
pub struct Rates {
    pub input: u64,
    pub output: u64,
    pub cache_read: u64,
    pub cache_write_5m: u64,
    pub cache_write_1h: u64,
}

/// As an operator writes it: what is left out follows from `input`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    input: u64,
    output: u64,
    cache_read: Option<u64>,
    cache_write_5m: Option<u64>,
    cache_write_1h: Option<u64>,
}

impl From<Written> for Rates {
    fn from(written: Written) -> Self {
        let usual = Self::of(written.input, written.output);
        Self {
            cache_read: written.cache_read.unwrap_or(usual.cache_read),
            cache_write_5m: written.cache_write_5m.unwrap_or(usual.cache_write_5m),
            cache_write_1h: written.cache_write_1h.unwrap_or(usual.cache_write_1h),
            ..usual
        }
    }
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
        const fn most(a: u64, b: u64) -> u64 {
            if a > b { a } else { b }
        }
        Self {
            input: most(self.input, other.input),
            output: most(self.output, other.output),
            cache_read: most(self.cache_read, other.cache_read),
            cache_write_5m: most(self.cache_write_5m, other.cache_write_5m),
            cache_write_1h: most(self.cache_write_1h, other.cache_write_1h),
        }
    }

    /// Rounded up, once for the whole usage.
    #[must_use]
    pub fn micro_usd(&self, usage: &TokenUsage) -> u64 {
        let sum = [
            (usage.input, self.input),
            (usage.output, self.output),
            (usage.cache_read, self.cache_read),
            (usage.cache_write_5m, self.cache_write_5m),
            (usage.cache_write_1h, self.cache_write_1h),
        ]
        .into_iter()
        .map(|(tokens, rate)| u128::from(tokens) * u128::from(rate))
        .fold(0, u128::saturating_add);
        u64::try_from(sum.div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }
}

/// Prices of requests whose prompt (input, cache reads and cache writes) is longer than `over_tokens`; they hold for
/// every token of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LongPrompt {
    pub over_tokens: u64,
    pub rates: Rates,
}

/// All prices of one model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prices {
    pub rates: Rates,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long_prompt: Option<LongPrompt>,
}

impl From<Rates> for Prices {
    fn from(rates: Rates) -> Self {
        Self {
            rates,
            long_prompt: None,
        }
    }
}

impl Prices {
    /// The rates of a request, by the length of its prompt.
    #[must_use]
    pub fn for_prompt(&self, usage: &TokenUsage) -> Rates {
        let prompt = [
            usage.input,
            usage.cache_read,
            usage.cache_write_5m,
            usage.cache_write_1h,
        ]
        .into_iter()
        .fold(0, u64::saturating_add);
        match self.long_prompt {
            Some(long) if prompt > long.over_tokens => long.rates,
            _ => self.rates,
        }
    }

    /// The dearest it can be in each class.
    #[must_use]
    pub const fn dearest(&self) -> Rates {
        match self.long_prompt {
            Some(long) => self.rates.dearer(long.rates),
            None => self.rates,
        }
    }
}
