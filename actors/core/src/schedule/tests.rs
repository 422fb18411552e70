use proptest::prelude::*;

use super::*;

/// Monday 2026-01-05 00:00 UTC.
const MONDAY_MS: u64 = 1_767_571_200_000;

fn at(day: u64, hour: u64, minute: u64) -> u64 {
    MONDAY_MS + ((day * 24 + hour) * 60 + minute) * MINUTE_MS
}

fn schedule(text: &str) -> Schedule {
    Schedule::parse(text).unwrap()
}

#[test]
fn text_has_one_written_form() {
    for (text, written) in [
        ("mon-fri 08:00-18:00", "mon-fri 08:00-18:00"),
        (
            "Mon-Fri 8:00-12:00,13:00-18:00",
            "mon-fri 08:00-12:00; mon-fri 13:00-18:00",
        ),
        ("mon, wed friday 22:00-06:00", "mon, wed, fri 22:00-06:00"),
        (
            "sat-sun; fri 18:00-00:00",
            "sat-sun 00:00-24:00; fri 18:00-24:00",
        ),
        ("08:00-18:00", "mon-sun 08:00-18:00"),
        ("fri-mon 10:00-11:30;", "mon, fri-sun 10:00-11:30"),
        ("sun 00:00-00:00", "sun 00:00-24:00"),
    ] {
        let read = schedule(text);
        assert_eq!(read.to_string(), written, "{text}");
        assert_eq!(schedule(written), read);
    }
}

#[test]
fn errors_name_the_part() {
    for (text, why) in [
        ("", "schedule is empty"),
        (" ;, ", "schedule is empty"),
        ("mon-fry 08:00-18:00", "`mon-fry` is neither"),
        ("mon 08:00", "`08:00` is neither"),
        ("mon 24:00-08:00", "is neither"),
        ("mon 08:60-09:00", "is neither"),
        ("mon 08:00-24:01", "is neither"),
        ("mon 08:00-08:00", "begins and ends at once"),
        ("mon 08:00-09:00 10:00-11:00", "`10:00-11:00` stands after"),
        ("mon 08:00-09:00 UTC", "`UTC` stands after"),
        ("mon +8:00-09:00", "is neither"),
    ] {
        let error = Schedule::parse(text).unwrap_err().to_string();
        assert!(error.contains(why), "{text}: {error}");
    }
    let long = "mon 08:00-09:00;".repeat(65);
    assert_eq!(Schedule::parse(&long), Err(ScheduleError::TooLong));
    let huge = "mon ".repeat(2_000);
    assert_eq!(Schedule::parse(&huge), Err(ScheduleError::TooLong));
}

#[test]
fn office_hours_open_and_close() {
    let office = schedule("mon-fri 08:00-18:00");
    assert!(!office.is_open(at(0, 7, 59)) && office.is_open(at(0, 8, 0)));
    assert!(office.is_open(at(4, 18, 0) - 1) && !office.is_open(at(4, 18, 0)));
    assert_eq!(office.next_change_ms(at(0, 8, 0)), Some(at(0, 18, 0)));
    assert_eq!(office.next_change_ms(at(4, 18, 0) - 1), Some(at(4, 18, 0)));
    assert_eq!(office.next_change_ms(at(4, 18, 0)), Some(at(7, 8, 0)));
}

#[test]
fn a_span_runs_over_midnight_and_over_the_week() {
    let night = schedule("sun 22:00-06:00");
    assert!(night.is_open(at(6, 23, 0)) && night.is_open(at(7, 5, 59)));
    assert!(!night.is_open(at(7, 6, 0)) && !night.is_open(at(6, 5, 0)));
    // Midnight on Sunday is no change.
    assert_eq!(night.next_change_ms(at(6, 22, 0)), Some(at(7, 6, 0)));
    let whole = schedule("mon-sun");
    assert!(whole.is_open(0) && whole.is_open(at(6, 23, 59)));
    assert_eq!(whole.next_change_ms(at(3, 1, 2)), None);
    let joined = schedule("mon; tue 00:00-12:00");
    assert_eq!(joined.next_change_ms(at(0, 3, 0)), Some(at(1, 12, 0)));
}

#[test]
fn the_end_of_time_does_not_overflow() {
    let office = schedule("mon 08:00-18:00");
    let _ = office.is_open(u64::MAX);
    assert!(office.next_change_ms(u64::MAX).is_some());
}

#[test]
fn stored_as_its_text() {
    let office = schedule("mon-fri 08:00-18:00");
    let text = serde_json::to_string(&office).unwrap();
    assert_eq!(text, "\"mon-fri 08:00-18:00\"");
    assert_eq!(serde_json::from_str::<Schedule>(&text).unwrap(), office);
    assert!(serde_json::from_str::<Schedule>("\"never\"").is_err());
}

fn any_spans() -> impl Strategy<Value = Vec<Span>> {
    let span = (1u8..128, 0..DAY_MIN, 1..=DAY_MIN)
        .prop_filter("not empty", |&(_, from, to)| from != to)
        .prop_map(|(days, from_min, to_min)| Span {
            days,
            from_min,
            to_min,
        });
    proptest::collection::vec(span, 1..5)
}

/// Straight from the meaning of the spans: did one begin today or yesterday that is not over?
fn means_open(spans: &[Span], minute_of_week: u32) -> bool {
    let (day, minute) = (minute_of_week / DAY_MIN, minute_of_week % DAY_MIN);
    spans.iter().any(|span| {
        let over_night = span.to_min <= span.from_min;
        let began_today =
            span.has_day(day) && minute >= span.from_min && (over_night || minute < span.to_min);
        let began_yesterday = span.has_day((day + 6) % 7) && over_night && minute < span.to_min;
        began_today || began_yesterday
    })
}

proptest! {
    #[test]
    fn displayed_and_read_again_is_the_same(spans in any_spans()) {
        let schedule = Schedule::of(spans);
        prop_assert_eq!(&Schedule::parse(&schedule.to_string()).unwrap(), &schedule);
    }

    #[test]
    fn open_is_what_the_spans_mean(spans in any_spans(), minute in 0..WEEK_MIN, weeks in 0u64..3_000) {
        let schedule = Schedule::of(spans.clone());
        let unix_ms = MONDAY_MS % (u64::from(WEEK_MIN) * MINUTE_MS) + (weeks * u64::from(WEEK_MIN) + u64::from(minute)) * MINUTE_MS + 59_999;
        let open = schedule.is_open(unix_ms);
        prop_assert_eq!(open, means_open(&spans, minute));
        match schedule.next_change_ms(unix_ms) {
            None => prop_assert!(open && (0..WEEK_MIN).all(|m| means_open(&spans, m))),
            Some(next) => {
                prop_assert!(next > unix_ms);
                prop_assert_eq!(schedule.is_open(next), !open);
                let minutes = (next - unix_ms) / MINUTE_MS;
                prop_assert!((0..=minutes).all(|m| schedule.is_open(unix_ms + m * MINUTE_MS) == open));
            }
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[a-z0-9:;, -]{0,40}") {
        if let Ok(schedule) = Schedule::parse(&text) {
            prop_assert_eq!(Schedule::parse(&schedule.to_string()).unwrap(), schedule);
        }
    }
}
