//! What an answer's headers say, noted while they are filtered.
//!
//! Invariant: garbage is `None`, never an error and never a long pause: `retry-after` is bounded to eight days.

mod windows;

use actix_http::header::{HeaderName, HeaderValue};

pub use self::windows::{WindowFacts, WindowName, Windows};

/// `retry-after` beyond this is cut to it.
pub const RETRY_AFTER_MAX_MS: u64 = 8 * 24 * 3600 * 1000;

/// How an answer's body is coded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Coding {
    #[default]
    Identity,
    Gzip,
    Deflate,
    Brotli,
    /// One that is not spoken here, or several.
    Other,
}

/// Facts of one answer's head.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The upstream's `request-id`.
    pub request_id: Option<HeaderValue>,
    pub content_type: Option<HeaderValue>,
    /// Of the body as it is handed over; `None` when unknown, or decoded here.
    pub content_length: Option<u64>,
    /// From when the answer came, at most [`RETRY_AFTER_MAX_MS`].
    pub retry_after_ms: Option<u64>,
    /// `retry-after` was cut or left out, as it cannot be what it says; worth a line in the log.
    pub retry_after_is_nonsense: bool,
    /// `x-should-retry`.
    pub should_retry: Option<bool>,
    pub rate_limits: RateLimits,
    pub(crate) coding: Coding,
}

// === impl Facts ===

impl Facts {
    /// Is the body a stream of events?
    #[must_use]
    pub fn is_event_stream(&self) -> bool {
        self.content_type.as_ref().is_some_and(|value| {
            let kind = value
                .as_bytes()
                .split(|byte| *byte == b';')
                .next()
                .unwrap_or_default();
            kind.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
        })
    }

    pub(crate) fn note(&mut self, name: &str, value: &HeaderValue, now_ms: u64) {
        match name {
            "request-id" => self.request_id = Some(value.clone()),
            "content-type" => self.content_type = Some(value.clone()),
            "content-length" => self.content_length = text(value).trim().parse().ok(),
            "content-encoding" => self.coding = self.coding.and(value),
            "retry-after" => self.note_retry_after(text(value), now_ms),
            "x-should-retry" => self.should_retry = text(value).trim().parse().ok(),
            _ => {}
        }
    }

    /// Of several the longest counts.
    fn note_retry_after(&mut self, value: &str, now_ms: u64) {
        let read = retry_after_ms(value, now_ms);
        self.retry_after_is_nonsense |= read.is_none_or(|read| read > RETRY_AFTER_MAX_MS);
        let bounded = read.map(|read| read.min(RETRY_AFTER_MAX_MS));
        self.retry_after_ms = self.retry_after_ms.max(bounded);
    }
}

// === impl Coding ===

impl Coding {
    fn and(self, value: &HeaderValue) -> Self {
        let one = match text(value).trim().to_ascii_lowercase().as_str() {
            "" | "identity" => return self,
            "gzip" | "x-gzip" => Self::Gzip,
            "deflate" => Self::Deflate,
            "br" => Self::Brotli,
            _ => Self::Other,
        };
        if self == Self::Identity {
            one
        } else {
            Self::Other
        }
    }
}

fn text(value: &HeaderValue) -> &str {
    value.to_str().unwrap_or_default()
}

/// Seconds or an HTTP date (RFC 9110 §10.2.3) as milliseconds from now.
pub(crate) fn retry_after_ms(value: &str, now_ms: u64) -> Option<u64> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // Digits that do not fit are a number too large, like any other.
        let seconds = value.parse::<u64>().unwrap_or(u64::MAX);
        return Some(seconds.saturating_mul(1000));
    }
    let at = jiff::fmt::rfc2822::DateTimeParser::new()
        .parse_timestamp(value)
        .ok()?;
    let at_ms = u64::try_from(at.as_millisecond()).ok()?;
    Some(at_ms.saturating_sub(now_ms))
}

/// The `anthropic-ratelimit-*` headers of one answer, parsed when asked.
#[derive(Clone, Debug, Default)]
pub struct RateLimits(Vec<(HeaderName, HeaderValue)>);

// === impl RateLimits ===

impl RateLimits {
    const PREFIX: &str = "anthropic-ratelimit-";

    /// Is a header of this name one of them?
    pub(crate) fn has(name: &str) -> bool {
        name.starts_with(Self::PREFIX)
    }

    /// Takes one of them.
    pub(crate) fn note(&mut self, name: HeaderName, value: HeaderValue) {
        self.0.push((name, value));
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each header after the common prefix with its value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (&name.as_str()[Self::PREFIX.len()..], text(value).trim()))
    }

    /// By the header's name after the common prefix, such as `unified-5h-utilization`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read() {
        let now_ms = 784_111_777_000; // Sun, 06 Nov 1994 08:49:37 GMT
        for (value, ms) in [
            ("0", Some(0)),
            ("23", Some(23_000)),
            (" 5 ", Some(5_000)),
            ("1555200", Some(1_555_200_000)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("Sun, 06 Nov 1994 08:50:07 GMT", Some(30_000)),
            ("Sun, 06 Nov 1994 08:49:00 GMT", Some(0)),
            ("Sat, 06 Nov 2094 08:49:37 GMT", Some(3_155_760_000_000)),
            ("", None),
            ("-5", None),
            ("1.5", None),
            ("soon", None),
            ("12s", None),
            ("2026-02-24T10:00:00Z", None),
        ] {
            assert_eq!(retry_after_ms(value, now_ms), ms, "{value:?}");
        }
    }

    #[test]
    fn retry_after_is_bounded_and_the_longest_counts() {
        for (values, ms, nonsense) in [
            (&["7"][..], Some(7_000), false),
            (&["7", "9", "8"], Some(9_000), false),
            (&["7", "soon"], Some(7_000), true),
            (&["soon", "7"], Some(7_000), true),
            (&["691200"], Some(RETRY_AFTER_MAX_MS), false),
            // Eighteen days.
            (&["1555200"], Some(RETRY_AFTER_MAX_MS), true),
            (&["99999999999999999999999"], Some(RETRY_AFTER_MAX_MS), true),
            (&["-1"], None, true),
            (&[], None, false),
        ] {
            let mut facts = Facts::default();
            for value in values {
                let value = HeaderValue::from_static(value);
                facts.note("retry-after", &value, 0);
            }
            assert_eq!(facts.retry_after_ms, ms, "{values:?}");
            assert_eq!(facts.retry_after_is_nonsense, nonsense, "{values:?}");
        }
    }

    fn limits(pairs: &[(&'static str, &'static str)]) -> RateLimits {
        let mut facts = Facts::default();
        for &(name, value) in pairs {
            let (name, value) = (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
            if RateLimits::has(name.as_str()) {
                facts.rate_limits.note(name, value);
            }
        }
        facts.rate_limits
    }

    #[test]
    fn limits_are_parsed_when_asked() {
        let read = limits(&[
            ("anthropic-ratelimit-tokens-limit", "100"),
            ("anthropic-ratelimit-tokens-remaining", "7"),
            ("anthropic-ratelimit-tokens-reset", "1970-01-01T00:01:00Z"),
            ("anthropic-ratelimit-input-tokens-limit", "9"),
            ("anthropic-ratelimit-unified-5h-utilization", "0.5"),
            ("x-other", "1"),
        ]);
        assert_eq!(read.get("unified-5h-utilization"), Some("0.5"));
        assert_eq!(read.get("tokens-remaining"), Some("7"));
        assert_eq!(read.get("input-tokens-remaining"), None);
        assert_eq!(read.iter().count(), 5);
    }

    #[test]
    fn event_streams_are_recognised() {
        for (value, is) in [
            ("text/event-stream", true),
            ("Text/Event-Stream; charset=utf-8", true),
            ("application/json", false),
            ("text/event-streams", false),
        ] {
            let facts = Facts {
                content_type: Some(HeaderValue::from_static(value)),
                ..Facts::default()
            };
            assert_eq!(facts.is_event_stream(), is, "{value}");
        }
        assert!(!Facts::default().is_event_stream());
    }
}
