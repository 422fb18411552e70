//! Days of usage as people write them: a date, or how long ago.
//!
//! Invariant: days are UTC; a time within a day means that whole day.

use jiff::civil::Date;
use troupe_core::usage::day_of;

use super::super::OpError;
use crate::config::HumanDuration;

const EPOCH: Date = Date::constant(1970, 1, 1);

/// `field` is what the text was given as, for the error.
pub(super) fn parse(field: &str, text: &str, now_ms: u64) -> Result<u32, OpError> {
    if let Ok(ago) = text.parse::<HumanDuration>() {
        let ago_ms = u64::try_from(ago.get().as_millis()).unwrap_or(u64::MAX);
        return Ok(day_of(now_ms.saturating_sub(ago_ms)));
    }
    let date = text.parse::<Date>().ok();
    let day = date.and_then(|date| u32::try_from(date.duration_since(EPOCH).as_hours() / 24).ok());
    day.ok_or_else(|| {
        let message = format!("{field} is a day such as 2026-11-24, or how long ago, such as 30d");
        OpError::invalid(message)
    })
}

/// The date of a day; days beyond the calendar are its last.
pub(super) fn written(day: u32) -> String {
    let after = jiff::SignedDuration::from_hours(i64::from(day) * 24);
    EPOCH.saturating_add(after).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_dates_or_so_long_ago() {
        const DAY: u64 = 86_400_000;
        let now_ms = 20_000 * DAY + 1;
        for (text, day) in [
            ("1970-01-01", 0),
            ("2024-10-04", 20_000),
            ("0", 20_000),
            ("1ms", 20_000),
            ("2ms", 19_999),
            ("30d", 19_970),
            ("4w", 19_972),
            ("99999w", 0),
        ] {
            assert_eq!(parse("since", text, now_ms).unwrap(), day, "{text}");
        }
        for text in ["", "yesterday", "1969-12-31", "2026-13-01", "30", "-1d"] {
            let error = parse("until", text, now_ms).unwrap_err();
            assert!(error.message.starts_with("until is a day"), "{text}");
        }
        assert_eq!(written(20_000), "2024-10-04");
        assert_eq!(written(u32::MAX), "9999-12-31");
    }
}
