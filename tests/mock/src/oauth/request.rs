//! Reads the parameters of a request, and takes the secrets out of its journal entry.
//!
//! Invariant: a parameter that comes twice makes the request invalid (RFC 6749 §3.2); no secret is left in an entry.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use url::form_urlencoded;

use super::TOKEN;
use crate::http::Head;
use crate::journal::Entry;

const SECRETS: [&str; 7] = [
    "assertion",
    "refresh_token",
    "access_token",
    "code",
    "code_verifier",
    "client_secret",
    "state",
];

/// Names a secret without telling it: `sha256:` and 16 hexadecimal digits.
pub fn fingerprint(secret: &str) -> String {
    let hash = Sha256::digest(secret);
    let first = u64::from_be_bytes(std::array::from_fn(|at| hash[at]));
    format!("sha256:{first:016x}")
}

/// Parameters by name, with the client of `authorization: Basic` among them.
pub(super) type Parameters = BTreeMap<String, String>;

/// The body's parameters, JSON or form.
///
/// # Errors
/// The description that goes with `invalid_request`.
pub(super) fn read(head: &Head, body: &Bytes) -> Result<Parameters, &'static str> {
    let mut parameters = if is_json(head.header("content-type")) {
        let object: BTreeMap<String, Value> =
            serde_json::from_slice(body).map_err(|_| "body is no JSON object")?;
        let text = |(name, value)| match value {
            Value::String(text) => Ok((name, text)),
            _ => Err("parameters are strings"),
        };
        object.into_iter().map(text).collect::<Result<_, _>>()?
    } else {
        let mut pairs = Parameters::new();
        for (name, value) in form_urlencoded::parse(body) {
            if pairs
                .insert(name.into_owned(), value.into_owned())
                .is_some()
            {
                return Err("a parameter is repeated");
            }
        }
        pairs
    };
    if let Some(value) = head.header("authorization") {
        let (id, secret) = basic(value).ok_or("authorization is no Basic credential")?;
        for (name, value) in [("client_id", id), ("client_secret", secret)] {
            if parameters.insert(name.to_owned(), value).is_some() {
                return Err("the client authenticates twice");
            }
        }
    }
    Ok(parameters)
}

/// The query's parameters; the last of a name counts.
pub(super) fn query(head: &Head) -> Parameters {
    let query = head.target.split_once('?').map_or("", |(_, query)| query);
    form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect()
}

fn is_json(content_type: Option<&str>) -> bool {
    content_type.is_some_and(|kind| kind.trim().starts_with("application/json"))
}

fn basic(value: &str) -> Option<(String, String)> {
    let coded = value.strip_prefix("Basic ")?;
    let pair = String::from_utf8(STANDARD.decode(coded).ok()?).ok()?;
    let (id, secret) = pair.split_once(':')?;
    Some((decoded(id), decoded(secret)))
}

fn decoded(text: &str) -> String {
    let mut pairs = form_urlencoded::parse(text.as_bytes());
    pairs
        .next()
        .map(|(name, _)| name.into_owned())
        .unwrap_or_default()
}

/// Puts hashes in the place of the secrets of a request to the token endpoint.
pub(crate) fn redact(entry: &mut Entry) {
    if entry.path() != TOKEN {
        return;
    }
    let is_json = is_json(entry.header("content-type"));
    for (name, value) in &mut entry.headers {
        if name.eq_ignore_ascii_case(b"authorization") {
            *value = fingerprint(&String::from_utf8_lossy(value)).into();
        }
    }
    entry.body = if is_json {
        redacted_json(&entry.body)
    } else {
        let pairs = form_urlencoded::parse(&entry.body).map(|(name, value)| {
            let value = shown(&name, &value);
            (name, value)
        });
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(pairs)
            .finish();
        form.into()
    };
}

fn redacted_json(body: &Bytes) -> Bytes {
    let Ok(Value::Object(mut object)) = serde_json::from_slice(body) else {
        return fingerprint(&String::from_utf8_lossy(body)).into();
    };
    for (name, value) in &mut object {
        if let Value::String(text) = value {
            *text = shown(name, text);
        }
    }
    Value::Object(object).to_string().into()
}

fn shown(name: &str, value: &str) -> String {
    if SECRETS.contains(&name) && !value.is_empty() {
        fingerprint(value)
    } else {
        value.to_owned()
    }
}
