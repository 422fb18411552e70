//! The only mapping from what can go wrong to what a client is told.
//!
//! Invariant: every own error is the Messages envelope with a status of the contract's table; no text holds a secret;
//! an answer whose `retry-after` is above a minute tells SDKs not to sleep on it.

use std::borrow::Cow;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use serde_json::json;
use troupe_core::RequestId;
use troupe_wire::error::ErrorEnvelope;

use crate::config::limits::ErrorShape;

const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
const NO: HeaderValue = HeaderValue::from_static("false");
/// SDKs sleep in silence for as long as `retry-after` says; above this they are told not to.
const LONGEST_SLEEP_S: u64 = 60;

/// What went wrong, as the gateway itself says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// No, unknown, revoked or expired key.
    Credential(Cow<'static, str>),
    /// Model or endpoint not allowed; never worth a retry.
    NotAllowed(String),
    /// What the key may not see.
    Forbidden(String),
    /// Malformed body, path or query.
    Invalid(String),
    BodyTooLarge {
        limit_bytes: u64,
    },
    NotFound(String),
    Method {
        allow: &'static str,
    },
    /// No slot of the key came free in time.
    Concurrent {
        limit: u32,
        key: String,
    },
    QueueFull {
        key: String,
    },
    /// Every account is cooling down.
    Throttled {
        for_ms: u64,
    },
    /// No account can serve.
    NoAccount {
        why: String,
        retry_after_s: Option<u64>,
    },
    Unreachable(String),
    TimedOut(&'static str),
    /// The gateway itself is full.
    Overloaded(&'static str),
    /// The gateway's own store did not answer.
    Store(String),
    /// The web surface's word about the request, in the shape of the Messages API.
    Web {
        status: StatusCode,
        kind: &'static str,
        message: String,
    },
}

impl Problem {
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Credential(_) => StatusCode::UNAUTHORIZED,
            Self::NotAllowed(_) | Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::Concurrent { .. } | Self::QueueFull { .. } | Self::Throttled { .. } => {
                StatusCode::TOO_MANY_REQUESTS
            }
            Self::NoAccount { .. } | Self::Overloaded(_) | Self::Store(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Unreachable(_) => StatusCode::BAD_GATEWAY,
            Self::TimedOut(_) => StatusCode::GATEWAY_TIMEOUT,
            Self::Web { status, .. } => *status,
        }
    }

    /// `error.type` of the envelope.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Credential(_) => "authentication_error",
            Self::NotAllowed(_) | Self::Invalid(_) | Self::Method { .. } => "invalid_request_error",
            Self::Forbidden(_) => "permission_error",
            Self::BodyTooLarge { .. } => "request_too_large",
            Self::NotFound(_) => "not_found_error",
            Self::Concurrent { .. } | Self::QueueFull { .. } | Self::Throttled { .. } => {
                "rate_limit_error"
            }
            Self::NoAccount { .. }
            | Self::Overloaded(_)
            | Self::Store(_)
            | Self::Unreachable(_) => "api_error",
            Self::TimedOut(_) => "timeout_error",
            Self::Web { kind, .. } => kind,
        }
    }

    #[must_use]
    pub fn message(&self) -> Cow<'_, str> {
        match self {
            Self::Credential(text) => Cow::Borrowed(text),
            Self::NotAllowed(text)
            | Self::Forbidden(text)
            | Self::Invalid(text)
            | Self::NotFound(text)
            | Self::Web { message: text, .. } => Cow::Borrowed(text),
            Self::BodyTooLarge { limit_bytes } => format!(
                "the request body is larger than the {limit_bytes} bytes this gateway takes"
            )
            .into(),
            Self::Method { allow } => format!("this path takes {allow}").into(),
            Self::Concurrent { limit, key } => format!(
                "Rate limit exceeded: {limit} concurrent requests for key {key}; retry in 1 s"
            )
            .into(),
            Self::QueueFull { key } => format!(
                "Rate limit exceeded: too many requests of key {key} are waiting; retry in 1 s"
            )
            .into(),
            Self::Throttled { for_ms } => format!(
                "every account is throttled by its upstream; retry in {} s",
                seconds(*for_ms)
            )
            .into(),
            Self::NoAccount { why, .. } => format!("no account available: {why}").into(),
            Self::Unreachable(why) => format!("the upstream could not be reached: {why}").into(),
            Self::TimedOut(what) => format!("the upstream did not answer in time ({what})").into(),
            Self::Overloaded(what) => {
                format!("the gateway is overloaded ({what}); retry shortly").into()
            }
            // Where it is and what it says of itself is the operator's alone: see `detail`.
            Self::Store(_) => "the gateway's store did not answer; retry shortly".into(),
        }
    }

    /// For the row of the log: the message, with what clients are not told.
    #[must_use]
    pub fn detail(&self) -> Cow<'_, str> {
        match self {
            Self::Store(why) => format!("the gateway's store did not answer: {why}").into(),
            other => other.message(),
        }
    }

    fn retry_after_s(&self) -> Option<u64> {
        match self {
            Self::Concurrent { .. }
            | Self::QueueFull { .. }
            | Self::Overloaded(_)
            | Self::Store(_) => Some(1),
            Self::Throttled { for_ms } => Some(seconds(*for_ms)),
            Self::NoAccount { retry_after_s, .. } => *retry_after_s,
            _ => None,
        }
    }

    fn should_not_retry(&self) -> bool {
        match self {
            Self::Credential(_) | Self::NotAllowed(_) | Self::Forbidden(_) => true,
            Self::NoAccount {
                retry_after_s: None,
                ..
            } => true,
            other => other.retry_after_s().is_some_and(|s| s > LONGEST_SLEEP_S),
        }
    }

    /// The answer, without the headers that every answer carries.
    #[must_use]
    pub fn answer(&self, id: RequestId, shape: ErrorShape) -> HttpResponse {
        let mut response = HttpResponse::build(self.status());
        response.insert_header((CONTENT_TYPE, HeaderValue::from_static("application/json")));
        if let Some(seconds) = self.retry_after_s() {
            response.insert_header((RETRY_AFTER, HeaderValue::from(seconds)));
        }
        if self.should_not_retry() {
            response.insert_header((SHOULD_RETRY, NO));
        }
        if let Self::Method { allow } = self {
            response.insert_header((ALLOW, HeaderValue::from_static(allow)));
        }
        response.body(self.body(id, shape))
    }

    fn body(&self, id: RequestId, shape: ErrorShape) -> bytes::Bytes {
        let (message, id) = (self.message(), id.to_string());
        let limits = match self {
            Self::Concurrent { limit, .. } => {
                Some(json!({"concurrent": {"limit": limit, "remaining": 0}}))
            }
            _ => None,
        };
        if shape == ErrorShape::Roadmap && self.kind() == "rate_limit_error" {
            let mut body = json!({"type": "error", "error": "Rate limit exceeded", "retry_after": self.retry_after_s(), "request_id": id});
            if let (Some(limits), Some(body)) = (limits, body.as_object_mut()) {
                body.insert("limits".into(), limits);
            }
            return body.to_string().into();
        }
        let mut envelope = ErrorEnvelope::new(self.kind(), &message).with_request_id(&id);
        if let Some(seconds) = self.retry_after_s() {
            envelope = envelope.with_retry_after(seconds);
        }
        if let Some(limits) = limits {
            envelope = envelope.with_limits(limits);
        }
        envelope.to_bytes()
    }
}

/// Whole seconds until then, never zero.
fn seconds(ms: u64) -> u64 {
    ms.div_ceil(1_000).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> RequestId {
        RequestId(uuid::Uuid::from_u128(1))
    }

    #[test]
    fn the_table_of_the_contract() {
        let credential = Problem::Credential("invalid key".into());
        let none = Problem::NoAccount {
            why: "all disabled".into(),
            retry_after_s: None,
        };
        let table = [
            (credential, 401, "authentication_error", None, true),
            (
                Problem::NotAllowed("m".into()),
                400,
                "invalid_request_error",
                None,
                true,
            ),
            (
                Problem::Forbidden("m".into()),
                403,
                "permission_error",
                None,
                true,
            ),
            (
                Problem::Invalid("m".into()),
                400,
                "invalid_request_error",
                None,
                false,
            ),
            (
                Problem::BodyTooLarge { limit_bytes: 1 },
                413,
                "request_too_large",
                None,
                false,
            ),
            (
                Problem::NotFound("m".into()),
                404,
                "not_found_error",
                None,
                false,
            ),
            (
                Problem::Method { allow: "POST" },
                405,
                "invalid_request_error",
                None,
                false,
            ),
            (
                Problem::Concurrent {
                    limit: 1,
                    key: "k".into(),
                },
                429,
                "rate_limit_error",
                Some("1"),
                false,
            ),
            (
                Problem::QueueFull { key: "k".into() },
                429,
                "rate_limit_error",
                Some("1"),
                false,
            ),
            (
                Problem::Throttled { for_ms: 22_001 },
                429,
                "rate_limit_error",
                Some("23"),
                false,
            ),
            (
                Problem::Throttled { for_ms: 61_000 },
                429,
                "rate_limit_error",
                Some("61"),
                true,
            ),
            (none, 503, "api_error", None, true),
            (
                Problem::Unreachable("m".into()),
                502,
                "api_error",
                None,
                false,
            ),
            (
                Problem::TimedOut("first event"),
                504,
                "timeout_error",
                None,
                false,
            ),
            (
                Problem::Overloaded("bodies"),
                503,
                "api_error",
                Some("1"),
                false,
            ),
        ];
        for (problem, status, kind, retry_after, final_answer) in table {
            let answer = problem.answer(id(), ErrorShape::Messages);
            assert_eq!(
                (answer.status().as_u16(), problem.kind()),
                (status, kind),
                "{problem:?}"
            );
            let header =
                |name: &HeaderName| answer.headers().get(name).and_then(|v| v.to_str().ok());
            assert_eq!(header(&RETRY_AFTER), retry_after, "{problem:?}");
            assert_eq!(header(&SHOULD_RETRY).is_some(), final_answer, "{problem:?}");
        }
    }

    #[test]
    fn clients_are_not_told_where_the_store_is() {
        let problem = Problem::Store("cannot connect to db.internal".into());
        assert!(!problem.message().contains("db.internal"));
        assert!(problem.detail().contains("db.internal"));
    }

    #[test]
    fn the_roadmap_shape_keeps_the_rest() {
        let problem = Problem::Concurrent {
            limit: 3,
            key: "troupe-abcdefgh".into(),
        };
        let body: serde_json::Value =
            serde_json::from_slice(&problem.body(id(), ErrorShape::Roadmap)).unwrap();
        assert_eq!(body["error"], "Rate limit exceeded");
        assert_eq!(
            (
                body["retry_after"].as_u64(),
                body["limits"]["concurrent"]["limit"].as_u64()
            ),
            (Some(1), Some(3))
        );
        let plain: serde_json::Value =
            serde_json::from_slice(&problem.body(id(), ErrorShape::Messages)).unwrap();
        assert_eq!(plain["error"]["type"], "rate_limit_error");
        assert_eq!(plain["limits"]["concurrent"]["remaining"], 0);
    }
}
