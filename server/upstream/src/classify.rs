//! What an answer means for the account and for the request (WIRE §1, CONTRACT §4 rules 5 and 6).
//!
//! Invariant: pure; a request fault never touches an account, and an account fault never reaches the client as it came.

use actix_http::StatusCode;
use troupe_core::account::{Scope, Verdict};
use troupe_wire::error::{UpstreamError, read_error};

use crate::{
    facts::{Facts, RETRY_AFTER_MAX_MS},
    wording::{self, Meaning},
};

/// An account out for its spend limit comes back at the date named, at most this much later.
const SPEND_LIMIT_MAX_MS: u64 = 32 * 24 * 3600 * 1000;

/// Longest text kept of what an upstream said, in characters.
const REASON_MAX: usize = 200;

/// How much of an error's body is worth reading for [`classify`].
pub const ERROR_PREFIX_BYTES: usize = 16 * 1024;

/// The upstream's overload, not named by the standard.
const OVERLOADED: u16 = 529;

/// What may be done after a failed attempt, before the first event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Nothing to retry: the client gets the answer.
    Relay,
    /// The next account, at once.
    NextAccount,
    /// The next account after a bounded, growing pause with jitter.
    NextAccountAfterPause,
    /// Again on the same account, over a fresh connection, once a request.
    SameAccountOnce,
    /// The next account, once a request: the first attempt may have been processed.
    NextAccountOnce,
    /// What happened is unknown, and repeating it could do it twice.
    Never,
}

/// The meaning of an answer's head. `body_prefix` is needed for 400 and 429 only ([`needs_body`]); without it these mean
/// what they mean by themselves. `now_ms` since the Unix epoch.
#[must_use]
pub fn classify(
    status: StatusCode,
    facts: &Facts,
    body_prefix: Option<&[u8]>,
    now_ms: u64,
) -> Verdict {
    match status.as_u16() {
        200..=299 => Verdict::Success,
        400 => bad_request(body_prefix, now_ms),
        401 => Verdict::Unauthorized,
        402 => {
            let said = body_prefix.map(read).unwrap_or_default().message;
            Verdict::OutOfService {
                reason: reason(&said, "payment required"),
            }
        }
        403 => Verdict::Forbidden,
        404 => Verdict::NoModel,
        429 => throttled(facts, body_prefix, now_ms),
        OVERLOADED => Verdict::Overloaded,
        405..=499 => Verdict::RequestFault,
        // Redirects are never followed: an upstream that sends one is wrongly set up. Interim answers never come here.
        _ => Verdict::Platform,
    }
}

/// Does [`classify`] look at the body of such an answer?
#[must_use]
pub fn needs_body(status: StatusCode) -> bool {
    matches!(status.as_u16(), 400 | 402 | 429)
}

/// What may follow a verdict.
#[must_use]
pub fn retryable(verdict: &Verdict) -> Retry {
    match verdict {
        Verdict::Success | Verdict::RequestFault => Retry::Relay,
        Verdict::Unauthorized
        | Verdict::OutOfService { .. }
        | Verdict::Forbidden
        | Verdict::NoModel
        | Verdict::Throttled { .. }
        | Verdict::Challenged => Retry::NextAccount,
        Verdict::Platform | Verdict::Overloaded => Retry::NextAccountAfterPause,
        Verdict::Unknown => Retry::Never,
    }
}

/// May the last attempt's answer go to the client as it came? Otherwise the client gets an error of the gateway's own.
#[must_use]
pub fn is_relayable(status: StatusCode, verdict: &Verdict) -> bool {
    match status.as_u16() {
        401..=403 => false,
        400 => *verdict == Verdict::RequestFault,
        200..=299 | 404..=999 => true,
        _ => false,
    }
}

fn bad_request(body: Option<&[u8]>, now_ms: u64) -> Verdict {
    let said = body.map(read).unwrap_or_default().message;
    match wording::account_fault(&said) {
        None => Verdict::RequestFault,
        Some(Meaning::Dead) => Verdict::OutOfService {
            reason: reason(&said, "disabled"),
        },
        Some(Meaning::SpendLimit) => spend_limit(&said, now_ms),
    }
}

/// For as long as `retry-after` says; where that cannot be, or is not there, until the refused credential's windows are
/// reset. Everything is of this one answer: what an earlier one said is never used again.
fn throttled(facts: &Facts, body: Option<&[u8]>, now_ms: u64) -> Verdict {
    if facts.retry_after_ms.is_none() {
        let said = body.map(read).unwrap_or_default();
        if said.error_code.as_deref() == Some(wording::SPEND_LIMIT_CODE) {
            return spend_limit(&said.message, now_ms);
        }
    }
    let scope = if facts.rate_limits.is_model_scoped() {
        Scope::Model
    } else {
        Scope::Account
    };
    let said = facts.retry_after_ms;
    let for_ms = said
        .filter(|_| !facts.retry_after_is_nonsense)
        .or_else(|| facts.rate_limits.refused_for_ms(now_ms, RETRY_AFTER_MAX_MS))
        .or(said);
    Verdict::Throttled { for_ms, scope }
}

fn spend_limit(said: &str, now_ms: u64) -> Verdict {
    match wording::date_in(said).map(|at| at.saturating_sub(now_ms)) {
        Some(for_ms) if for_ms > 0 => Verdict::Throttled {
            for_ms: Some(for_ms.min(SPEND_LIMIT_MAX_MS)),
            scope: Scope::Account,
        },
        _ => Verdict::OutOfService {
            reason: reason(said, "spend limit reached"),
        },
    }
}

fn read(body: &[u8]) -> UpstreamError {
    read_error(body).unwrap_or_default()
}

/// One printable line for the operator.
pub(crate) fn reason(said: &str, otherwise: &str) -> String {
    let line: String = said
        .chars()
        .filter(|c| !c.is_control())
        .take(REASON_MAX)
        .collect();
    if line.is_empty() {
        otherwise.to_owned()
    } else {
        line
    }
}

#[cfg(test)]
mod tests;
