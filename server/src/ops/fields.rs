//! Fields that several operations share: names, limits, endpoints, expiry.
//!
//! Invariant: a field that is wrong is refused with what would be right.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Number;
use troupe_core::key;
use troupe_core::limit::{LimitName, LimitRule, LimitSet, Own};

use super::OpError;
use crate::config::HumanDuration;

const LABEL_MAX_BYTES: usize = 256;

/// Names are typed, and stand in paths: 1–64 of `[A-Za-z0-9._-]`, the first a letter or digit.
pub(super) fn check_name(what: &str, name: &str) -> Result<(), OpError> {
    let letters = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    let starts = name.starts_with(|first: char| first.is_ascii_alphanumeric());
    if letters && starts && name.len() <= 64 {
        return Ok(());
    }
    Err(OpError::invalid(format!(
        "a name of {what} has 1 to 64 letters, digits, `.`, `_` or `-`, and begins with a letter or digit"
    )))
}

/// An owner or a group; an empty one is none.
pub(super) fn label(what: &str, text: &str) -> Result<Option<Arc<str>>, OpError> {
    if text.len() <= LABEL_MAX_BYTES && !text.contains(char::is_control) {
        return Ok(Some(text.into()).filter(|_| !text.is_empty()));
    }
    Err(OpError::invalid(format!(
        "the {what} has at most {LABEL_MAX_BYTES} bytes and no control characters"
    )))
}

/// Limits by name; `null` removes one.
pub type Limits = BTreeMap<String, Option<Number>>;

/// Every name of a limit (CONTRACT §4).
fn limit_names() -> impl Iterator<Item = String> {
    const DIMENSIONS: [&str; 5] = ["requests", "input_tokens", "output_tokens", "tokens", "usd"];
    const WINDOWS: [&str; 5] = ["minute", "hour", "day", "week", "month"];
    let windowed = DIMENSIONS
        .iter()
        .flat_map(|dimension| WINDOWS.map(|window| format!("{dimension}_per_{window}")));
    windowed.chain(["concurrent".to_owned()])
}

/// `limits` over `stands`. Of the names only `concurrent` has a meaning in this version.
pub(super) fn apply_limits(stands: LimitSet, limits: Limits) -> Result<LimitSet, OpError> {
    let mut result = stands;
    for (name, value) in limits {
        if !limit_names().any(|known| known == name) {
            let near = did_you_mean(&name, limit_names());
            return Err(OpError::invalid(format!(
                "there is no limit `{name}`{near}"
            )));
        }
        if name != "concurrent" {
            return Err(OpError::not_available(format!("the limit `{name}`")));
        }
        match value {
            Some(value) => {
                let rule = LimitRule::of(concurrent(&value)?.into());
                result.all.insert(LimitName::Concurrent, Own::Is(rule));
            }
            None => drop(result.all.remove(&LimitName::Concurrent)),
        }
    }
    Ok(result)
}

fn concurrent(value: &Number) -> Result<u32, OpError> {
    let value = value.as_u64().and_then(|value| u32::try_from(value).ok());
    check_concurrent(value.unwrap_or_default())
}

pub(super) fn check_concurrent(value: u32) -> Result<u32, OpError> {
    if value == 0 || value == u32::MAX {
        return Err(OpError::invalid("`concurrent` is a whole number from 1 up"));
    }
    Ok(value)
}

fn did_you_mean(written: &str, known: impl Iterator<Item = String>) -> String {
    known
        .map(|name| (strsim::damerau_levenshtein(written, &name), name))
        .min()
        .filter(|(distance, _)| *distance <= (written.len() / 3).max(1))
        .map(|(_, name)| format!("; did you mean `{name}`?"))
        .unwrap_or_default()
}

/// `"all"`, `"default"`, or a list of paths.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Endpoints {
    Word(String),
    Paths(Vec<String>),
}

impl From<&key::Endpoints> for Endpoints {
    fn from(endpoints: &key::Endpoints) -> Self {
        match endpoints {
            key::Endpoints::Default => Self::Word("default".into()),
            key::Endpoints::All => Self::Word("all".into()),
            key::Endpoints::Only(paths) => Self::Paths(paths.clone()),
        }
    }
}

impl TryFrom<Endpoints> for key::Endpoints {
    type Error = OpError;

    fn try_from(endpoints: Endpoints) -> Result<Self, OpError> {
        match endpoints {
            Endpoints::Word(word) if word == "default" => Ok(Self::Default),
            Endpoints::Word(word) if word == "all" => Ok(Self::All),
            Endpoints::Paths(paths)
                if !paths.is_empty() && paths.iter().all(|path| is_endpoint(path)) =>
            {
                Ok(Self::Only(paths))
            }
            _ => Err(OpError::invalid(
                "endpoints are `all`, `default`, or paths that begin with /v1/ (such as /v1/files)",
            )),
        }
    }
}

fn is_endpoint(path: &str) -> bool {
    let rest = path.strip_prefix("/v1/").unwrap_or_default();
    !rest.is_empty() && rest.len() <= 256 && rest.bytes().all(|byte| byte.is_ascii_graphic())
}

/// `30d` from now, an RFC 3339 time, a date (its first moment in UTC), or `never`. Milliseconds since the Unix epoch.
pub(super) fn expiry(text: &str, now_ms: u64) -> Result<Option<u64>, OpError> {
    if text == "never" {
        return Ok(None);
    }
    let at = match (text.parse::<HumanDuration>(), text.parse::<Timestamp>()) {
        (Ok(after), _) => u64::try_from(after.get().as_millis())
            .ok()
            .and_then(|after| now_ms.checked_add(after)),
        (_, Ok(at)) => u64::try_from(at.as_millisecond()).ok(),
        _ => midnight(text),
    };
    // What cannot be shown as a date is not a date.
    let at = at.filter(|at| timestamp(*at).is_some()).ok_or_else(|| {
        OpError::invalid(
            "expires is `never`, a duration such as 30d, or a time such as 2027-01-31T12:00:00Z",
        )
    })?;
    if at <= now_ms {
        return Err(OpError::invalid("expires lies in the past"));
    }
    Ok(Some(at))
}

fn midnight(text: &str) -> Option<u64> {
    let date = text
        .parse::<jiff::civil::Date>()
        .ok()
        .filter(|_| text.len() == 10)?;
    let midnight = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    u64::try_from(midnight.timestamp().as_millisecond()).ok()
}

/// For people and programs: RFC 3339.
pub(super) fn timestamp(unix_ms: u64) -> Option<Timestamp> {
    Timestamp::from_millisecond(i64::try_from(unix_ms).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let longest = "a".repeat(64);
        for (name, good) in [
            ("ci", true),
            ("A.b_c-9", true),
            (&longest, true),
            ("", false),
            (".", false),
            ("-x", false),
            ("a b", false),
            ("a/b", false),
            ("ä", false),
            (&format!("{longest}a"), false),
        ] {
            assert_eq!(check_name("a key", name).is_ok(), good, "{name}");
        }
    }

    #[test]
    fn limits_are_applied_removed_or_explained() {
        let four = Some(Number::from(4));
        let apply = |name: &str, value: Option<Number>| {
            let stands = LimitSet::of_concurrent(Some(9));
            apply_limits(stands, [(name.to_owned(), value)].into())
                .map(|limits| limits.concurrent())
                .map_err(|error| error.message)
        };
        assert_eq!(apply("concurrent", four.clone()), Ok(Some(4)));
        assert_eq!(apply("concurrent", None), Ok(None));
        for (name, value, said) in [
            ("concurrent", Some(Number::from(0)), "from 1 up"),
            ("concurrent", Number::from_f64(1.5), "from 1 up"),
            (
                "requests_per_minute",
                four.clone(),
                "not available in this version",
            ),
            (
                "usd_per_month",
                four.clone(),
                "not available in this version",
            ),
            ("concurent", four.clone(), "did you mean `concurrent`?"),
            (
                "request_per_minute",
                four.clone(),
                "did you mean `requests_per_minute`?",
            ),
        ] {
            let refusal = apply(name, value).unwrap_err();
            assert!(refusal.contains(said), "{name}: {refusal}");
        }
        assert_eq!(
            apply("colour", four).unwrap_err(),
            "there is no limit `colour`"
        );
    }

    #[test]
    fn expiries() {
        let now = 1_700_000_000_000;
        assert_eq!(expiry("30d", now), Ok(Some(now + 30 * 86_400_000)));
        assert_eq!(expiry("never", now), Ok(None));
        assert_eq!(expiry("2027-01-31", now), Ok(Some(1_801_353_600_000)));
        assert_eq!(
            expiry("2027-01-31T00:00:01Z", now),
            Ok(Some(1_801_353_601_000))
        );
        for text in [
            "",
            "30",
            "soon",
            "0s",
            "2020-01-01",
            "2027-13-01",
            "99999999999999999d",
            "9999999999d",
        ] {
            assert!(expiry(text, now).is_err(), "{text}");
        }
    }

    #[test]
    fn endpoints_have_the_forms_of_the_configuration() {
        let read = |json: &str| {
            let written: Endpoints = serde_json::from_str(json).unwrap();
            key::Endpoints::try_from(written)
        };
        assert_eq!(read(r#""all""#), Ok(key::Endpoints::All));
        assert_eq!(read(r#""default""#), Ok(key::Endpoints::Default));
        assert_eq!(
            read(r#"["/v1/files"]"#),
            Ok(key::Endpoints::Only(vec!["/v1/files".into()]))
        );
        for json in [
            r#""some""#,
            "[]",
            r#"["/v1/"]"#,
            r#"["/admin"]"#,
            r#"["/v1/a b"]"#,
        ] {
            assert!(read(json).is_err(), "{json}");
        }
    }
}
