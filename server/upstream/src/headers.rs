//! Which headers travel up and which come down.
//!
//! Invariant: the gateway's credential, cookies, forwarding and hop-by-hop headers never go up; the account's limits and
//! organisation, cookies and hop-by-hop headers never come down; framing is always our own. The rest is an open list:
//! kept byte for byte, duplicates in order. A name listed in `connection` is hop-by-hop whatever it is.

use std::{collections::BTreeMap, fmt};

use actix_http::header::{self, HeaderMap, HeaderName, HeaderValue};
use troupe_core::account::AuthScheme;

use crate::{
    USER_AGENT,
    facts::{Coding, Facts, RateLimits},
    header_list::{HeaderLines, HeaderList},
};

/// Whose the credential is that a request goes up with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// An account of the pool: its limits and its organisation are nobody else's business.
    Account,
    /// The caller: what the upstream says of its limits is for it.
    Caller,
}

/// An account's own headers, each once, its credential the last; made once for each credential.
#[derive(Clone)]
pub struct AccountHeaders(Vec<(HeaderName, HeaderValue)>);

/// A header of an account's settings cannot be sent. Names the header, never its value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountHeadersError {
    #[error("header name {0:?} is not valid")]
    Name(String),
    #[error("the value of header {0:?} is not valid")]
    Value(String),
    #[error("header {0:?} belongs to the gateway")]
    Reserved(String),
    #[error("the credential has characters that no header can carry")]
    Credential,
}

// === impl AccountHeaders ===

impl AccountHeaders {
    /// The caller's own credential, as it came.
    #[must_use]
    pub fn of_caller(client: &HeaderMap) -> Self {
        let own = [X_API_KEY, header::AUTHORIZATION];
        let given = own.into_iter().filter_map(|name| {
            let mut value = client.get(&name)?.clone();
            value.set_sensitive(true);
            Some((name, value))
        });
        Self(given.collect())
    }

    /// Neither headers nor a credential.
    #[must_use]
    pub fn none() -> Self {
        Self(Vec::new())
    }

    pub fn new(
        auth: AuthScheme,
        secret: &str,
        extra: &BTreeMap<String, String>,
    ) -> Result<Self, AccountHeadersError> {
        let mut pairs = Vec::with_capacity(extra.len() + 1);
        for (name, value) in extra {
            let parsed = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| AccountHeadersError::Name(name.clone()))?;
            if is_framing(parsed.as_str()) {
                return Err(AccountHeadersError::Reserved(name.clone()));
            }
            let mut value = HeaderValue::from_str(value)
                .map_err(|_| AccountHeadersError::Value(name.clone()))?;
            value.set_sensitive(true);
            set(&mut pairs, parsed, value);
        }
        let (name, value) = match auth {
            AuthScheme::XApiKey => (X_API_KEY, HeaderValue::from_str(secret)),
            AuthScheme::Bearer => (
                header::AUTHORIZATION,
                HeaderValue::from_str(&format!("Bearer {secret}")),
            ),
        };
        let mut value = value.map_err(|_| AccountHeadersError::Credential)?;
        value.set_sensitive(true);
        set(&mut pairs, name, value);
        Ok(Self(pairs))
    }

    fn sets(&self, name: &HeaderName) -> bool {
        self.0.iter().any(|(own, _)| own == name)
    }
}

impl fmt::Debug for AccountHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(name, _)| name))
            .finish()
    }
}

/// Of the same names, the last counts.
fn set(pairs: &mut Vec<(HeaderName, HeaderValue)>, name: HeaderName, value: HeaderValue) {
    pairs.retain(|(known, _)| *known != name);
    pairs.push((name, value));
}

/// Room for the headers that clients usually send.
const USUAL_BYTES: usize = 768;

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const IDENTITY: HeaderValue = HeaderValue::from_static("identity");
const OUR_AGENT: HeaderValue = HeaderValue::from_static(USER_AGENT);

/// The headers of an upstream request: what the client sent and may travel, then the account's own.
#[must_use]
pub fn up(client: &HeaderMap, account: &AccountHeaders) -> HeaderLines {
    let named = Named::of(client.get_all(header::CONNECTION));
    let mut up = HeaderLines::with_capacity(USUAL_BYTES);
    let mut says_agent = account.sets(&header::USER_AGENT);
    for (name, value) in client {
        if goes_up(name.as_str()) && !named.has(name.as_str()) && !account.sets(name) {
            up.append(name, value);
            says_agent |= *name == header::USER_AGENT;
        }
    }
    up.append(&header::ACCEPT_ENCODING, &IDENTITY);
    if !says_agent {
        up.append(&header::USER_AGENT, &OUR_AGENT);
    }
    for (name, value) in &account.0 {
        up.append(name, value);
    }
    up
}

/// Takes from an answer's headers what must not come down, and notes what they say. `now_ms` since the Unix epoch.
#[must_use]
pub fn down(headers: HeaderList, owner: Owner, now_ms: u64) -> (HeaderList, Facts) {
    let mut facts = Facts::default();
    let named = Named::of(headers.get_all(&header::CONNECTION));
    let kept = headers
        .into_iter()
        .filter_map(|(name, value)| {
            let name_text = name.as_str();
            facts.note(name_text, &value, now_ms);
            let is_told = comes_down(name_text) || (owner == Owner::Caller && is_limit(name_text));
            let is_told = is_told && !named.has(name_text);
            if !RateLimits::has(name_text) {
                return is_told.then_some((name, value));
            }
            let told = is_told.then(|| (name.clone(), value.clone()));
            facts.rate_limits.note(name, value);
            told
        })
        .collect();
    if facts.coding != Coding::Identity {
        facts.content_length = None;
    }
    (kept, facts)
}

/// Hop-by-hop and framing: never relayed in either direction, never set by an account.
fn is_framing(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
            | "content-length"
            | "host"
            | "expect"
            | "accept-encoding"
    )
}

fn goes_up(name: &str) -> bool {
    if is_framing(name) {
        return false;
    }
    match name {
        "x-api-key" | "authorization" | "cookie" | "cookie2" | "forwarded" | "x-real-ip" => false,
        _ => {
            !(name.starts_with("x-troupe-")
                || name.starts_with("proxy-")
                || name.starts_with("x-forwarded-"))
        }
    }
}

fn comes_down(name: &str) -> bool {
    if is_framing(name) {
        return false;
    }
    match name {
        "set-cookie"
        | "set-cookie2"
        | "alt-svc"
        | "strict-transport-security"
        | "anthropic-organization-id"
        | "content-encoding"
        | "date"
        | "server"
        | "server-timing"
        | "request-id"
        | "ratelimit"
        | "ratelimit-policy" => false,
        _ => {
            !(name.starts_with("anthropic-ratelimit-")
                || name.starts_with("x-ratelimit-")
                || name.starts_with("ratelimit-")
                || name.starts_with("x-troupe-")
                || name.starts_with("proxy-"))
        }
    }
}

/// What an upstream says of the credential's own limits.
fn is_limit(name: &str) -> bool {
    name.starts_with("anthropic-ratelimit-") || name == "anthropic-organization-id"
}

/// The names that `connection` headers list. Nearly always none: then nothing is allocated.
struct Named(Vec<HeaderValue>);

impl Named {
    fn of<'a>(lists: impl Iterator<Item = &'a HeaderValue>) -> Self {
        Self(lists.filter(|list| !is_usual(list)).cloned().collect())
    }

    fn has(&self, name: &str) -> bool {
        self.0
            .iter()
            .any(|list| tokens(list).any(|token| token.eq_ignore_ascii_case(name.as_bytes())))
    }
}

fn is_usual(list: &HeaderValue) -> bool {
    tokens(list).all(|token| {
        token.eq_ignore_ascii_case(b"keep-alive") || token.eq_ignore_ascii_case(b"close")
    })
}

fn tokens(list: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    list.as_bytes()
        .split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
}

#[cfg(test)]
mod tests;
