//! What an answer of the web surface means, on every call the same.
//!
//! | answer | verdict |
//! |---|---|
//! | 302, or any status marked as a challenge | challenged: told to the operator, never followed, never worked around |
//! | 401, 403 | the session is dead |
//! | 400, 402 whose wording is about the account | out of service |
//! | 429 | throttled: until `resetsAt` in the JSON that its message holds, else `retry-after`, else not told |
//! | other 400s, 413, 4xx | the request's fault |
//! | 404 of a completion | the model or the conversation is not there for this account |
//! | 529 | overloaded |
//! | anything else | the platform's fault |
//!
//! Invariant: pure; a time in an answer is taken only if it is a whole number of seconds in the future, and is bounded.

use serde::Deserialize;
use troupe_core::account::{Scope, Verdict};
use troupe_wire::error::read_error;

use super::fault::WebFault;
use crate::{classify::reason, facts::RETRY_AFTER_MAX_MS, wording};

/// Longest message of the upstream's that a client is told, in characters.
const MESSAGE_MAX: usize = 2_000;

/// Which call was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Organizations,
    Conversation,
    Settings,
    Upload,
    Completion,
    ToolResult,
    Deletion,
    Authorization,
}

/// An answer's head, as far as it is looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Head {
    pub status: u16,
    /// The answer says of itself that it is a challenge (`cf-mitigated: challenge`).
    pub is_challenge: bool,
    /// A `retry-after` in seconds.
    pub retry_after_s: Option<u64>,
}

impl Call {
    fn name(self) -> &'static str {
        match self {
            Self::Organizations => "organizations",
            Self::Conversation => "conversation",
            Self::Settings => "settings",
            Self::Upload => "upload",
            Self::Completion => "completion",
            Self::ToolResult => "tool result",
            Self::Deletion => "deletion",
            Self::Authorization => "authorization",
        }
    }
}

/// The fault that an answer without success is. `now_ms` since the Unix epoch.
pub(super) fn fault(call: Call, head: Head, body: &[u8], now_ms: u64) -> WebFault {
    let said = read_error(body).unwrap_or_default().message;
    let what = call.name();
    if head.is_challenge || head.status == 302 {
        return WebFault::new(Verdict::Challenged, CHALLENGED);
    }
    match head.status {
        401 | 403 => WebFault::new(Verdict::Unauthorized, DEAD),
        400 | 402 if wording::account_fault(&said).is_some() => {
            let reason = reason(&said, "disabled");
            WebFault::new(
                Verdict::OutOfService { reason },
                "the account of this web session is out of service",
            )
        }
        404 if call == Call::Completion => WebFault::new(
            Verdict::NoModel,
            told(&said, "the web session lacks the model"),
        ),
        404 | 405 => WebFault::platform(format!(
            "the web surface has no endpoint for the {what}; check the base url"
        )),
        413 => WebFault::too_large(told(&said, "the web surface finds the request too large")),
        429 => throttled(
            resets_in_message(&said, now_ms).or(head
                .retry_after_s
                .map(|s| s.saturating_mul(1000).min(RETRY_AFTER_MAX_MS))),
        ),
        529 => WebFault::new(Verdict::Overloaded, told(&said, "overloaded")),
        400..=499 => WebFault::request(told(&said, "the web surface refused the request")),
        status => WebFault::platform(format!("the web surface answered {status} to the {what}")),
    }
}

const CHALLENGED: &str =
    "the web surface asks for a human check; an operator must look at the account";
const DEAD: &str = "the web session of the account is not accepted any more; log it in again";

/// A limit of the account.
pub(super) fn throttled(for_ms: Option<u64>) -> WebFault {
    let scope = Scope::Account;
    WebFault::new(
        Verdict::Throttled { for_ms, scope },
        "the web session of the account has reached its limit",
    )
}

/// The session's end, told within a stream.
pub(super) fn dead() -> WebFault {
    WebFault::new(Verdict::Unauthorized, DEAD)
}

/// The upstream's words for the client: its recovery matches their wording, so they are only bounded.
pub(super) fn told(said: &str, otherwise: &str) -> String {
    if said.is_empty() {
        return otherwise.to_owned();
    }
    said.chars().take(MESSAGE_MAX).collect()
}

/// Milliseconds from now to a moment in seconds since the Unix epoch; `None` when it is past.
pub(super) fn until(epoch_s: u64, now_ms: u64) -> Option<u64> {
    let at_ms = epoch_s.saturating_mul(1000);
    (at_ms > now_ms).then(|| (at_ms - now_ms).min(RETRY_AFTER_MAX_MS))
}

/// The message of a web 429 is itself JSON.
fn resets_in_message(message: &str, now_ms: u64) -> Option<u64> {
    #[derive(Deserialize)]
    struct Limit {
        #[serde(rename = "type")]
        kind: String,
        #[serde(rename = "resetsAt")]
        resets_at: u64,
    }
    let limit: Limit = serde_json::from_str(message).ok()?;
    (limit.kind == "exceeded_limit").then(|| until(limit.resets_at, now_ms))?
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_000_000;

    fn read(call: Call, status: u16, body: &str) -> WebFault {
        let head = Head {
            status,
            ..Head::default()
        };
        fault(call, head, body.as_bytes(), NOW_MS)
    }

    fn envelope(message: &str) -> String {
        serde_json::json!({"type": "error", "error": {"type": "x", "message": message}}).to_string()
    }

    fn throttle(for_ms: Option<u64>) -> Verdict {
        let scope = Scope::Account;
        Verdict::Throttled { for_ms, scope }
    }

    #[test]
    fn each_status_has_its_meaning() {
        let disabled = envelope("This organization has been disabled.");
        let reason = "This organization has been disabled.".to_owned();
        for (call, status, body, verdict, told) in [
            (Call::Upload, 302, "", Verdict::Challenged, 502),
            (Call::Completion, 301, "", Verdict::Platform, 502),
            (Call::Organizations, 401, "", Verdict::Unauthorized, 502),
            (Call::ToolResult, 403, "<html>", Verdict::Unauthorized, 502),
            (
                Call::Completion,
                400,
                disabled.as_str(),
                Verdict::OutOfService { reason },
                502,
            ),
            (Call::Completion, 400, "", Verdict::RequestFault, 400),
            (Call::Completion, 404, "", Verdict::NoModel, 404),
            (Call::Conversation, 404, "", Verdict::Platform, 502),
            (Call::Upload, 413, "", Verdict::RequestFault, 413),
            (Call::Completion, 422, "", Verdict::RequestFault, 400),
            (Call::Completion, 429, "", throttle(None), 429),
            (Call::Completion, 500, "", Verdict::Platform, 502),
            (Call::Completion, 529, "", Verdict::Overloaded, 529),
        ] {
            let fault = read(call, status, body);
            assert_eq!((fault.verdict, fault.status), (verdict, told), "{status}");
        }
        let marked = Head {
            status: 403,
            is_challenge: true,
            ..Head::default()
        };
        assert_eq!(
            fault(Call::Completion, marked, b"", 0).verdict,
            Verdict::Challenged
        );
    }

    #[test]
    fn a_limits_end_is_read_strictly() {
        for (message, for_ms) in [
            (
                r#"{"type":"exceeded_limit","resetsAt":1060,"x":1}"#,
                Some(60_000),
            ),
            (r#"{"type":"exceeded_limit","resetsAt":999}"#, None),
            (
                r#"{"type":"exceeded_limit","resetsAt":99999999999}"#,
                Some(RETRY_AFTER_MAX_MS),
            ),
            (
                r#"{"type":"exceeded_limit","resetsAt":18446744073709551615}"#,
                Some(RETRY_AFTER_MAX_MS),
            ),
            (r#"{"type":"exceeded_limit","resetsAt":"1060"}"#, None),
            (r#"{"type":"exceeded_limit","resetsAt":1060.5}"#, None),
            (r#"{"type":"exceeded_limit","resetsAt":-5}"#, None),
            (r#"{"type":"other","resetsAt":1060}"#, None),
            ("slow down", None),
        ] {
            let fault = read(Call::Completion, 429, &envelope(message));
            assert_eq!(fault.verdict, throttle(for_ms), "{message}");
            assert_eq!(fault.retry_after_s, for_ms.map(|ms| ms / 1000));
        }
        let head = Head {
            status: 429,
            retry_after_s: Some(7),
            ..Head::default()
        };
        assert_eq!(
            fault(Call::Upload, head, b"", NOW_MS).verdict,
            throttle(Some(7_000))
        );
    }

    #[test]
    fn a_request_fault_keeps_its_words() {
        let fault = read(Call::Completion, 400, &envelope("Input is too long."));
        assert_eq!(fault.message, "Input is too long.");
        let body = String::from_utf8(fault.envelope("req_1").to_vec()).unwrap();
        assert!(body.contains(r#""type":"invalid_request_error","message":"Input is too long.""#));
    }
}
