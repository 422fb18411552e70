//! The only mapping from what can go wrong to what a client is told.
//!
//! Index. [`Problem`]: everything but limits. [`Refusal`]: what a limit keeps out; [`Balances`]: the caller's limits as
//! they stand; [`spend`]: money in the form that clients signed in to a gateway read.
//!
//! Invariant: every own error is the Messages envelope with a status of the contract's table; no text holds a secret;
//! an answer whose `retry-after` is above a minute tells SDKs not to sleep on it.

use std::borrow::Cow;
use std::net::IpAddr;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use serde_json::json;
use troupe_core::RequestId;
use troupe_core::limit::LimitName;
use troupe_wire::error::ErrorEnvelope;

use crate::config::limits::ErrorShape;

mod balance;
mod refusal;
pub mod spend;
mod words;

pub use balance::{Balance, Balances};
pub use refusal::Refusal;
pub(crate) use words::rfc3339;

const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
const NO: HeaderValue = HeaderValue::from_static("false");
/// SDKs sleep in silence for as long as `retry-after` says; above this they are told not to.
const LONGEST_SLEEP_S: u64 = 60;

/// How the operator wants it said.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manner<'a> {
    pub shape: ErrorShape,
    /// For those whose money is spent.
    pub spend_message: Option<&'a str>,
}

/// What went wrong, as the gateway itself says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// No, unknown, revoked or expired key.
    Credential(Cow<'static, str>),
    /// Model or endpoint not allowed; never worth a retry.
    NotAllowed(String),
    /// What the key may not see.
    Forbidden(String),
    /// The key may not be used from there; `None`: the connection told no address.
    Address {
        from: Option<IpAddr>,
    },
    /// Malformed body, path or query.
    Invalid(String),
    BodyTooLarge {
        limit_bytes: u64,
    },
    NotFound(String),
    Method {
        allow: &'static str,
    },
    QueueFull {
        key: String,
    },
    /// It has waited as long as it may behind others of `key troupe-abc12345`, `group platform`, `this gateway`.
    Behind {
        label: String,
    },
    /// A limit keeps it out.
    Limit(Box<Refusal>),
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
            Self::Forbidden(_) | Self::Address { .. } => StatusCode::FORBIDDEN,
            Self::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::QueueFull { .. } | Self::Behind { .. } | Self::Throttled { .. } => {
                StatusCode::TOO_MANY_REQUESTS
            }
            Self::NoAccount { .. } | Self::Overloaded(_) | Self::Store(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Unreachable(_) => StatusCode::BAD_GATEWAY,
            Self::TimedOut(_) => StatusCode::GATEWAY_TIMEOUT,
            Self::Limit(refusal) => refusal.status(),
            Self::Web { status, .. } => *status,
        }
    }

    /// `error.type` of the envelope.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Credential(_) => "authentication_error",
            Self::NotAllowed(_) | Self::Invalid(_) | Self::Method { .. } => "invalid_request_error",
            Self::Forbidden(_) | Self::Address { .. } => "permission_error",
            Self::BodyTooLarge { .. } => "request_too_large",
            Self::NotFound(_) => "not_found_error",
            Self::QueueFull { .. } | Self::Behind { .. } | Self::Throttled { .. } => {
                "rate_limit_error"
            }
            Self::NoAccount { .. }
            | Self::Overloaded(_)
            | Self::Store(_)
            | Self::Unreachable(_) => "api_error",
            Self::TimedOut(_) => "timeout_error",
            Self::Limit(refusal) => refusal.kind(),
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
            Self::Address { .. } => "this gateway key may not be used from this address".into(),
            Self::BodyTooLarge { limit_bytes } => format!(
                "the request body is larger than the {limit_bytes} bytes this gateway takes"
            )
            .into(),
            Self::Method { allow } => format!("this path takes {allow}").into(),
            Self::QueueFull { key } => format!(
                "Rate limit exceeded: too many requests of key {key} are waiting; retry in 1 s"
            )
            .into(),
            Self::Behind { label } => format!(
                "Rate limit exceeded: requests of {label} wait in line and this one waited as long as it may; retry in 1 s"
            )
            .into(),
            Self::Limit(refusal) => refusal.message(None).into(),
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
            Self::Address { from: Some(from) } => format!("{} ({from})", self.message()).into(),
            Self::Limit(refusal) => refusal.detail().map_or_else(|| self.message(), Cow::Owned),
            other => other.message(),
        }
    }

    /// The name of the limit that refused, as metrics show it.
    #[must_use]
    pub fn limit(&self) -> Option<&'static str> {
        match self {
            Self::QueueFull { .. } | Self::Behind { .. } => Some(LimitName::Concurrent.as_str()),
            Self::Limit(refusal) => Some(refusal.limit().as_str()),
            _ => None,
        }
    }

    fn retry_after_s(&self) -> Option<u64> {
        match self {
            Self::Limit(refusal) => refusal.retry_after_s(),
            Self::QueueFull { .. } | Self::Behind { .. } | Self::Overloaded(_) | Self::Store(_) => {
                Some(1)
            }
            Self::Throttled { for_ms } => Some(seconds(*for_ms)),
            Self::NoAccount { retry_after_s, .. } => *retry_after_s,
            _ => None,
        }
    }

    fn should_not_retry(&self) -> bool {
        match self {
            Self::Credential(_)
            | Self::NotAllowed(_)
            | Self::Forbidden(_)
            | Self::Address { .. } => true,
            Self::NoAccount {
                retry_after_s: None,
                ..
            } => true,
            Self::Limit(refusal) => refusal.should_not_retry(),
            other => other.retry_after_s().is_some_and(|s| s > LONGEST_SLEEP_S),
        }
    }

    /// The answer, without the headers that every answer carries.
    #[must_use]
    pub fn answer(&self, id: RequestId, manner: Manner<'_>) -> HttpResponse {
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
        if let Self::Limit(refusal) = self {
            for header in refusal.headers() {
                response.insert_header(header);
            }
        }
        response.body(self.body(id, manner))
    }

    fn body(&self, id: RequestId, manner: Manner<'_>) -> bytes::Bytes {
        let message = match self {
            Self::Limit(refusal) => refusal.message(manner.spend_message).into(),
            other => other.message(),
        };
        let id = id.to_string();
        let limits = match self {
            Self::Limit(refusal) => Some(refusal.balances().to_json()),
            _ => None,
        };
        // What is told of spend is in its text alone: it keeps its shape.
        if manner.shape == ErrorShape::Roadmap && self.kind() == "rate_limit_error" {
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
mod tests;
