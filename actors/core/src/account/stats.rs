//! What an account has done, in numbers that fit a row.
//!
//! Invariant: bounded whatever comes in: [`MAX_MODELS`] models and an `other`, [`MAX_RENEWALS`] renewals.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::verdict::Verdict;
use crate::record::TokenUsage;

const MAX_MODELS: usize = 64;
const MAX_RENEWALS: usize = 32;
/// Bytes of an upstream's text.
const MAX_TEXT: usize = 512;
const OTHER: &str = "other";

/// Times in power-of-two buckets from 1 ms on; the last bucket is open.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram {
    counts: [u64; 24],
    pub sum_ms: u64,
}

impl Histogram {
    pub fn add(&mut self, ms: u64) {
        let bucket = (64 - ms.leading_zeros() as usize).min(self.counts.len() - 1);
        self.counts[bucket] += 1;
        self.sum_ms = self.sum_ms.saturating_add(ms);
    }

    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The upper edge (ms) of the bucket that holds the quantile, `None` when empty. `per_mille` of 500 is the median.
    #[must_use]
    pub fn quantile_ms(&self, per_mille: u64) -> Option<u64> {
        let wanted = (self.count() * per_mille).div_ceil(1_000).max(1);
        let mut seen = 0;
        self.counts
            .iter()
            .enumerate()
            .find_map(|(bucket, count)| {
                seen += count;
                (seen >= wanted).then(|| 1u64 << bucket)
            })
            .filter(|_| self.sum_ms > 0 || self.counts[0] > 0)
    }
}

/// What was served of one model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelStats {
    pub requests: u64,
    pub usage: TokenUsage,
    pub cost_micro_usd: u64,
}

/// The last fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastError {
    /// Milliseconds since the Unix epoch.
    pub at_ms: u64,
    pub status: Option<u16>,
    pub what: String,
}

/// One renewal of the tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenewalEntry {
    /// Milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// `renewed`, `adopted`, `refused`, `postponed`, `unknown`, `login`.
    pub outcome: String,
    /// The generation that stands after it.
    pub generation: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// Counters of one account since `since_ms`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountStats {
    /// Milliseconds since the Unix epoch; 0 when nothing was counted yet.
    pub since_ms: u64,
    /// Attempts that ended, by what they meant.
    pub succeeded: u64,
    pub request_faults: u64,
    pub account_faults: u64,
    pub platform_faults: u64,
    pub unknown: u64,
    pub duration: Histogram,
    pub first_event: Histogram,
    pub models: BTreeMap<Arc<str>, ModelStats>,
    pub last_error: Option<LastError>,
    pub renewals: VecDeque<RenewalEntry>,
    /// Sessions that came from another account, and the cached tokens that were lost by it.
    pub moved_here: u64,
    pub moved_tokens: u64,
}

/// What one finished attempt adds.
#[derive(Clone, Debug, Default)]
pub struct AttemptFacts {
    pub status: Option<u16>,
    pub duration_ms: Option<u64>,
    pub first_event_ms: Option<u64>,
    pub usage: TokenUsage,
    pub cost_micro_usd: u64,
    pub error: Option<String>,
    /// The session came from another account, where it had so many tokens cached.
    pub moved_tokens: Option<u64>,
}

impl AccountStats {
    pub fn add(
        &mut self,
        at_ms: u64,
        model: Option<&Arc<str>>,
        verdict: &Verdict,
        facts: AttemptFacts,
    ) {
        if self.since_ms == 0 {
            self.since_ms = at_ms;
        }
        let counter = match verdict {
            Verdict::Success => &mut self.succeeded,
            Verdict::RequestFault => &mut self.request_faults,
            Verdict::Platform | Verdict::Overloaded => &mut self.platform_faults,
            Verdict::Unknown => &mut self.unknown,
            fault => {
                debug_assert!(fault.is_account_fault());
                &mut self.account_faults
            }
        };
        *counter += 1;
        if let Some(ms) = facts.duration_ms {
            self.duration.add(ms);
        }
        if let Some(ms) = facts.first_event_ms {
            self.first_event.add(ms);
        }
        if let Some(tokens) = facts.moved_tokens {
            self.moved_here += 1;
            self.moved_tokens = self.moved_tokens.saturating_add(tokens);
        }
        if !matches!(verdict, Verdict::Success | Verdict::RequestFault)
            && let Some(what) = facts.error
        {
            self.last_error = Some(LastError {
                at_ms,
                status: facts.status,
                what: short(what),
            });
        }
        if *verdict == Verdict::Success || !facts.usage.is_zero() {
            self.served(model, facts.usage, facts.cost_micro_usd);
        }
    }

    fn served(&mut self, model: Option<&Arc<str>>, usage: TokenUsage, cost_micro_usd: u64) {
        let Some(model) = model else {
            return;
        };
        let name = if self.models.contains_key(model) || self.models.len() < MAX_MODELS {
            Arc::clone(model)
        } else {
            OTHER.into()
        };
        let entry = self.models.entry(name).or_default();
        entry.requests += 1;
        entry.usage.add(&usage);
        entry.cost_micro_usd = entry.cost_micro_usd.saturating_add(cost_micro_usd);
    }

    pub fn renewal(&mut self, mut entry: RenewalEntry) {
        entry.why = entry.why.map(short);
        if self.renewals.len() >= MAX_RENEWALS {
            self.renewals.pop_front();
        }
        self.renewals.push_back(entry);
    }

    /// Attempts that were answered usefully, of those that could have been, in parts per million; `None` without any.
    #[must_use]
    pub fn success_ppm(&self) -> Option<u64> {
        let all = self.succeeded + self.account_faults + self.platform_faults;
        (all > 0).then(|| self.succeeded * 1_000_000 / all)
    }

    /// Of all input tokens, those read from the upstream's cache, in parts per million; `None` without any.
    #[must_use]
    pub fn cache_hit_ppm(&self) -> Option<u64> {
        let mut all = TokenUsage::default();
        self.models.values().for_each(|m| all.add(&m.usage));
        let parts = [
            all.input,
            all.cache_read,
            all.cache_write_5m,
            all.cache_write_1h,
        ];
        let input = parts.into_iter().map(u128::from).sum::<u128>();
        let ppm = (u128::from(all.cache_read) * 1_000_000).checked_div(input)?;
        u64::try_from(ppm).ok()
    }
}

/// An upstream's words, as many as fit a row.
fn short(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_TEXT));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_upper_edges() {
        let mut h = Histogram::default();
        assert_eq!(h.quantile_ms(500), None);
        for ms in [0, 1, 2, 3, 100] {
            h.add(ms);
        }
        assert_eq!(h.quantile_ms(500), Some(4));
        assert_eq!(h.quantile_ms(990), Some(128));
        h.add(u64::MAX);
        assert_eq!(h.count(), 6);
    }

    #[test]
    fn what_is_counted_is_bounded() {
        let mut stats = AccountStats::default();
        for n in 0..500u64 {
            let model: Arc<str> = format!("m{n}").into();
            stats.add(1, Some(&model), &Verdict::Success, AttemptFacts::default());
            stats.renewal(RenewalEntry {
                at_ms: n,
                outcome: "renewed".into(),
                generation: n,
                why: None,
            });
        }
        assert_eq!(stats.models.len(), MAX_MODELS + 1);
        assert_eq!(stats.renewals.len(), MAX_RENEWALS);
        assert_eq!(stats.renewals[0].at_ms, 468);
        assert_eq!(stats.success_ppm(), Some(1_000_000));
    }
}
