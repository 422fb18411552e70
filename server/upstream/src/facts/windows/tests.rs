use actix_http::header::{HeaderName, HeaderValue};
use proptest::prelude::*;

use super::*;

const NOW_MS: u64 = 1_772_000_000_000; // 2026-02-25T06:13:20Z
const HOUR_MS: u64 = 3_600_000;

fn limits(pairs: &[(&str, &str)]) -> RateLimits {
    let mut limits = RateLimits::default();
    for (name, value) in pairs {
        let name = format!("anthropic-ratelimit-{name}");
        limits.note(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_str(value).unwrap(),
        );
    }
    limits
}

/// Each window as `name[*] ppm[!]`: `*` for a model's, `!` for one that rejects; and whether there was nonsense.
fn shown(pairs: &[(&str, &str)]) -> (Vec<String>, bool) {
    let read = limits(pairs).windows(NOW_MS);
    let line = |window: &WindowFacts| {
        let of = if window.model_scoped { "*" } else { "" };
        let no = if window.rejected { "!" } else { "" };
        format!("{}{of} {}{no}", window.name, window.utilization_ppm)
    };
    (read.list.iter().map(line).collect(), read.nonsense)
}

#[test]
fn nothing_said_is_nothing_done() {
    let none = RateLimits::default();
    let read = none.windows(NOW_MS);
    assert_eq!(read, Windows::default());
    assert!(!read.list.spilled());
    assert_eq!(none.refused_for_ms(NOW_MS, HOUR_MS), None);
}

#[test]
fn windows_of_a_plan() {
    let read = limits(&[
        ("unified-status", "allowed_warning"),
        ("unified-reset", "1772003600"),
        ("unified-representative-claim", "five_hour"),
        ("unified-fallback-percentage", "0.5"),
        ("unified-5h-status", "allowed_warning"),
        ("unified-5h-reset", "1772003600"),
        ("unified-5h-utilization", "0.91"),
        ("unified-5h-surpassed-threshold", "0.9"),
        ("unified-7d-utilization", "0.25"),
        ("unified-7d-reset", "1772500000"),
        ("unified-7d-status", "allowed"),
        ("unified-7d_opus-status", "rejected"),
        ("unified-7d_opus-reset", "1772500000"),
        ("unified-7d_opus-utilization", "1.04"),
        ("unified-overage-status", "rejected"),
        ("unified-overage-utilization", "0.99"),
        ("unified-overage-disabled-reason", "out_of_credits"),
    ])
    .windows(NOW_MS);
    let window = |name, model_scoped, utilization_ppm, reset_ms, rejected| WindowFacts {
        name: WindowName::new(name).unwrap(),
        model_scoped,
        utilization_ppm,
        reset_ms: Some(reset_ms),
        rejected,
    };
    let expected = [
        window("5h", false, 910_000, NOW_MS + HOUR_MS, false),
        window("7d", false, 250_000, 1_772_500_000_000, false),
        window("7d_opus", true, 1_000_000, 1_772_500_000_000, true),
    ];
    assert_eq!(read.list.as_slice(), expected);
    assert!(!read.nonsense && !read.list.spilled());
}

#[test]
fn plain_limits() {
    let read = limits(&[
        ("tokens-limit", "200"),
        ("tokens-remaining", "50"),
        ("tokens-reset", "2026-02-25T07:13:20Z"),
        ("input-tokens-limit", "3"),
        ("input-tokens-remaining", "1"),
        ("input-tokens-reset", "2026-02-25T06:13:20.5Z"),
        ("output-tokens-limit", "18446744073709551615"),
        ("output-tokens-remaining", "0"),
        ("requests-limit", "10"),
        // It may have grown since.
        ("requests-remaining", "11"),
        ("requests-reset", "2026-02-25T06:13:19Z"),
        ("priority-tokens-limit", "7"),
        ("priority-tokens-remaining", "7"),
    ])
    .windows(NOW_MS);
    let seen: Vec<_> = read
        .list
        .iter()
        .map(|w| (w.name.to_string(), w.utilization_ppm, w.reset_ms))
        .collect();
    let expected = [
        ("requests", 0, None),
        ("tokens", 750_000, Some(NOW_MS + HOUR_MS)),
        ("input-tokens", 666_666, Some(NOW_MS + 500)),
        ("output-tokens", 1_000_000, None),
    ];
    assert_eq!(
        seen,
        expected.map(|(name, ppm, reset)| (name.to_owned(), ppm, reset))
    );
    assert!(read.list.iter().all(|w| w.model_scoped && !w.rejected));
    assert!(!read.nonsense);
}

#[test]
fn names_are_an_open_set() {
    let long = "unified-abcdefghijklmnopqrstuvwx-utilization";
    let longer = "unified-abcdefghijklmnopqrstuvwxy-utilization";
    for (name, expected, nonsense) in [
        (
            "unified-7d-opus-utilization",
            Some("7d-opus* 500000"),
            false,
        ),
        ("unified-7d_oi-utilization", Some("7d_oi* 500000"), false),
        ("unified-30d-utilization", Some("30d 500000"), false),
        ("unified-weekly-utilization", Some("weekly 500000"), false),
        (long, Some("abcdefghijklmnopqrstuvwx 500000"), false),
        (longer, None, true),
        ("unified-a.b-utilization", None, true),
        ("unified--utilization", None, true),
        ("unified-utilization", None, false),
        ("unified-7d-speed", None, false),
        ("other-7d-utilization", None, false),
    ] {
        let expected: Vec<_> = expected.into_iter().map(str::to_owned).collect();
        assert_eq!(shown(&[(name, "0.5")]), (expected, nonsense), "{name}");
    }
}

#[test]
fn utilization_is_a_fraction_or_a_percentage() {
    for (value, ppm, nonsense) in [
        ("0", Some(0), false),
        ("0.0", Some(0), false),
        (" .25 ", Some(250_000), false),
        ("1", Some(1_000_000), false),
        ("1.07", Some(1_000_000), false),
        ("2", Some(20_000), false),
        ("75.5", Some(755_000), false),
        ("100", Some(1_000_000), false),
        ("130", Some(1_000_000), false),
        ("1%", Some(10_000), false),
        ("1000000", Some(1_000_000), false),
        ("1000001", None, true),
        ("-0.1", None, true),
        ("NaN", None, true),
        ("inf", None, true),
        ("1e300", None, true),
        ("", None, true),
        ("half", None, true),
        ("0,5", None, true),
    ] {
        let expected: Vec<_> = ppm.map(|ppm| format!("5h {ppm}")).into_iter().collect();
        let got = shown(&[("unified-5h-utilization", value)]);
        assert_eq!(got, (expected, nonsense), "{value:?}");
    }
    // One answer speaks in one way.
    let (both, _) = shown(&[
        ("unified-5h-utilization", "1.5"),
        ("unified-7d-utilization", "40"),
    ]);
    assert_eq!(both, ["5h 15000", "7d 400000"]);
    // A window that rejects is full, whatever it does not say.
    let (bare, _) = shown(&[
        ("unified-5h-status", "rejected"),
        ("unified-7d-status", "allowed"),
    ]);
    assert_eq!(bare, ["5h 1000000!"]);
}

#[test]
fn resets_lie_ahead() {
    for (value, ahead_ms, nonsense) in [
        ("1772003600", Some(HOUR_MS), false),
        ("2026-02-25T07:13:20Z", Some(HOUR_MS), false),
        ("2026-02-25T07:13:20+00:00", Some(HOUR_MS), false),
        ("1772000000", None, false),
        ("1771999999", None, false),
        // The window before the last.
        ("1768000000", None, true),
        ("0", None, true),
        ("3600", None, true),
        // Milliseconds where seconds are expected.
        ("1772003600000", None, true),
        ("1775456000", Some(RESET_MAX_MS), false),
        ("1775456001", None, true),
        ("99999999999999999999999999", None, true),
        ("-5", None, true),
        ("1772003600.5", None, true),
        ("soon", None, true),
        ("", None, true),
    ] {
        let read = limits(&[
            ("unified-5h-utilization", "0.5"),
            ("unified-5h-reset", value),
        ])
        .windows(NOW_MS);
        let reset_ms = ahead_ms.map(|ahead_ms| NOW_MS + ahead_ms);
        assert_eq!(read.list[0].reset_ms, reset_ms, "{value}");
        assert_eq!(read.nonsense, nonsense, "{value}");
    }
}

#[test]
fn nonsense_in_plain_limits_is_left_out() {
    for (limit, remaining, nonsense) in [
        ("0", "0", true),
        ("-1", "0", true),
        ("10", "-1", true),
        ("10", "many", true),
        ("1e3", "1", true),
        ("", "", true),
    ] {
        let got = shown(&[("tokens-limit", limit), ("tokens-remaining", remaining)]);
        assert_eq!(got, (Vec::new(), nonsense), "{limit} {remaining}");
    }
    assert_eq!(shown(&[("tokens-limit", "10")]), (Vec::new(), false));
}

#[test]
fn a_models_window_scopes_the_refusal() {
    for (pairs, scoped) in [
        (&[][..], false),
        (&[("unified-status", "rejected")], false),
        (
            &[
                ("unified-status", "rejected"),
                ("unified-7d_opus-status", "rejected"),
            ],
            true,
        ),
        (
            &[
                ("unified-7d_opus-status", "rejected"),
                ("unified-7d-status", "allowed"),
            ],
            true,
        ),
        (
            &[
                ("unified-7d_opus-status", "rejected"),
                ("unified-7d-status", "rejected"),
            ],
            false,
        ),
        (
            &[
                ("unified-7d_opus-status", "rejected"),
                ("unified-5h-status", "rejected"),
            ],
            false,
        ),
        (
            &[
                ("unified-7d_opus-status", "allowed"),
                ("unified-status", "rejected"),
            ],
            false,
        ),
        // An account without pay beyond its plan says so in each answer.
        (
            &[
                ("unified-7d_opus-status", "rejected"),
                ("unified-overage-status", "rejected"),
            ],
            true,
        ),
        (&[("unified-overage-status", "rejected")], false),
        (&[("unified-7d_opus-reset", "rejected")], false),
    ] {
        assert_eq!(limits(pairs).is_model_scoped(), scoped, "{pairs:?}");
    }
}

#[test]
fn there_are_so_many_windows_and_no_more() {
    let names: Vec<_> = (0..100)
        .map(|n| format!("unified-{n}d-utilization"))
        .collect();
    let pairs: Vec<_> = names.iter().map(|name| (name.as_str(), "0.5")).collect();
    let read = limits(&pairs).windows(NOW_MS);
    assert_eq!((read.list.len(), read.nonsense), (WINDOWS_MAX, true));
}

proptest! {
    #[test]
    fn whatever_is_said(pairs in prop::collection::vec((
        "(unified-)?(5h|7d|7d_opus|tokens|[a-z0-9_.-]{0,30})-(status|utilization|reset|limit|remaining)",
        "(rejected|[0-9]{0,22}|-?[0-9.e%]{0,12}|[ -~]{0,30})",
    ), 0..12), now_ms in 0..4_000_000_000_000u64) {
        let pairs: Vec<_> = pairs.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        let read = limits(&pairs);
        for window in read.windows(now_ms).list {
            prop_assert!(window.utilization_ppm <= FULL_PPM);
            prop_assert!(window.reset_ms.is_none_or(|at| at > now_ms && at - now_ms <= RESET_MAX_MS));
            prop_assert_eq!(WindowName::new(window.name.as_str()), Some(window.name));
        }
        prop_assert!(read.refused_for_ms(now_ms, HOUR_MS).is_none_or(|ms| (1..=HOUR_MS).contains(&ms)));
    }
}
