//! Reading a schedule's text. `;` separates groups; within a group, days without a time wait for the next time, and a
//! time without days has the days of the time before it. Days with no time until the group ends are whole days.

use super::{DAY_MIN, DAYS, Span};

/// More is a mistake, not a week.
const MAX_SPANS: usize = 64;
/// Longest text that is looked at, in bytes.
const MAX_BYTES: usize = 4_096;
const EVERY_DAY: u8 = 0x7f;

/// What is wrong with a schedule's text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    #[error("schedule is empty; write for example `mon-fri 08:00-18:00` (UTC)")]
    Empty,
    #[error("schedule is longer than {MAX_SPANS} spans; join some")]
    TooLong,
    #[error("`{0}` is neither a day (mon … sun) nor a time from-to (08:00-18:00, UTC)")]
    Word(String),
    #[error("`{0}` begins and ends at once; write 00:00-24:00 for a whole day")]
    Nothing(String),
    #[error("`{0}` stands after a time; separate spans by a comma or a semicolon")]
    AfterTime(String),
}

pub(super) fn spans(text: &str) -> Result<Vec<Span>, ScheduleError> {
    if text.len() > MAX_BYTES {
        return Err(ScheduleError::TooLong);
    }
    let mut spans = Vec::new();
    for group in text.split(';') {
        read_group(group, &mut spans)?;
        if spans.len() > MAX_SPANS {
            return Err(ScheduleError::TooLong);
        }
    }
    if spans.is_empty() {
        return Err(ScheduleError::Empty);
    }
    Ok(spans)
}

fn read_group(group: &str, spans: &mut Vec<Span>) -> Result<(), ScheduleError> {
    let mut waiting = 0;
    let mut last = EVERY_DAY;
    for item in group.split(',') {
        let mut timed = false;
        for word in item.split_whitespace() {
            if timed {
                return Err(ScheduleError::AfterTime(word.to_owned()));
            }
            if let Some(days) = days(word) {
                waiting |= days;
            } else {
                let (from_min, to_min) = times(word)?;
                if waiting != 0 {
                    last = std::mem::take(&mut waiting);
                }
                spans.push(Span {
                    days: last,
                    from_min,
                    to_min,
                });
                timed = true;
            }
        }
    }
    if waiting != 0 {
        spans.push(Span {
            days: waiting,
            from_min: 0,
            to_min: DAY_MIN,
        });
    }
    Ok(())
}

/// `mon`, `monday`, `fri-mon`; `None` when it is no day.
fn days(word: &str) -> Option<u8> {
    let Some((from, to)) = word.split_once('-') else {
        return day(word).map(|day| 1 << day);
    };
    let (from, to) = (day(from)?, day(to)?);
    let count = (to + 7 - from) % 7;
    Some((0..=count).fold(0, |days, next| days | 1 << ((from + next) % 7)))
}

fn day(word: &str) -> Option<usize> {
    const LONG: [&str; 7] = [
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
    ];
    DAYS.iter()
        .position(|day| day.eq_ignore_ascii_case(word))
        .or_else(|| LONG.iter().position(|day| day.eq_ignore_ascii_case(word)))
}

/// `08:00-18:00` as minutes of the day; an end of 00:00 is the day's end.
fn times(word: &str) -> Result<(u32, u32), ScheduleError> {
    let read = || {
        let (from, to) = word.split_once('-')?;
        let (from_min, to_min) = (time(from)?, time(to)?);
        (from_min < DAY_MIN).then_some((from_min, if to_min == 0 { DAY_MIN } else { to_min }))
    };
    let (from_min, to_min) = read().ok_or_else(|| ScheduleError::Word(word.to_owned()))?;
    if from_min == to_min {
        return Err(ScheduleError::Nothing(word.to_owned()));
    }
    Ok((from_min, to_min))
}

/// `8:00`, `08:00`, `24:00`.
fn time(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    let digits = |text: &str, least: usize| {
        let fits = (least..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        fits.then(|| text.parse::<u32>().ok()).flatten()
    };
    let (hours, minutes) = (digits(hours, 1)?, digits(minutes, 2)?);
    let minute = hours * 60 + minutes;
    (minutes < 60 && minute <= DAY_MIN).then_some(minute)
}
