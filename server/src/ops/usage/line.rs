//! A row of a report.

use serde::{Deserialize, Serialize};
use troupe_core::record::TokenUsage;
use troupe_core::usage::UsageSums;

/// Tokens by class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UsageTokens {
    pub input: u64,
    pub output: u64,
    pub cache_read: u64,
    pub cache_write_5m: u64,
    pub cache_write_1h: u64,
}

impl From<&TokenUsage> for UsageTokens {
    fn from(usage: &TokenUsage) -> Self {
        Self {
            input: usage.input,
            output: usage.output,
            cache_read: usage.cache_read,
            cache_write_5m: usage.cache_write_5m,
            cache_write_1h: usage.cache_write_1h,
        }
    }
}

/// What was counted. See [`UsageSums`] for what each number is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageFigures {
    pub requests: u64,
    pub errors: u64,
    pub refused: u64,
    pub tokens: UsageTokens,
    /// Calls of the server-side web search.
    #[serde(default)]
    pub web_searches: u64,
    pub cost_micro_usd: u64,
    /// What keys were charged: the cost times the multiplier of the group that a key was in.
    #[serde(default)]
    pub charged_micro_usd: u64,
    /// Of well answered requests, from beginning to end: within 19 %. `None` when there were none.
    pub p50_ms: Option<u64>,
    pub p95_ms: Option<u64>,
    #[serde(default)]
    pub p99_ms: Option<u64>,
    /// The mean time to the first event.
    pub first_event_ms: Option<u64>,
    /// Within 19 %, of those that it was kept of.
    #[serde(default)]
    pub first_event_p50_ms: Option<u64>,
    #[serde(default)]
    pub first_event_p95_ms: Option<u64>,
    #[serde(default)]
    pub first_event_p99_ms: Option<u64>,
    /// How much of the prompts was read from the upstream's cache; `None` when there were none.
    #[serde(default)]
    pub cache_read_per_mille: Option<u64>,
}

impl From<&UsageSums> for UsageFigures {
    fn from(sums: &UsageSums) -> Self {
        let read = u128::from(sums.tokens.cache_read) * 1_000;
        let share = read.checked_div(sums.tokens.prompt().into());
        Self {
            requests: sums.requests,
            errors: sums.errors,
            refused: sums.refused,
            tokens: UsageTokens::from(&sums.tokens),
            web_searches: sums.tokens.web_searches,
            cost_micro_usd: sums.cost_micro_usd,
            charged_micro_usd: sums.charged_micro_usd(),
            p50_ms: sums.latency.quantile_ms(500),
            p95_ms: sums.latency.quantile_ms(950),
            p99_ms: sums.latency.quantile_ms(990),
            first_event_ms: sums.first_event_ms.checked_div(sums.first_events),
            first_event_p50_ms: sums.first_event.quantile_ms(500),
            first_event_p95_ms: sums.first_event.quantile_ms(950),
            first_event_p99_ms: sums.first_event.quantile_ms(990),
            cache_read_per_mille: share.and_then(|share| u64::try_from(share).ok()),
        }
    }
}

/// What one owner, group, key, account, model or day has used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageLine {
    /// `None`: nobody's, or, of keys, what was too much to be told apart.
    pub name: Option<String>,
    /// Of a key or an account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The key or the account is no more: it was revoked or removed, and another may have its name.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gone: bool,
    #[serde(flatten)]
    pub figures: UsageFigures,
}
