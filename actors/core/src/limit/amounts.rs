//! Units by dimension.

use super::name::{Dimension, LimitName};
use crate::record::TokenUsage;

/// What a request uses, or may use, of each dimension.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amounts {
    pub requests: u64,
    /// Input and cache creation.
    pub input_tokens: u64,
    pub output_tokens: u64,
    /// At the plain price; scopes may count a multiple.
    pub micro_usd: u64,
}

impl Amounts {
    /// What one request has used.
    #[must_use]
    pub fn used(usage: &TokenUsage, micro_usd: u64) -> Self {
        let writes = usage.cache_write_5m.saturating_add(usage.cache_write_1h);
        Self {
            requests: 1,
            input_tokens: usage.input.saturating_add(writes),
            output_tokens: usage.output,
            micro_usd,
        }
    }

    /// Units of one limit; of what runs at once it is always one.
    #[must_use]
    pub fn of(&self, name: LimitName) -> u64 {
        match name {
            LimitName::Concurrent => 1,
            LimitName::Per(Dimension::Requests, _) => self.requests,
            LimitName::Per(Dimension::InputTokens, _) => self.input_tokens,
            LimitName::Per(Dimension::OutputTokens, _) => self.output_tokens,
            LimitName::Per(Dimension::Tokens, _) => {
                self.input_tokens.saturating_add(self.output_tokens)
            }
            LimitName::Per(Dimension::Usd, _) => self.micro_usd,
        }
    }
}

/// What a request may use, before it is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// The most that it can use.
    pub bound: Amounts,
    /// What it uses as soon as it is sent: the request, and the most that its input can be.
    pub at_once: Amounts,
}
