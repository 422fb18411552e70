//! What an account has done, in numbers for people and programs.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use troupe_core::account::{AccountStats, Histogram, LastError, RenewalEntry};
use troupe_core::record::TokenUsage;

use super::super::fields::timestamp;

/// Counters since `since`. Shares are in parts per million.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatsInfo {
    pub since: Option<Timestamp>,
    pub succeeded: u64,
    pub request_faults: u64,
    pub account_faults: u64,
    pub platform_faults: u64,
    pub unknown: u64,
    /// Of the attempts that the account could have answered usefully, those that it did.
    pub success_ppm: Option<u64>,
    pub duration: Quantiles,
    pub first_event: Quantiles,
    pub tokens: TokenUsage,
    pub cost_micro_usd: u64,
    /// Of all input tokens, those read from the upstream's cache.
    pub cache_hit_ppm: Option<u64>,
    pub models: BTreeMap<String, ModelInfo>,
    pub last_error: Option<ErrorInfo>,
    /// The last renewals of its tokens, oldest first.
    pub renewals: Vec<RenewalInfo>,
    /// Sessions that came from another account, and the cached tokens that were lost by it.
    pub moved_here: u64,
    pub moved_tokens: u64,
}

/// Upper edges of the buckets that hold them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quantiles {
    pub p50_ms: Option<u64>,
    pub p95_ms: Option<u64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelInfo {
    pub requests: u64,
    pub tokens: TokenUsage,
    pub cost_micro_usd: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorInfo {
    pub at: Option<Timestamp>,
    pub status: Option<u16>,
    pub what: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenewalInfo {
    pub at: Option<Timestamp>,
    /// `renewed`, `adopted`, `refused`, `postponed`, `unknown`, `login`.
    pub outcome: String,
    pub generation: u64,
    pub why: Option<String>,
}

impl From<&AccountStats> for StatsInfo {
    fn from(stats: &AccountStats) -> Self {
        let mut tokens = TokenUsage::default();
        let mut cost_micro_usd = 0_u64;
        for model in stats.models.values() {
            tokens.add(&model.usage);
            cost_micro_usd = cost_micro_usd.saturating_add(model.cost_micro_usd);
        }
        let models = stats.models.iter().map(|(name, model)| {
            let info = ModelInfo {
                requests: model.requests,
                tokens: model.usage,
                cost_micro_usd: model.cost_micro_usd,
            };
            (name.to_string(), info)
        });
        Self {
            since: timestamp(stats.since_ms).filter(|_| stats.since_ms > 0),
            succeeded: stats.succeeded,
            request_faults: stats.request_faults,
            account_faults: stats.account_faults,
            platform_faults: stats.platform_faults,
            unknown: stats.unknown,
            success_ppm: stats.success_ppm(),
            duration: Quantiles::from(&stats.duration),
            first_event: Quantiles::from(&stats.first_event),
            tokens,
            cost_micro_usd,
            cache_hit_ppm: stats.cache_hit_ppm(),
            models: models.collect(),
            last_error: stats.last_error.as_ref().map(ErrorInfo::from),
            renewals: stats.renewals.iter().map(RenewalInfo::from).collect(),
            moved_here: stats.moved_here,
            moved_tokens: stats.moved_tokens,
        }
    }
}

impl From<&Histogram> for Quantiles {
    fn from(histogram: &Histogram) -> Self {
        Self {
            p50_ms: histogram.quantile_ms(500),
            p95_ms: histogram.quantile_ms(950),
        }
    }
}

impl From<&LastError> for ErrorInfo {
    fn from(error: &LastError) -> Self {
        Self {
            at: timestamp(error.at_ms),
            status: error.status,
            what: error.what.clone(),
        }
    }
}

impl From<&RenewalEntry> for RenewalInfo {
    fn from(entry: &RenewalEntry) -> Self {
        Self {
            at: timestamp(entry.at_ms),
            outcome: entry.outcome.clone(),
            generation: entry.generation,
            why: entry.why.clone(),
        }
    }
}
