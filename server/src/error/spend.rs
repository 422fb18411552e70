//! The spend of a caller in the `anthropic-ratelimit-unified-*` form, as clients signed in to a gateway read it.
//!
//! Allowed: they warn from three quarters and from 95 %. Rejected: they show the error's text and stop; with
//! `representative-claim` or `overage-status` beside it they would drop that text, so these stand on success alone.
//!
//! Invariant: the threshold follows the exact ratio, not the rounded one; while spend is allowed it never looks used up.

use actix_web::http::header::{HeaderName, HeaderValue};
use troupe_core::limit::{Period, Shortage};

pub const STATUS: HeaderName = HeaderName::from_static("anthropic-ratelimit-unified-status");
pub const RESET: HeaderName = HeaderName::from_static("anthropic-ratelimit-unified-reset");
pub const CLAIM: HeaderName =
    HeaderName::from_static("anthropic-ratelimit-unified-representative-claim");
pub const OVERAGE_STATUS: HeaderName =
    HeaderName::from_static("anthropic-ratelimit-unified-overage-status");
pub const OVERAGE_RESET: HeaderName =
    HeaderName::from_static("anthropic-ratelimit-unified-overage-reset");
pub const UTILIZATION: HeaderName =
    HeaderName::from_static("anthropic-ratelimit-unified-overage-utilization");
pub const THRESHOLD: HeaderName =
    HeaderName::from_static("anthropic-ratelimit-unified-overage-surpassed-threshold");
const PERIOD: HeaderName = HeaderName::from_static("anthropic-ratelimit-unified-overage-period");
const DISABLED_REASON: HeaderName =
    HeaderName::from_static("anthropic-ratelimit-unified-overage-disabled-reason");

/// While spend is allowed, so many hundredths are told at most.
const MOST_ALLOWED: u64 = 99;

/// What was spent of a cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spend {
    pub used_micro_usd: u64,
    pub cap_micro_usd: u64,
    /// When the cap's window ends (milliseconds since the Unix epoch).
    pub reset_ms: u64,
}

impl Spend {
    /// Is more of it used, for its size?
    #[must_use]
    pub fn is_fuller(&self, than: &Self) -> bool {
        let share = |part: &Self, whole: &Self| {
            u128::from(part.used_micro_usd) * u128::from(whole.cap_micro_usd.max(1))
        };
        share(self, than) > share(than, self)
    }

    /// Have so many hundredths been used?
    fn is_past(&self, hundredths: u64) -> bool {
        u128::from(self.used_micro_usd) * 100
            >= u128::from(self.cap_micro_usd) * u128::from(hundredths)
    }

    /// The highest threshold that was passed.
    #[must_use]
    pub fn threshold(&self) -> Option<HeaderValue> {
        if self.is_past(95) {
            Some(HeaderValue::from_static("0.95"))
        } else if self.is_past(75) {
            Some(HeaderValue::from_static("0.75"))
        } else {
            None
        }
    }

    /// Writes the share that was used: at most two decimals, no zeros at the end, never 1 while more is allowed.
    pub fn write_allowed(&self, text: &mut Vec<u8>) {
        write_hundredths(text, self.hundredths().min(MOST_ALLOWED));
    }

    fn hundredths(&self) -> u64 {
        let cap = u128::from(self.cap_micro_usd.max(1));
        let rounded = (u128::from(self.used_micro_usd) * 100 + cap / 2) / cap;
        u64::try_from(rounded).unwrap_or(u64::MAX)
    }
}

fn write_hundredths(text: &mut Vec<u8>, hundredths: u64) {
    let mut digits = itoa::Buffer::new();
    text.extend_from_slice(digits.format(hundredths / 100).as_bytes());
    let (tenth, hundredth) = ((hundredths / 10 % 10) as u8, (hundredths % 10) as u8);
    match (tenth, hundredth) {
        (0, 0) => {}
        (tenth, 0) => text.extend_from_slice(&[b'.', b'0' + tenth]),
        (tenth, hundredth) => text.extend_from_slice(&[b'.', b'0' + tenth, b'0' + hundredth]),
    }
}

/// The headers of a cap that is reached.
pub(super) fn rejected(short: &Shortage) -> [(HeaderName, HeaderValue); 7] {
    let spend = Spend {
        used_micro_usd: short.used,
        cap_micro_usd: short.capacity,
        reset_ms: short.span.end_ms,
    };
    let mut utilization = Vec::new();
    write_hundredths(&mut utilization, spend.hundredths());
    let reset = HeaderValue::from(spend.reset_ms.div_ceil(1_000));
    let fixed = HeaderValue::from_static;
    [
        (STATUS, fixed("rejected")),
        (RESET, reset.clone()),
        (OVERAGE_RESET, reset),
        (
            UTILIZATION,
            HeaderValue::from_bytes(&utilization).unwrap_or(fixed("1")),
        ),
        (THRESHOLD, fixed("1")),
        (PERIOD, fixed(period(short.name.period()))),
        (DISABLED_REASON, fixed("org_spend_cap_reached")),
    ]
}

/// The periods of such caps are written as adverbs; clients know the three longer ones.
fn period(period: Option<Period>) -> &'static str {
    match period {
        Some(Period::Minute) => "minutely",
        Some(Period::Hour) => "hourly",
        Some(Period::Day) => "daily",
        Some(Period::Week) => "weekly",
        Some(Period::Month) | None => "monthly",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spend(used_micro_usd: u64, cap_micro_usd: u64) -> Spend {
        Spend {
            used_micro_usd,
            cap_micro_usd,
            reset_ms: 0,
        }
    }

    #[test]
    fn the_threshold_follows_the_exact_ratio_and_the_share_is_rounded() {
        for (used, cap, share, threshold) in [
            (0, 1_000_000, "0", None),
            (4_000, 1_000_000, "0", None),
            (5_000, 1_000_000, "0.01", None),
            (500_000, 1_000_000, "0.5", None),
            (749_999, 1_000_000, "0.75", None),
            (750_000, 1_000_000, "0.75", Some("0.75")),
            (949_999, 1_000_000, "0.95", Some("0.75")),
            (950_000, 1_000_000, "0.95", Some("0.95")),
            (999_999, 1_000_000, "0.99", Some("0.95")),
            (3_000_000, 1_000_000, "0.99", Some("0.95")),
            (u64::MAX, u64::MAX, "0.99", Some("0.95")),
            (0, 0, "0", Some("0.95")),
        ] {
            let spend = spend(used, cap);
            let mut text = Vec::new();
            spend.write_allowed(&mut text);
            assert_eq!(String::from_utf8(text).unwrap(), share, "{used}/{cap}");
            let told = spend.threshold();
            let told = told.as_ref().map(|value| value.to_str().unwrap());
            assert_eq!(told, threshold, "{used}/{cap}");
        }
    }

    #[test]
    fn what_is_rejected_may_be_more_than_the_cap() {
        for (used, share) in [(1_000_000, "1"), (1_030_000, "1.03"), (12_500_000, "12.5")] {
            let mut text = Vec::new();
            write_hundredths(&mut text, spend(used, 1_000_000).hundredths());
            assert_eq!(String::from_utf8(text).unwrap(), share);
        }
    }

    #[test]
    fn the_fullest_cap_is_found_by_its_share() {
        assert!(spend(9, 10).is_fuller(&spend(80, 100)));
        assert!(!spend(80, 100).is_fuller(&spend(9, 10)));
        assert!(!spend(1, 2).is_fuller(&spend(2, 4)));
    }
}
