//! What a token endpoint's answer means (RFC 6749 §5).
//!
//! Invariant: refused is only what says so in the protocol's own words and by its own status; busy is only a 429 that an
//! endpoint made, not something before it; whatever else is not a whole set of tokens is unknown.

use secrecy::SecretString;
use serde_json::Value;

use super::{TokenFault, Tokens, hide::Secrets};
use crate::classify::reason;

/// A longer answer is no answer.
pub(super) const ANSWER_MAX_BYTES: usize = 64 * 1024;
const TOKEN_MAX_BYTES: usize = 16 * 1024;
const ID_MAX_BYTES: usize = 200;
const SCOPE_MAX_BYTES: usize = 2_000;
const LIFE_MAX_S: u64 = 10 * 365 * 24 * 3600;
const PAUSE_MAX_MS: u64 = 3_600_000;

/// An answer as it came, bounded.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// The header, strictly read.
    pub(super) retry_after_ms: Option<u64>,
    pub(super) body: Vec<u8>,
    /// The body is longer than [`ANSWER_MAX_BYTES`], or its end did not come.
    pub(super) cut: bool,
}

struct Envelope {
    error: String,
    description: Option<String>,
}

pub(super) fn read(answer: &Answer, secrets: &Secrets) -> Result<Tokens, TokenFault> {
    let value: Option<Value> = serde_json::from_slice(&answer.body)
        .ok()
        .filter(|_| !answer.cut);
    let status = answer.status;
    if (200..300).contains(&status) {
        return match &value {
            _ if answer.cut => Err(unknown(status, "the answer is cut or too long")),
            None => Err(unknown(status, "the answer is not JSON")),
            Some(value) => tokens(value).map_err(|what| unknown(status, what)),
        };
    }
    let envelope = value.as_ref().and_then(|value| envelope(value, secrets));
    let pause_ms = answer.retry_after_ms.map(|ms| ms.min(PAUSE_MAX_MS));
    match (status, envelope) {
        (429, envelope) if envelope.is_some() || pause_ms.is_some() => Err(TokenFault::Busy {
            retry_after_ms: pause_ms,
        }),
        (400 | 401 | 403, Some(envelope)) if envelope.is_refusal() => Err(TokenFault::Refused {
            status,
            error: envelope.error,
            description: envelope.description,
        }),
        (_, Some(envelope)) => Err(unknown(status, &envelope.text())),
        (300..400, None) => Err(unknown(status, "a redirect; give the endpoint's own URL")),
        (_, None) => Err(unknown(status, "without the error of a token endpoint")),
    }
}

fn unknown(status: u16, what: &str) -> TokenFault {
    TokenFault::Unknown(format!("status {status}: {what}"))
}

/// `{"error":"…","error_description":"…"}`, or the provider's own `{"error":{"type":"…","message":"…"}}`.
fn envelope(value: &Value, secrets: &Secrets) -> Option<Envelope> {
    let error = value.get("error")?;
    let (code, description) = match error {
        Value::String(code) => (code.as_str(), value.get("error_description")),
        Value::Object(inner) => (inner.get("type")?.as_str()?, inner.get("message")),
        _ => return None,
    };
    let plain = |text: &str| reason(&secrets.hide(text), "");
    let code = plain(code);
    let description = description.and_then(Value::as_str).map(plain);
    (!code.is_empty()).then(|| Envelope {
        error: code,
        description: description.filter(|text| !text.is_empty()),
    })
}

impl Envelope {
    /// Those of RFC 6749 §5.2, and the provider's own of the same meaning. Any other word may be of something before the
    /// endpoint, which knows nothing of the grant.
    fn is_refusal(&self) -> bool {
        matches!(
            self.error.as_str(),
            "invalid_request"
                | "invalid_client"
                | "invalid_grant"
                | "unauthorized_client"
                | "unsupported_grant_type"
                | "invalid_scope"
                | "access_denied"
                | "invalid_token"
                | "invalid_request_error"
                | "authentication_error"
                | "permission_error"
        )
    }

    fn text(&self) -> String {
        match &self.description {
            Some(description) => format!("{}: {description}", self.error),
            None => self.error.clone(),
        }
    }
}

fn tokens(value: &Value) -> Result<Tokens, &'static str> {
    let token = |name: &str| {
        let text = value.get(name).and_then(Value::as_str).unwrap_or_default();
        match text {
            "" => Ok(None),
            _ if text.len() > TOKEN_MAX_BYTES => Err("a token is too long"),
            _ if !text.bytes().all(|byte| byte.is_ascii_graphic()) => {
                Err("a token has characters that cannot be sent")
            }
            _ => Ok(Some(SecretString::from(text))),
        }
    };
    Ok(Tokens {
        access_token: token("access_token")?.ok_or("the answer has no access_token")?,
        refresh_token: token("refresh_token")?,
        expires_in_s: value.get("expires_in").and_then(life_s),
        scope: value
            .get("scope")
            .and_then(|scope| short(scope, SCOPE_MAX_BYTES)),
        organization_id: id(value, "organization"),
        account_id: id(value, "account"),
    })
}

/// Endpoints send numbers, fractions and texts; what is no plausible life is none.
fn life_s(value: &Value) -> Option<u64> {
    let life_s = match value {
        Value::Number(number) => number.as_u64().or_else(|| {
            let fraction = number
                .as_f64()
                .filter(|life| (1.0..LIFE_MAX_S as f64).contains(life))?;
            Some(fraction as u64)
        }),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    life_s.filter(|life_s| (1..=LIFE_MAX_S).contains(life_s))
}

/// `organization: {"uuid": …}`, `organization_id` or `organization_uuid`; the same for `account`.
fn id(value: &Value, of: &str) -> Option<String> {
    let nested = value
        .get(of)
        .and_then(|object| object.get("uuid").or_else(|| object.get("id")));
    let flat = || {
        value
            .get(format!("{of}_id"))
            .or_else(|| value.get(format!("{of}_uuid")))
    };
    short(nested.or_else(flat)?, ID_MAX_BYTES)
}

fn short(value: &Value, most_bytes: usize) -> Option<String> {
    let text = value.as_str()?;
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_graphic() || byte == b' ');
    (plain && !text.is_empty() && text.len() <= most_bytes).then(|| text.to_owned())
}

#[cfg(test)]
mod tests;
