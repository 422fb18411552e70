//! Fields that several operations share: names, endpoints, expiry.
//!
//! Invariant: a field that is wrong is refused with what would be right.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use troupe_core::key;

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

/// The time `text` (a duration such as `24h`) after `now_ms`. Milliseconds since the Unix epoch.
pub(super) fn after(what: &str, text: &str, now_ms: u64) -> Result<u64, OpError> {
    let after = text.parse::<HumanDuration>().ok();
    let at = after
        .and_then(|after| u64::try_from(after.get().as_millis()).ok())
        .filter(|after_ms| *after_ms > 0)
        .and_then(|after_ms| now_ms.checked_add(after_ms));
    // What cannot be shown as a date is not a date.
    at.filter(|at| timestamp(*at).is_some())
        .ok_or_else(|| OpError::invalid(format!("{what} is a duration such as 30m, 24h or 30d")))
}

/// `30d` after the first use, or `never`. In milliseconds.
pub(super) fn after_first_use(text: &str, now_ms: u64) -> Result<Option<u64>, OpError> {
    if text == "never" {
        return Ok(None);
    }
    // A use is never before now, so what is a date now is one then.
    let at = after("expires_after_first_use", text, now_ms)?;
    Ok(Some(at - now_ms))
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
    fn spans() {
        let now = 1_700_000_000_000;
        assert_eq!(after("grace", "24h", now), Ok(now + 86_400_000));
        assert_eq!(after_first_use("1h30m", now), Ok(Some(5_400_000)));
        assert_eq!(after_first_use("never", now), Ok(None));
        for text in ["", "0s", "30", "soon", "2027-01-31", "9999999999d"] {
            let refusal = after("grace", text, now).unwrap_err();
            assert!(refusal.message.starts_with("grace is a duration"), "{text}");
            assert!(after_first_use(text, now).is_err(), "{text}");
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
