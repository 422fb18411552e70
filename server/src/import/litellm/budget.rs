//! Limits of a key: LiteLLM's numbers under the names of the public contract.
//!
//! Invariant: a limit that is not carried over is told with its number; one of zero, which admits nothing, switches the
//! key off instead.

use std::collections::BTreeMap;

use serde_json::Number;

use super::super::fields::Fields;
use super::super::notes::Notes;

/// As LiteLLM has them: of a key, a team, a user or a shared budget.
#[derive(Clone, Debug, Default)]
pub(super) struct Budget {
    tokens_per_minute: Option<u64>,
    requests_per_minute: Option<u64>,
    parallel: Option<u64>,
    usd: Option<f64>,
    duration: Option<String>,
}

impl Budget {
    pub fn read(fields: &mut Fields<'_, '_>) -> Self {
        Self {
            tokens_per_minute: fields.count("tpm_limit"),
            requests_per_minute: fields.count("rpm_limit"),
            parallel: fields.count("max_parallel_requests"),
            usd: fields.number("max_budget"),
            duration: fields.text("budget_duration").map(str::to_owned),
        }
    }

    /// What this one does not say, `other` says.
    pub fn or(self, other: &Self) -> Self {
        let own_usd = self.usd.is_some();
        Self {
            tokens_per_minute: self.tokens_per_minute.or(other.tokens_per_minute),
            requests_per_minute: self.requests_per_minute.or(other.requests_per_minute),
            parallel: self.parallel.or(other.parallel),
            usd: self.usd.or(other.usd),
            duration: self
                .duration
                .or_else(|| other.duration.clone().filter(|_| !own_usd)),
        }
    }

    /// The limits of a key, and whether it may be used at all.
    pub fn into_limits(self, place: &str, notes: &Notes) -> (BTreeMap<String, Number>, bool) {
        let mut limits = BTreeMap::new();
        let counts = [
            ("tokens_per_minute", self.tokens_per_minute),
            ("requests_per_minute", self.requests_per_minute),
            ("concurrent", self.parallel),
        ];
        let mut zero = self.usd == Some(0.0);
        for (name, count) in counts {
            match count {
                Some(0) => zero = true,
                Some(count) => {
                    limits.insert(name.to_owned(), count.into());
                }
                None => {}
            }
        }
        if let Some((usd, number)) = self.usd.and_then(|usd| Some((usd, dollars(usd)?))) {
            let duration = self.duration.as_deref();
            let (window, why) = cap(usd, duration);
            limits.insert(format!("usd_per_{window}"), number);
            notes.taken(format!("{place}.max_budget"), why);
        }
        if zero {
            notes.taken(
                place,
                "has a limit of 0, which admits nothing: taken switched off",
            );
        }
        (limits, !zero)
    }

    /// For those whose limits stay behind: a sentence with every number.
    pub fn in_words(&self) -> Option<String> {
        let count = |name: &str, count: Option<u64>| count.map(|count| format!("{name} {count}"));
        let usd = self.usd.map(|usd| match &self.duration {
            Some(duration) => format!("max_budget {usd} USD in {}", in_words(duration)),
            None => format!("max_budget {usd} USD"),
        });
        let words: Vec<_> = [
            count("tpm_limit", self.tokens_per_minute),
            count("rpm_limit", self.requests_per_minute),
            count("max_parallel_requests", self.parallel),
            usd,
        ]
        .into_iter()
        .flatten()
        .collect();
        (!words.is_empty()).then(|| words.join(", "))
    }
}

/// To the micro-dollar, and at least that; `None` for nothing.
fn dollars(usd: f64) -> Option<Number> {
    let rounded = format!("{:.6}", usd.max(0.000_001)).parse().ok();
    rounded.filter(|_| usd > 0.0).and_then(Number::from_f64)
}

/// The window of a cap, and what is different there.
fn cap(usd: f64, duration: Option<&str>) -> (&'static str, String) {
    let Some(duration) = duration else {
        let why = format!(
            "{usd} USD for ever became usd_per_month: caps have a window here, so that it begins anew each month (UTC)"
        );
        return ("month", why);
    };
    match window(duration) {
        Some(Window { name, exact: true }) => {
            let why =
                format!("became usd_per_{name}, which counts by the calendar (UTC), from nothing");
            (name, why)
        }
        Some(Window { name, .. }) => {
            let why = format!(
                "{usd} USD in {} became usd_per_{name}, the nearest window, which counts by the calendar (UTC), from nothing",
                in_words(duration)
            );
            (name, why)
        }
        None => {
            let why = format!(
                "{usd} USD in {} became usd_per_month: its time could not be read; check it",
                in_words(duration)
            );
            ("month", why)
        }
    }
}

struct Window {
    name: &'static str,
    /// Is it as long? LiteLLM, too, resets by the calendar.
    exact: bool,
}

/// The calendar window nearest to `duration` (`60s`, `1h`, `45d`, `1mo`), by the ratio of their lengths.
fn window(duration: &str) -> Option<Window> {
    /// With the longest duration that is nearer to it than to the next, in seconds.
    const WINDOWS: [(&str, u64, u64); 5] = [
        ("minute", 60, 464),
        ("hour", 3_600, 17_636),
        ("day", 86_400, 228_592),
        ("week", 604_800, 1_252_036),
        ("month", 2_592_000, u64::MAX),
    ];
    let text = duration.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (count, unit) = text.split_at_checked(digits)?;
    let unit_s = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 604_800,
        "mo" => 2_592_000,
        _ => return None,
    };
    let seconds = count.parse::<u64>().ok()?.checked_mul(unit_s)?;
    let (name, length_s, _) = WINDOWS.into_iter().find(|(_, _, most)| seconds <= *most)?;
    Some(Window {
        name,
        exact: seconds == length_s,
    })
}

/// `45d`; anything that is no duration is not repeated.
fn in_words(duration: &str) -> &str {
    let is_duration = duration.len() <= 8
        && duration.starts_with(|first: char| first.is_ascii_digit())
        && duration.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_duration { duration } else { "some time" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_window_is_taken() {
        for (duration, name, exact) in [
            ("30s", "minute", false),
            ("60s", "minute", true),
            ("1m", "minute", true),
            ("30m", "hour", false),
            ("60m", "hour", true),
            ("12h", "day", false),
            ("24h", "day", true),
            ("2d", "day", false),
            ("3d", "week", false),
            (" 7d ", "week", true),
            ("1w", "week", true),
            ("14d", "week", false),
            ("15d", "month", false),
            ("30d", "month", true),
            ("1mo", "month", true),
            ("365d", "month", false),
        ] {
            let window = window(duration).unwrap();
            assert_eq!((window.name, window.exact), (name, exact), "{duration}");
        }
        for duration in [
            "",
            "d",
            "7",
            "7x",
            "monthly",
            "-1d",
            "99999999999999999999d",
        ] {
            assert!(window(duration).is_none(), "{duration}");
        }
    }

    #[test]
    fn dollars_are_rounded_to_what_is_counted() {
        for (usd, number) in [
            (100.0, Some(100.0)),
            (5.5, Some(5.5)),
            (0.123_456_78, Some(0.123_457)),
            (0.000_000_1, Some(0.000_001)),
            (0.0, None),
        ] {
            assert_eq!(dollars(usd).and_then(|number| number.as_f64()), number);
        }
    }
}
