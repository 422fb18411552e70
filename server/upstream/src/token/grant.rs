//! What is presented for tokens, and the tokens.
//!
//! Invariant: a request never names a parameter twice, and never one of the protocol's on the configuration's word.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret as _, SecretString};
use url::form_urlencoded::{self, byte_serialize};

use super::{BodyFormat, ClientAuth, TokenEndpoint, TokenFault, hide::Secrets};

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// What only the protocol sets; an extra field of such a name is refused.
const RESERVED: [&str; 11] = [
    "grant_type",
    "assertion",
    "refresh_token",
    "access_token",
    "code",
    "code_verifier",
    "redirect_uri",
    "state",
    "client_id",
    "client_secret",
    "client_assertion",
];

/// What is presented for tokens.
#[derive(Clone, Debug)]
pub enum Grant {
    /// RFC 7523 §2.1. The assertion is read from its file for each exchange, see [`super::read_assertion`].
    JwtBearer { assertion: SecretString },
    /// RFC 6749 §6. Single use where the endpoint rotates: presenting it twice may revoke the whole family.
    RefreshToken { refresh_token: SecretString },
    /// RFC 6749 §4.1.3 with RFC 7636. Single use. `state` is sent along for the endpoints that ask for it.
    AuthorizationCode {
        code: SecretString,
        verifier: SecretString,
        redirect_uri: String,
        state: Option<SecretString>,
    },
    /// RFC 6749 §4.4: the client's own id and secret.
    ClientCredentials,
}

/// What came of it.
#[derive(Clone)]
pub struct Tokens {
    /// Fits into a header.
    pub access_token: SecretString,
    /// The successor; absent where the endpoint does not rotate, and then the old one stays valid.
    pub refresh_token: Option<SecretString>,
    /// Seconds from the answer on; `None` where the endpoint says nothing usable.
    pub expires_in_s: Option<u64>,
    pub scope: Option<String>,
    pub organization_id: Option<String>,
    pub account_id: Option<String>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens")
            .field("refreshable", &self.refresh_token.is_some())
            .field("expires_in_s", &self.expires_in_s)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

/// A request, ready to be written once.
pub(super) struct Encoded {
    pub(super) body: Vec<u8>,
    pub(super) content_type: &'static str,
    /// The value of `authorization`.
    pub(super) basic: Option<String>,
}

type Pairs<'a> = Vec<(&'a str, &'a str)>;

pub(super) fn encode(endpoint: &TokenEndpoint, grant: &Grant) -> Result<Encoded, TokenFault> {
    let scope = endpoint.scope.join(" ");
    let mut pairs = parameters(grant);
    let asks_scope = matches!(grant, Grant::JwtBearer { .. } | Grant::ClientCredentials);
    if asks_scope && !scope.is_empty() {
        pairs.push(("scope", &scope));
    }
    let basic = client(endpoint, grant, &mut pairs)?;
    for (name, value) in &endpoint.extra {
        let taken = pairs.iter().any(|(known, _)| known == name);
        if taken || name.is_empty() || RESERVED.contains(&name.as_str()) {
            return Err(TokenFault::Misconfigured(format!(
                "extra field {name:?} is set by the protocol itself; remove it"
            )));
        }
        pairs.push((name, value));
    }
    let (body, content_type) = match endpoint.format {
        BodyFormat::Form => {
            let form = form_urlencoded::Serializer::new(String::new())
                .extend_pairs(pairs)
                .finish();
            (form.into_bytes(), "application/x-www-form-urlencoded")
        }
        BodyFormat::Json => {
            let object: serde_json::Map<_, _> = pairs
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.into()))
                .collect();
            (
                serde_json::Value::Object(object).to_string().into_bytes(),
                "application/json",
            )
        }
    };
    Ok(Encoded {
        body,
        content_type,
        basic,
    })
}

fn parameters(grant: &Grant) -> Pairs<'_> {
    match grant {
        Grant::JwtBearer { assertion } => vec![
            ("grant_type", JWT_BEARER),
            ("assertion", assertion.expose_secret()),
        ],
        Grant::RefreshToken { refresh_token } => vec![
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token.expose_secret()),
        ],
        Grant::AuthorizationCode {
            code,
            verifier,
            redirect_uri,
            state,
        } => {
            let mut pairs = vec![
                ("grant_type", "authorization_code"),
                ("code", code.expose_secret()),
                ("code_verifier", verifier.expose_secret()),
                ("redirect_uri", redirect_uri),
            ];
            pairs.extend(state.as_ref().map(|state| ("state", state.expose_secret())));
            pairs
        }
        Grant::ClientCredentials => vec![("grant_type", "client_credentials")],
    }
}

/// Adds who the client is; the value of `authorization` when it is shown there.
fn client<'a>(
    endpoint: &'a TokenEndpoint,
    grant: &Grant,
    pairs: &mut Pairs<'a>,
) -> Result<Option<String>, TokenFault> {
    let id = endpoint.client_id.as_deref().filter(|id| !id.is_empty());
    let secret = endpoint
        .client_secret
        .as_ref()
        .map(|secret| secret.expose_secret());
    let missing = |what: &str| Err(TokenFault::Misconfigured(what.to_owned()));
    match (grant, id, secret) {
        (Grant::ClientCredentials, None, _) | (Grant::ClientCredentials, _, None) => {
            return missing("the grant client_credentials needs client_id and client_secret");
        }
        (Grant::AuthorizationCode { .. }, None, _) => {
            return missing(
                "a login needs client_id; register a client with the provider and configure it",
            );
        }
        _ => {}
    }
    match (endpoint.client_auth, id, secret) {
        (ClientAuth::Basic, Some(id), Some(secret)) => return Ok(Some(basic(id, secret))),
        (ClientAuth::Basic, _, _) => {
            return missing("basic client authentication needs client_id and client_secret");
        }
        (ClientAuth::Body, id, secret) => {
            pairs.extend(id.map(|id| ("client_id", id)));
            pairs.extend(secret.map(|secret| ("client_secret", secret)));
        }
    }
    Ok(None)
}

/// Both parts are form-encoded first (RFC 6749 §2.3.1).
fn basic(id: &str, secret: &str) -> String {
    let coded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", coded(id), coded(secret));
    format!("Basic {}", STANDARD.encode(pair))
}

/// What must not be seen of this exchange.
pub(super) fn secrets(endpoint: &TokenEndpoint, grant: &Grant, basic: Option<&str>) -> Secrets {
    let of_grant = match grant {
        Grant::JwtBearer { assertion } => vec![assertion],
        Grant::RefreshToken { refresh_token } => vec![refresh_token],
        Grant::AuthorizationCode {
            code,
            verifier,
            state,
            ..
        } => [code, verifier].into_iter().chain(state).collect(),
        Grant::ClientCredentials => Vec::new(),
    };
    let of_client = endpoint.client_secret.as_ref();
    let plain = of_grant
        .into_iter()
        .chain(of_client)
        .map(|secret| secret.expose_secret());
    let coded = basic.and_then(|value| value.strip_prefix("Basic "));
    Secrets::of(plain.chain(coded))
}

#[cfg(test)]
mod tests;
