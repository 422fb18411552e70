//! Times as people write them: RFC 3339, or a date alone, which is its first moment in UTC.
//!
//! Invariant: what is shown reads back as the same time, to the millisecond.

use jiff::{Timestamp, civil, tz::TimeZone};

/// Milliseconds since the Unix epoch; `None` for any other text, and for what lies before it.
#[must_use]
pub fn read(text: &str) -> Option<u64> {
    let at = text.parse::<Timestamp>().ok().or_else(|| {
        let day: civil::Date = text.parse().ok().filter(|_| text.len() == 10)?;
        Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp())
    });
    u64::try_from(at?.as_millisecond()).ok()
}

/// A date, where the time is its first moment. Empty for what is no date.
#[must_use]
pub fn shown(unix_ms: u64) -> String {
    const DAY_MS: u64 = 86_400_000;
    let at = i64::try_from(unix_ms).ok();
    let Some(at) = at.and_then(|at| Timestamp::from_millisecond(at).ok()) else {
        return String::new();
    };
    if unix_ms.is_multiple_of(DAY_MS) {
        return at.strftime("%Y-%m-%d").to_string();
    }
    at.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_read_back() {
        for (text, unix_ms, again) in [
            ("2026-12-24", 1_798_070_400_000, "2026-12-24"),
            ("2026-12-24T00:00:00Z", 1_798_070_400_000, "2026-12-24"),
            (
                "2026-12-24T01:00:00+02:00",
                1_798_066_800_000,
                "2026-12-23T23:00:00Z",
            ),
            ("1970-01-01", 0, "1970-01-01"),
        ] {
            assert_eq!(read(text), Some(unix_ms), "{text}");
            assert_eq!(shown(unix_ms), again);
            assert_eq!(read(again), Some(unix_ms));
        }
        for text in [
            "",
            "30d",
            "2026-13-01",
            "2026-12-24T00:00:00",
            "1969-12-31",
            "20261224",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
