//! How a web answer fails: what it means for the account, and what the client may be told.
//!
//! Invariant: no text holds the cookie; a client is never told 401, 403 or a redirect, which would be about the account.

use crate::{Retry, retryable};
use bytes::Bytes;
use troupe_core::account::Verdict;
use troupe_wire::error::{ErrorEnvelope, error_event};

/// No answer, or none any more. Display is the message for the client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct WebFault {
    /// For the account's machine.
    pub verdict: Verdict,
    /// HTTP status for the client, when this is the last attempt.
    pub status: u16,
    /// The `error.type` for the client.
    pub kind: &'static str,
    pub message: String,
    /// For the `retry-after` header, rounded up.
    pub retry_after_s: Option<u64>,
    /// The model may have answered, and nobody heard it: to be repeated once at most.
    pub maybe_served: bool,
}

// === impl WebFault ===

impl WebFault {
    pub(super) fn new(verdict: Verdict, message: impl Into<String>) -> Self {
        let (status, kind) = match &verdict {
            Verdict::RequestFault => (400, "invalid_request_error"),
            Verdict::NoModel => (404, "not_found_error"),
            Verdict::Throttled { .. } => (429, "rate_limit_error"),
            Verdict::Overloaded => (529, "overloaded_error"),
            Verdict::Unknown => (504, "timeout_error"),
            _ => (502, "api_error"),
        };
        let retry_after_s = match &verdict {
            Verdict::Throttled { for_ms, .. } => for_ms.map(|ms| ms.div_ceil(1000)),
            _ => None,
        };
        Self {
            verdict,
            status,
            kind,
            message: message.into(),
            retry_after_s,
            maybe_served: false,
        }
    }

    /// The request cannot be served by this surface, or is wrong by itself.
    pub(super) fn request(message: impl Into<String>) -> Self {
        Self::new(Verdict::RequestFault, message)
    }

    pub(super) fn platform(message: impl Into<String>) -> Self {
        Self::new(Verdict::Platform, message)
    }

    pub(super) fn too_large(message: impl Into<String>) -> Self {
        Self {
            status: 413,
            kind: "request_too_large",
            ..Self::request(message)
        }
    }

    /// The same of an answer that had begun, or may have. What the upstream says itself of an error is known.
    pub(super) fn of_answer(mut self) -> Self {
        self.maybe_served = self.verdict == Verdict::Platform;
        self
    }

    /// What may follow.
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self.maybe_served {
            true => Retry::NextAccountOnce,
            false => retryable(&self.verdict),
        }
    }

    /// The body for the client: the Messages API's error envelope.
    #[must_use]
    pub fn envelope(&self, request_id: &str) -> Bytes {
        let mut envelope = ErrorEnvelope::new(self.kind, &self.message).with_request_id(request_id);
        envelope.retry_after = self.retry_after_s;
        envelope.to_bytes()
    }

    /// The event that ends a stream which has begun.
    #[must_use]
    pub fn event(&self) -> Bytes {
        error_event(self.kind, &self.message)
    }
}
