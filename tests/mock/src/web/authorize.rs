//! `POST /v1/oauth/{org}/authorize`: a cookie becomes an authorization code.
//!
//! Invariant: the code is one that the token endpoint accepts, bound to the challenge, the client
//! and the redirect address that were given here (RFC 7636).

use bytes::Bytes;
use serde_json::{Value, json};

use super::Refusal;
use super::organizations::Organization;
use crate::codes::PendingCode;
use crate::reply::Reply;
use crate::state::State;

pub(super) fn grant(
    state: &State,
    organization: &Organization,
    body: &Bytes,
    serial: u64,
) -> Result<Reply, Refusal> {
    let body: Value =
        serde_json::from_slice(body).map_err(|error| Refusal::invalid(error.to_string()))?;
    let field = |name: &str| {
        let value = body[name].as_str().filter(|value| !value.is_empty());
        value
            .map(str::to_owned)
            .ok_or_else(|| Refusal::invalid(format!("{name}: Field required")))
    };
    for (name, expected) in [
        ("response_type", "code"),
        ("code_challenge_method", "S256"),
        ("organization_uuid", &organization.uuid),
    ] {
        if field(name)? != expected {
            return Err(Refusal::invalid(format!("{name}: has to be {expected}")));
        }
    }
    let pending = PendingCode {
        challenge: field("code_challenge")?,
        client_id: field("client_id")?,
        redirect_uri: field("redirect_uri")?,
        scope: field("scope")?,
        state: field("state")?,
        organization: Some(organization.uuid.clone()),
    };
    let (target, state_value) = (pending.redirect_uri.clone(), encode(&pending.state));
    let code = state.codes().issue(serial, pending);
    let joint = if target.contains('?') { '&' } else { '?' };
    let target = format!("{target}{joint}code={code}&state={state_value}");
    Ok(Reply::json(200, &json!({"redirect_uri": target})))
}

/// Percent-encodes all but the unreserved characters (RFC 3986 §2.3).
fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
