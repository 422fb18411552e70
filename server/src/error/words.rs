//! Amounts and days in words for people.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use troupe_core::limit::{Dimension, LimitName};

const DAY_MS: u64 = 86_400_000;

/// So many units of a limit: `100 requests`, `5000 input tokens`, `$1.50`, `32 concurrent requests`.
#[must_use]
pub fn amount(name: LimitName, units: u64) -> String {
    let what = match name.dimension() {
        None => "concurrent requests",
        Some(Dimension::Requests) => "requests",
        Some(Dimension::InputTokens) => "input tokens",
        Some(Dimension::OutputTokens) => "output tokens",
        Some(Dimension::Tokens) => "tokens",
        Some(Dimension::Usd) => return dollars(units),
    };
    format!("{units} {what}")
}

/// The same with the limit's window: `100 requests per minute`.
#[must_use]
pub fn amount_per_window(name: LimitName, units: u64) -> String {
    let amount = amount(name, units);
    match name.period() {
        Some(period) => format!("{amount} per {}", period.as_str()),
        None => amount,
    }
}

/// Cents at least, and as many decimals as it takes.
fn dollars(micro_usd: u64) -> String {
    let (whole, rest) = (micro_usd / 1_000_000, micro_usd % 1_000_000);
    let decimals = format!("{rest:06}");
    let (cents, small) = decimals.split_at(2);
    format!("${whole}.{cents}{}", small.trim_end_matches('0'))
}

/// `Nov 25`, with the time where that is not midnight: `Nov 25 14:00 UTC`.
#[must_use]
pub fn day(unix_ms: u64) -> String {
    let form = if unix_ms.is_multiple_of(DAY_MS) {
        "%b %-d"
    } else {
        "%b %-d %H:%M UTC"
    };
    let at = instant(unix_ms).to_zoned(TimeZone::UTC);
    at.strftime(form).to_string()
}

/// RFC 3339: `2026-02-24T10:00:00Z`.
#[must_use]
pub fn rfc3339(unix_ms: u64) -> String {
    instant(unix_ms).to_string()
}

fn instant(unix_ms: u64) -> Timestamp {
    let ms = i64::try_from(unix_ms).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_has_cents_and_as_many_decimals_as_it_takes() {
        for (micro_usd, text) in [
            (0, "$0.00"),
            (1, "$0.000001"),
            (10_000, "$0.01"),
            (1_500_000, "$1.50"),
            (100_000_000, "$100.00"),
            (1_234_500, "$1.2345"),
        ] {
            assert_eq!(dollars(micro_usd), text);
        }
    }

    #[test]
    fn days_have_a_time_where_they_do_not_begin() {
        let ms = |text: &str| {
            let at: Timestamp = text.parse().unwrap();
            u64::try_from(at.as_millisecond()).unwrap()
        };
        assert_eq!(day(ms("2026-11-25T00:00:00Z")), "Nov 25");
        assert_eq!(day(ms("2027-01-01T00:00:00Z")), "Jan 1");
        assert_eq!(day(ms("2026-11-25T14:05:00Z")), "Nov 25 14:05 UTC");
        assert_eq!(rfc3339(ms("2026-02-24T10:00:00Z")), "2026-02-24T10:00:00Z");
        assert!(!day(u64::MAX).is_empty());
    }
}
