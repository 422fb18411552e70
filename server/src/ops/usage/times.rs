//! Points of minutes, hours and days as people write them: a date, or how long ago.
//!
//! Invariant: times are UTC; the point that a time falls in is meant whole, and a date means all of its day.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use troupe_core::usage::Grain;

use super::super::OpError;
use super::days;
use crate::config::HumanDuration;

/// The first and the last point, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Points {
    pub grain: Grain,
    pub from: u32,
    pub to: u32,
}

impl Points {
    /// From `since` (or, when it was not said, from `default` ago) to `until` (or now).
    pub(super) fn parse(
        grain: Grain,
        since: Option<&str>,
        default: &str,
        until: Option<&str>,
        now_ms: u64,
    ) -> Result<Self, OpError> {
        let from = edge("since", since.unwrap_or(default), now_ms)?.0;
        let to = until.map_or(Ok((now_ms, now_ms)), |text| edge("until", text, now_ms))?;
        let (from, to) = (grain.point(from), grain.point(to.1));
        if from > to {
            return Err(OpError::invalid("since is after until"));
        }
        Ok(Self { grain, from, to })
    }

    pub(super) fn count(self) -> usize {
        usize::try_from(self.to - self.from).map_or(usize::MAX, |more| more.saturating_add(1))
    }

    /// The day of one of these.
    pub(super) fn day(self, point: u32) -> u32 {
        Grain::Day.point(begin_ms(self.grain, point))
    }

    /// The points of a coarser grain that these fall in.
    pub(super) fn within(self, grain: Grain) -> Self {
        let length_ms = self.grain.length_ms();
        let point = |point: u32| grain.point(u64::from(point) * length_ms);
        Self {
            grain,
            from: point(self.from),
            to: point(self.to),
        }
    }
}

/// The first and the last millisecond that a text means.
fn edge(field: &str, text: &str, now_ms: u64) -> Result<(u64, u64), OpError> {
    if let Ok(ago) = text.parse::<HumanDuration>() {
        let ago_ms = u64::try_from(ago.get().as_millis()).unwrap_or(u64::MAX);
        let then = now_ms.saturating_sub(ago_ms);
        return Ok((then, then));
    }
    if text.parse::<Date>().is_err()
        && let Ok(time) = text.parse::<Timestamp>()
        && let Ok(ms) = u64::try_from(time.as_millisecond())
    {
        return Ok((ms, ms));
    }
    let day = u64::from(days::parse(field, text, now_ms)?);
    let length_ms = Grain::Day.length_ms();
    Ok((day * length_ms, day * length_ms + length_ms - 1))
}

/// When a point begins: the date, or date and time.
pub(super) fn written(grain: Grain, point: u32) -> String {
    if grain == Grain::Day {
        return days::written(point);
    }
    let begin_ms = i64::try_from(begin_ms(grain, point)).unwrap_or(i64::MAX);
    let time = Timestamp::from_millisecond(begin_ms).unwrap_or(Timestamp::MAX);
    let time = time.to_zoned(TimeZone::UTC);
    time.strftime("%Y-%m-%dT%H:%MZ").to_string()
}

pub(super) fn begin_ms(grain: Grain, point: u32) -> u64 {
    u64::from(point) * grain.length_ms()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400_000;
    /// 2024-10-04, 10:30:15 UTC.
    const NOW_MS: u64 = 20_000 * DAY + 37_815_000;

    fn hours(since: Option<&str>, until: Option<&str>) -> Result<(u32, u32), String> {
        let points = Points::parse(Grain::Hour, since, "24h", until, NOW_MS);
        points
            .map(|points| (points.from, points.to))
            .map_err(|error| error.message)
    }

    #[test]
    fn points_are_dates_times_or_so_long_ago() {
        let now = 20_000 * 24 + 10;
        for (since, until, told) in [
            (None, None, (now - 24, now)),
            (Some("30m"), None, (now, now)),
            (Some("31m"), None, (now - 1, now)),
            (Some("2024-10-04"), None, (now - 10, now)),
            (Some("2024-10-03"), Some("2024-10-03"), (now - 34, now - 11)),
            (Some("2024-10-04T09:59Z"), Some("1h"), (now - 1, now - 1)),
        ] {
            assert_eq!(hours(since, until), Ok(told), "{since:?} {until:?}");
        }
        let error = hours(Some("1h"), Some("3h")).unwrap_err();
        assert_eq!(error, "since is after until");
        let error = hours(Some("noon"), None).unwrap_err();
        assert!(error.starts_with("since is a day"), "{error}");
    }

    #[test]
    fn points_are_written_as_they_begin() {
        assert_eq!(written(Grain::Day, 20_000), "2024-10-04");
        assert_eq!(written(Grain::Hour, 20_000 * 24 + 10), "2024-10-04T10:00Z");
        let minute = Grain::Minute.point(NOW_MS);
        assert_eq!(written(Grain::Minute, minute), "2024-10-04T10:30Z");
        assert!(written(Grain::Hour, u32::MAX).ends_with(":00Z"));
    }

    #[test]
    fn coarser_points_hold_the_finer_ones() {
        let minutes = Points {
            grain: Grain::Minute,
            from: 59,
            to: 120,
        };
        let hours = minutes.within(Grain::Hour);
        assert_eq!((hours.from, hours.to, hours.count()), (0, 2, 3));
        assert_eq!(minutes.count(), 62);
    }
}
