//! The request log of the embedded backend.
//!
//! Invariant: a row belongs to the UTC day of its `at_ms`, and a day is one segment.

mod all;
mod block;
mod bloom;
mod complete;
mod cursor;
mod file;
mod index;
mod needle;
mod read;
mod search;
mod segment;

use std::path::{Path, PathBuf};

use jiff::civil::Date;
use jiff::{Timestamp, tz::TimeZone};

use troupe_core::port::StoreError;

pub(crate) use all::WholeLog;
pub(crate) use file::{opened, read_part};
pub(crate) use segment::{SegmentLog, blocking};

/// A cursor that this backend does not give.
pub(crate) fn foreign_cursor() -> StoreError {
    StoreError::Conflict("this cursor is of another log; ask again without a cursor".into())
}

/// The UTC day of a time in milliseconds since the Unix epoch; times beyond the calendar count as its last day.
pub(crate) fn day_of(at_ms: u64) -> Date {
    i64::try_from(at_ms)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok())
        .unwrap_or(Timestamp::MAX)
        .to_zoned(TimeZone::UTC)
        .date()
}

/// An id and the row's time are taken from two clocks.
const CLOCKS_APART_MS: u64 = 60_000;

/// The days that a request of this time may be in, the likeliest first.
pub(crate) fn days_near(at_ms: u64) -> Vec<Date> {
    let mut days = vec![day_of(at_ms)];
    for near in [
        at_ms.saturating_sub(CLOCKS_APART_MS),
        at_ms.saturating_add(CLOCKS_APART_MS),
    ] {
        if !days.contains(&day_of(near)) {
            days.push(day_of(near));
        }
    }
    days
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
