//! The error envelope of the Messages API, as it is sent and as it is read.
//!
//! Invariant: what the gateway sends has the published shape with optional additions; what an
//! upstream sends is read leniently and never refused.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

/// `{"type":"error","error":{"type","message"},"request_id", …}`.
#[derive(Debug, Clone, Serialize)]
pub struct ErrorEnvelope<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    pub error: ErrorBody<'a>,
    /// Seconds, the same as in the header of that name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// The limits that refused the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<&'a str>,
}

/// The member `error` of the envelope.
#[derive(Debug, Clone, Serialize)]
pub struct ErrorBody<'a> {
    /// Such as `invalid_request_error`; an open set.
    #[serde(rename = "type")]
    pub kind: &'a str,
    pub message: &'a str,
}

impl<'a> ErrorEnvelope<'a> {
    pub fn new(kind: &'a str, message: &'a str) -> Self {
        let error = ErrorBody { kind, message };
        Self {
            kind: "error",
            error,
            retry_after: None,
            limits: None,
            request_id: None,
        }
    }

    #[must_use]
    pub fn with_request_id(mut self, request_id: &'a str) -> Self {
        self.request_id = Some(request_id);
        self
    }

    #[must_use]
    pub fn with_retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    #[must_use]
    pub fn with_limits(mut self, limits: serde_json::Value) -> Self {
        self.limits = Some(limits);
        self
    }

    /// The envelope as JSON text.
    pub fn to_bytes(&self) -> Bytes {
        // Strings, integers and values with string keys always serialize.
        serde_json::to_vec(self)
            .map(Bytes::from)
            .unwrap_or_default()
    }
}

/// The event that ends a broken stream: `event: error` with an envelope as its data.
pub fn error_event(kind: &str, message: &str) -> Bytes {
    let mut event = b"event: error\ndata: ".to_vec();
    event.extend_from_slice(&ErrorEnvelope::new(kind, message).to_bytes());
    event.extend_from_slice(b"\n\n");
    Bytes::from(event)
}

/// The keep-alive event, as the service itself sends it.
pub fn ping_event() -> &'static [u8] {
    b"event: ping\ndata: {\"type\": \"ping\"}\n\n"
}

/// What an upstream's error body said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpstreamError {
    /// `error.type`; empty when absent.
    pub kind: String,
    /// `error.message`, or `error` itself where that is a string; empty when absent.
    pub message: String,
    /// `error.details.error_code`.
    pub error_code: Option<String>,
    /// `request_id`.
    pub request_id: Option<String>,
}

/// Reads an upstream's error body or the data of its `error` event. `None` when it is not a JSON
/// object with a member `error` (an HTML page of a proxy, an empty body).
pub fn read_error(body: &[u8]) -> Option<UpstreamError> {
    let outer: Outer<'_> = serde_json::from_slice(body).ok()?;
    let error = outer.error?;
    let mut read = UpstreamError {
        request_id: outer.request_id.0,
        ..Default::default()
    };
    if let Ok(inner) = serde_json::from_str::<Inner<'_>>(error.get()) {
        read.kind = inner.kind.0.unwrap_or_default();
        read.message = inner.message.0.unwrap_or_default();
        read.error_code = inner
            .details
            .and_then(|details| serde_json::from_str::<Details>(details.get()).ok())
            .and_then(|details| details.error_code.0);
    } else {
        read.message = text_of(error)?;
    }
    Some(read)
}

#[derive(Deserialize)]
struct Outer<'a> {
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(default)]
    request_id: Text,
}

#[derive(Deserialize)]
struct Inner<'a> {
    #[serde(rename = "type", default)]
    kind: Text,
    #[serde(default)]
    message: Text,
    #[serde(borrow, default)]
    details: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Details {
    #[serde(default)]
    error_code: Text,
}

/// A string, or nothing where the value is of another type or holds a lone surrogate.
#[derive(Default)]
pub(crate) struct Text(pub(crate) Option<String>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&RawValue>::deserialize(deserializer).map(|raw| Self(text_of(raw)))
    }
}

fn text_of(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_envelope_has_the_published_shape() {
        let limits = serde_json::json!({"requests": {"limit": 100, "remaining": 0}});
        let envelope = ErrorEnvelope::new("rate_limit_error", "slow \"down\"")
            .with_retry_after(23)
            .with_limits(limits)
            .with_request_id("req_01");
        let golden = include_str!("../golden/error_envelope.json");
        assert_eq!(envelope.to_bytes(), golden.trim_end().as_bytes());
    }

    #[test]
    fn events_of_our_own() {
        assert_eq!(
            error_event("api_error", "cut\n"),
            &b"event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"cut\\n\"}}\n\n"[..]
        );
        assert!(ping_event().ends_with(b"\n\n"));
    }

    #[test]
    fn upstream_errors_are_read_leniently() {
        let full = br#"{"type":"error","error":{"type":"rate_limit_error","message":"no",
            "details":{"error_code":"enforced_spend_limit_reached","x":[1]}},"request_id":"req_1"}"#;
        let read = read_error(full).unwrap();
        assert_eq!(
            (read.kind.as_str(), read.message.as_str()),
            ("rate_limit_error", "no")
        );
        assert_eq!(
            read.error_code.as_deref(),
            Some("enforced_spend_limit_reached")
        );
        assert_eq!(read.request_id.as_deref(), Some("req_1"));

        let odd = br#"{"error":{"type":7,"message":"\ud800","details":"x"},"request_id":null}"#;
        assert_eq!(read_error(odd), Some(UpstreamError::default()));
        assert_eq!(
            read_error(br#"{"error":"bad key"}"#).unwrap().message,
            "bad key"
        );
        for nothing in [
            "",
            "<html>",
            "[]",
            "{}",
            "{\"error\":null}",
            "{\"error\":{}",
        ] {
            assert_eq!(read_error(nothing.as_bytes()), None, "{nothing}");
        }
    }
}
