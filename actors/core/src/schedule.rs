//! When an account may be used: spans of the week, in UTC.
//!
//! ```text
//! mon-fri 08:00-18:00                       five days
//! mon-fri 08:00-12:00, 13:00-18:00          the same days, twice
//! mon, wed, fri 22:00-06:00                 over midnight: the day is the one on which the span begins
//! sat-sun; fri 18:00-24:00                  whole days; `;` begins anew
//! 08:00-18:00                               every day
//! ```
//! The written form is longer and says each span whole: `mon-fri 08:00-12:00; mon-fri 13:00-18:00`.
//!
//! Invariant: a schedule has at least one span, so it opens at some time; what is displayed parses to the same schedule.

mod parse;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use parse::ScheduleError;

const DAY_MIN: u32 = 24 * 60;
const WEEK_MIN: u32 = 7 * DAY_MIN;
const MINUTE_MS: u64 = 60_000;
/// 1970-01-01 was a Thursday; our weeks begin on Monday.
const EPOCH_MIN: u64 = 3 * DAY_MIN as u64;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// A time of the day on some days of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Span {
    /// Bit 0 is Monday.
    days: u8,
    /// Minute of the day, 0 … 1 439.
    from_min: u32,
    /// Minute of the day, 1 … 1 440; less than or equal to `from_min` is a minute of the next day.
    to_min: u32,
}

impl Span {
    fn length_min(self) -> u32 {
        if self.to_min > self.from_min {
            self.to_min - self.from_min
        } else {
            self.to_min + DAY_MIN - self.from_min
        }
    }

    fn has_day(self, day: u32) -> bool {
        self.days & (1 << day) != 0
    }
}

/// Weekly opening hours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Schedule {
    spans: Vec<Span>,
    /// Minutes of the week (Monday 00:00 is 0) at which open turns to closed or back, ascending.
    edges_min: Vec<u32>,
    /// Open in the first minute of the week, before any edge.
    begins_open: bool,
}

impl Schedule {
    /// Reads the text form.
    ///
    /// # Errors
    /// What is wrong with which part.
    pub fn parse(text: &str) -> Result<Self, ScheduleError> {
        parse::spans(text).map(Self::of)
    }

    fn of(spans: Vec<Span>) -> Self {
        let mut open = vec![false; WEEK_MIN as usize];
        for span in &spans {
            for day in (0..7).filter(|&day| span.has_day(day)) {
                let from_min = day * DAY_MIN + span.from_min;
                for minute in from_min..from_min + span.length_min() {
                    if let Some(is) = open.get_mut((minute % WEEK_MIN) as usize) {
                        *is = true;
                    }
                }
            }
        }
        let before = std::iter::once(open.last()).chain(open.iter().map(Some));
        let edges_min = (0..WEEK_MIN)
            .zip(open.iter().zip(before))
            .filter(|&(_, (now, before))| Some(now) != before)
            .map(|(minute, _)| minute)
            .collect();
        Self {
            begins_open: open.last() == Some(&true),
            spans,
            edges_min,
        }
    }

    /// `unix_ms`: milliseconds since the Unix epoch.
    #[must_use]
    pub fn is_open(&self, unix_ms: u64) -> bool {
        let (_, minute) = minute_of_week(unix_ms);
        let passed = self.edges_min.partition_point(|&edge| edge <= minute);
        self.begins_open ^ (passed % 2 == 1)
    }

    /// When [`Schedule::is_open`] turns next, in milliseconds since the Unix epoch, always after `unix_ms`.
    /// `None` when it never does: the spans fill the week.
    #[must_use]
    pub fn next_change_ms(&self, unix_ms: u64) -> Option<u64> {
        let (begun_ms, minute) = minute_of_week(unix_ms);
        let next = self
            .edges_min
            .iter()
            .copied()
            .find(|&edge| edge > minute)
            .or_else(|| self.edges_min.first().map(|edge| edge + WEEK_MIN))?;
        Some(begun_ms.saturating_add(u64::from(next - minute) * MINUTE_MS))
    }
}

/// When the minute began (milliseconds since the Unix epoch), and which of the week it is.
fn minute_of_week(unix_ms: u64) -> (u64, u32) {
    let minute = unix_ms / MINUTE_MS;
    let of_week = (minute + EPOCH_MIN) % u64::from(WEEK_MIN);
    (
        minute * MINUTE_MS,
        u32::try_from(of_week).unwrap_or_default(),
    )
}

// === impl Display ===

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, span) in self.spans.iter().enumerate() {
            f.write_str(if place > 0 { "; " } else { "" })?;
            span.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut day = 0;
        let mut separator = "";
        while day < 7 {
            let length = (day..7).take_while(|&day| self.has_day(day)).count();
            if let Some([first, rest @ ..]) = DAYS.get(day as usize..day as usize + length) {
                write!(f, "{separator}{first}")?;
                if let Some(last) = rest.last() {
                    write!(f, "-{last}")?;
                }
                separator = ", ";
            }
            day += u32::try_from(length).unwrap_or_default().max(1);
        }
        let time = |minute: u32| (minute / 60, minute % 60);
        let ((from_h, from_m), (to_h, to_m)) = (time(self.from_min), time(self.to_min));
        write!(f, " {from_h:02}:{from_m:02}-{to_h:02}:{to_m:02}")
    }
}

impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Schedule {
    type Error = ScheduleError;

    fn try_from(text: String) -> Result<Self, ScheduleError> {
        Self::parse(&text)
    }
}

impl From<Schedule> for String {
    fn from(schedule: Schedule) -> Self {
        schedule.to_string()
    }
}

#[cfg(test)]
mod tests;
