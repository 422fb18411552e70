//! Calendar windows, in UTC.
//!
//! Invariant: the windows of a period cover all time without gap or overlap; a window is named by its first moment.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;
/// 1 January 1970 was a Thursday: three days after a Monday.
const MONDAY_MS: u64 = 3 * DAY_MS;
const WEEK_MS: u64 = 7 * DAY_MS;

/// How long a window is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    Minute,
    Hour,
    Day,
    /// From Monday.
    Week,
    Month,
}

/// One window: from `start_ms` to before `end_ms` (milliseconds since the Unix epoch).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    pub start_ms: u64,
    pub end_ms: u64,
}

impl Span {
    /// All time: the window of what has none.
    pub const ALWAYS: Self = Self {
        start_ms: 0,
        end_ms: u64::MAX,
    };

    #[must_use]
    pub fn contains(&self, unix_ms: u64) -> bool {
        self.start_ms <= unix_ms && unix_ms < self.end_ms
    }
}

impl Period {
    pub const ALL: [Self; 5] = [Self::Minute, Self::Hour, Self::Day, Self::Week, Self::Month];

    /// As it stands in names.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    /// The window that `unix_ms` lies in.
    #[must_use]
    pub fn span(self, unix_ms: u64) -> Span {
        let even = |length: u64, offset: u64| {
            let start_ms = (unix_ms + offset) / length * length;
            Span {
                start_ms: start_ms.saturating_sub(offset),
                end_ms: start_ms + length - offset,
            }
        };
        match self {
            Self::Minute => even(MINUTE_MS, 0),
            Self::Hour => even(HOUR_MS, 0),
            Self::Day => even(DAY_MS, 0),
            Self::Week => even(WEEK_MS, MONDAY_MS),
            // Beyond the year 9999 there are no months.
            Self::Month => month(unix_ms).unwrap_or(Span {
                start_ms: unix_ms,
                end_ms: unix_ms + DAY_MS,
            }),
        }
    }
}

fn month(unix_ms: u64) -> Option<Span> {
    let at = Timestamp::from_millisecond(i64::try_from(unix_ms).ok()?).ok()?;
    let first = at.to_zoned(TimeZone::UTC).date().first_of_month();
    let next = first.checked_add(1.month()).ok()?;
    let ms = |day: jiff::civil::Date| {
        let at = day.to_zoned(TimeZone::UTC).ok()?.timestamp();
        u64::try_from(at.as_millisecond()).ok()
    };
    Some(Span {
        start_ms: ms(first)?,
        end_ms: ms(next)?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ms(text: &str) -> u64 {
        let at: Timestamp = text.parse().unwrap();
        u64::try_from(at.as_millisecond()).unwrap()
    }

    #[test]
    fn windows_of_the_calendar() {
        for (period, at, start, end) in [
            (
                Period::Minute,
                "2026-02-24T10:00:59.999Z",
                "2026-02-24T10:00:00Z",
                "2026-02-24T10:01:00Z",
            ),
            (
                Period::Hour,
                "2026-02-24T10:00:00Z",
                "2026-02-24T10:00:00Z",
                "2026-02-24T11:00:00Z",
            ),
            (
                Period::Day,
                "2026-02-28T23:59:59Z",
                "2026-02-28T00:00:00Z",
                "2026-03-01T00:00:00Z",
            ),
            (
                Period::Week,
                "2026-11-24T15:00:00Z",
                "2026-11-23T00:00:00Z",
                "2026-11-30T00:00:00Z",
            ),
            (
                Period::Week,
                "2026-11-23T00:00:00Z",
                "2026-11-23T00:00:00Z",
                "2026-11-30T00:00:00Z",
            ),
            (
                Period::Week,
                "2026-11-22T23:59:59Z",
                "2026-11-16T00:00:00Z",
                "2026-11-23T00:00:00Z",
            ),
            (
                Period::Month,
                "2028-02-29T12:00:00Z",
                "2028-02-01T00:00:00Z",
                "2028-03-01T00:00:00Z",
            ),
            (
                Period::Month,
                "2026-12-31T23:59:59Z",
                "2026-12-01T00:00:00Z",
                "2027-01-01T00:00:00Z",
            ),
        ] {
            let span = Span {
                start_ms: ms(start),
                end_ms: ms(end),
            };
            assert_eq!(period.span(ms(at)), span, "{period:?} {at}");
        }
        assert_eq!(
            Period::Week.span(0),
            Span {
                start_ms: 0,
                end_ms: WEEK_MS - MONDAY_MS
            }
        );
    }

    proptest! {
        #[test]
        fn windows_follow_each_other(at in 0u64..200_000_000_000_000, which in 0usize..5) {
            let period = Period::ALL[which];
            let span = period.span(at);
            prop_assert!(span.contains(at));
            prop_assert_eq!(period.span(span.start_ms), span);
            prop_assert_eq!(period.span(span.end_ms - 1), span);
            prop_assert_eq!(period.span(span.end_ms).start_ms, span.end_ms);
        }
    }
}
