//! Where a search of segments reads on.
//!
//! Invariant: a position is the start of a line or the end of a segment, so that no row is told twice or cut.

use std::fmt;

use jiff::civil::Date;
use troupe_core::log::LogCursor;
use troupe_core::port::StoreError;

use super::foreign_cursor;

/// In front of the day.
const PREFIX: &str = "e1.";

/// What is before `end` in the segment of `day`, and every older day, has not been told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    pub day: Date,
    pub end: u64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}.{}", self.day, self.end)
    }
}

impl From<Cursor> for LogCursor {
    fn from(cursor: Cursor) -> Self {
        Self(cursor.to_string())
    }
}

impl Cursor {
    /// # Errors
    /// `Conflict` for what this backend never gives.
    pub(super) fn parse(cursor: &LogCursor) -> Result<Self, StoreError> {
        let parts = cursor.0.strip_prefix(PREFIX);
        let parsed = parts
            .and_then(|parts| parts.split_once('.'))
            .and_then(|(day, end)| {
                Some(Self {
                    day: day.parse().ok()?,
                    end: end.parse().ok()?,
                })
            });
        parsed
            .filter(|parsed| parsed.to_string() == cursor.0)
            .ok_or_else(foreign_cursor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_given_is_understood() {
        let parse = |text: &str| Cursor::parse(&LogCursor(text.into()));
        let given = Cursor {
            day: jiff::civil::date(2026, 11, 24),
            end: u64::MAX,
        };
        assert_eq!(parse(&given.to_string()), Ok(given));
        for text in [
            "",
            "e1.",
            "m1.5",
            "e1.2026-11-24",
            "e1.2026-11-24.",
            "e1.2026-11-24.-1",
            "e1.2026-11-24.+1",
            "e1.2026-11-24.01",
            "e1.2026-11-24.18446744073709551616",
            "e1.2026-02-30.1",
            "e1.../../etc.1",
            "e2.2026-11-24.1",
            "e1.2026-11-24.1 ",
        ] {
            assert!(
                matches!(parse(text), Err(StoreError::Conflict(_))),
                "{text}"
            );
        }
    }
}
