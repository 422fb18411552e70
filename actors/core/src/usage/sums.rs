//! What is counted of requests.
//!
//! Invariant: a request is in `requests` or in `refused`, never in both; `errors` are part of `requests`.

use serde::{Deserialize, Serialize};

use super::Latency;
use crate::record::{Outcome, RequestRecord, TokenUsage};

/// Sums over requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UsageSums {
    /// Requests that went to an account.
    #[serde(skip_serializing_if = "is_zero")]
    pub requests: u64,
    /// Of them, those with a status of 400 or more, and those whose answer the upstream cut. A client that goes away is
    /// no error.
    #[serde(skip_serializing_if = "is_zero")]
    pub errors: u64,
    /// Requests that the gateway answered itself: over a limit, not allowed, or without an account for them.
    #[serde(skip_serializing_if = "is_zero")]
    pub refused: u64,
    #[serde(skip_serializing_if = "TokenUsage::is_zero")]
    pub tokens: TokenUsage,
    #[serde(skip_serializing_if = "is_zero")]
    pub cost_micro_usd: u64,
    /// What keys and groups were charged; `None` where that is the cost, see [`Self::charged_micro_usd()`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub charged_micro_usd: Option<u64>,
    /// Of requests that were answered well: their durations, and their sum (ms).
    #[serde(skip_serializing_if = "Latency::is_empty")]
    pub latency: Latency,
    #[serde(skip_serializing_if = "is_zero")]
    pub duration_ms: u64,
    /// Of those among them whose first event was seen: the time to it, summed (ms), and how many they are.
    #[serde(skip_serializing_if = "is_zero")]
    pub first_event_ms: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub first_events: u64,
    /// The times to it; rows of before it was kept have none.
    #[serde(skip_serializing_if = "Latency::is_empty")]
    pub first_event: Latency,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl UsageSums {
    /// What one request adds.
    #[must_use]
    pub fn of(row: &RequestRecord) -> Self {
        let mut sums = Self {
            tokens: row.usage,
            cost_micro_usd: row.cost_micro_usd,
            charged_micro_usd: row.charged_micro_usd,
            ..Self::default()
        };
        if row.outcome == Outcome::Refused {
            sums.refused = 1;
            return sums;
        }
        sums.requests = 1;
        let went_wrong = match row.outcome {
            Outcome::Failed | Outcome::Truncated => true,
            Outcome::Completed => row.status >= 400,
            Outcome::Cancelled | Outcome::Refused => false,
        };
        sums.errors = u64::from(went_wrong);
        if row.outcome == Outcome::Completed && !went_wrong {
            sums.duration_ms = row.duration_us / 1_000;
            sums.latency.add(sums.duration_ms);
            if let Some(us) = row.first_event_us {
                sums.first_event_ms = us / 1_000;
                sums.first_events = 1;
                sums.first_event.add(sums.first_event_ms);
            }
        }
        sums
    }

    /// The cost times the multipliers of the groups that the keys were in.
    #[must_use]
    pub fn charged_micro_usd(&self) -> u64 {
        self.charged_micro_usd.unwrap_or(self.cost_micro_usd)
    }

    pub fn merge(&mut self, other: &Self) {
        if self.charged_micro_usd.is_some() || other.charged_micro_usd.is_some() {
            let sum = self
                .charged_micro_usd()
                .saturating_add(other.charged_micro_usd());
            self.charged_micro_usd = Some(sum);
        }
        let Self {
            requests,
            errors,
            refused,
            tokens,
            cost_micro_usd,
            charged_micro_usd: _,
            latency,
            duration_ms,
            first_event_ms,
            first_events,
            first_event,
        } = self;
        for (sum, more) in [
            (requests, other.requests),
            (errors, other.errors),
            (refused, other.refused),
            (cost_micro_usd, other.cost_micro_usd),
            (duration_ms, other.duration_ms),
            (first_event_ms, other.first_event_ms),
            (first_events, other.first_events),
        ] {
            *sum = sum.saturating_add(more);
        }
        tokens.add(&other.tokens);
        latency.merge(&other.latency);
        first_event.merge(&other.first_event);
    }

    /// Leaves what was not counted in `part`, which these sums are partly of.
    pub fn take_away(&mut self, part: &Self) {
        if self.charged_micro_usd.is_some() || part.charged_micro_usd.is_some() {
            let left = self
                .charged_micro_usd()
                .saturating_sub(part.charged_micro_usd());
            self.charged_micro_usd = Some(left);
        }
        for (sum, less) in [
            (&mut self.requests, part.requests),
            (&mut self.errors, part.errors),
            (&mut self.refused, part.refused),
            (&mut self.cost_micro_usd, part.cost_micro_usd),
            (&mut self.duration_ms, part.duration_ms),
            (&mut self.first_event_ms, part.first_event_ms),
            (&mut self.first_events, part.first_events),
            (&mut self.tokens.input, part.tokens.input),
            (&mut self.tokens.output, part.tokens.output),
            (&mut self.tokens.cache_read, part.tokens.cache_read),
            (&mut self.tokens.cache_write_5m, part.tokens.cache_write_5m),
            (&mut self.tokens.cache_write_1h, part.tokens.cache_write_1h),
            (&mut self.tokens.web_searches, part.tokens.web_searches),
        ] {
            *sum = sum.saturating_sub(less);
        }
        self.latency.take_away(&part.latency);
        self.first_event.take_away(&part.first_event);
    }
}
