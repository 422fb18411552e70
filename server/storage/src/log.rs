//! The request log of the embedded backend.
//!
//! Invariant: a row belongs to the UTC day of its `at_ms`, and a day is one segment.

mod read;
mod segment;

use std::path::{Path, PathBuf};

use jiff::civil::Date;
use jiff::{Timestamp, tz::TimeZone};

pub(crate) use segment::SegmentLog;

/// The UTC day of a time in milliseconds since the Unix epoch; times beyond the calendar count as its last day.
pub(crate) fn day_of(at_ms: u64) -> Date {
    i64::try_from(at_ms)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok())
        .unwrap_or(Timestamp::MAX)
        .to_zoned(TimeZone::UTC)
        .date()
}

const SUFFIX: &str = ".jsonl";

fn segment_path(folder: &Path, day: Date) -> PathBuf {
    folder.join(format!("{day}{SUFFIX}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_turn_at_midnight_utc() {
        assert_eq!(day_of(0).to_string(), "1970-01-01");
        assert_eq!(day_of(1_795_478_399_999).to_string(), "2026-11-23");
        assert_eq!(day_of(1_795_478_400_000).to_string(), "2026-11-24");
        assert_eq!(day_of(u64::MAX).to_string(), "9999-12-30");
    }
}
