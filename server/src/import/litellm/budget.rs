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
        let usd = self.usd.filter(|usd| *usd > 0.0);
        if let Some((usd, number)) = usd.and_then(|usd| Some((usd, Number::from_f64(usd)?))) {
            match self.duration.as_deref().map(window) {
                Some(Some(window)) => {
                    limits.insert(format!("usd_per_{window}"), number);
                    notes.taken(
                        format!("{place}.max_budget"),
                        format!("became usd_per_{window}, which counts by the calendar (UTC), from nothing"),
                    );
                }
                Some(None) => {
                    let duration = in_words(self.duration.as_deref().unwrap_or_default());
                    let why = format!(
                        "{usd} USD in {duration}: there is no such window here; set usd_per_day, usd_per_week or usd_per_month"
                    );
                    notes.left(format!("{place}.max_budget"), why);
                }
                None => {
                    let why =
                        format!("{usd} USD for ever: caps have a window here; set usd_per_month");
                    notes.left(format!("{place}.max_budget"), why);
                }
            }
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

/// The calendar window that is as long as `duration`: LiteLLM, too, resets by the calendar.
fn window(duration: &str) -> Option<&'static str> {
    match duration.trim() {
        "60s" | "1m" => Some("minute"),
        "60m" | "1h" => Some("hour"),
        "24h" | "1d" => Some("day"),
        "7d" | "1w" => Some("week"),
        "30d" | "1mo" => Some("month"),
        _ => None,
    }
}

/// `45d`; anything that is no duration is not repeated.
fn in_words(duration: &str) -> &str {
    let is_duration = duration.len() <= 8
        && duration.starts_with(|first: char| first.is_ascii_digit())
        && duration.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_duration { duration } else { "some time" }
}
