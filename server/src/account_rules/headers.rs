//! Headers that an account adds to its requests, and credentials that travel in headers.

use std::collections::BTreeMap;

/// More is a mistake.
const ENTRIES_MAX: usize = 64;
const CREDENTIAL_MAX_BYTES: usize = 16 << 10;

/// Framing is the gateway's own.
const OWN: [&str; 8] = [
    "accept-encoding",
    "connection",
    "content-length",
    "content-type",
    "host",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// They would carry a credential.
const CREDENTIALS: [&str; 4] = [
    "authorization",
    "cookie",
    "proxy-authorization",
    "x-api-key",
];

/// By these a request would pretend to come from a browser.
const DISGUISES: [&str; 4] = ["cookie", "origin", "referer", "user-agent"];

/// Header names and values.
///
/// # Errors
/// What would be right; a header's name, never its value.
pub fn headers(headers: &BTreeMap<String, String>) -> Result<(), String> {
    for (name, value) in headers {
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if name.is_empty() || !name.bytes().all(token) {
            return Err(format!("`{name}` is not a header name"));
        }
        if is_one_of(name, &OWN) {
            return Err(format!("`{name}` is set by the gateway itself; remove it"));
        }
        let visible = |b: u8| b == b'\t' || (b.is_ascii() && !b.is_ascii_control());
        if !value.bytes().all(visible) {
            return Err(format!(
                "the value of `{name}` holds a character that a header cannot carry"
            ));
        }
    }
    if headers.len() > ENTRIES_MAX {
        return Err(format!("at most {ENTRIES_MAX} headers can be given"));
    }
    Ok(())
}

/// For headers that are stored unsealed: none that carries a credential.
///
/// # Errors
/// Names the header.
pub fn without_credentials(headers: &BTreeMap<String, String>) -> Result<(), String> {
    match headers.keys().find(|name| is_one_of(name, &CREDENTIALS)) {
        Some(name) => Err(format!(
            "`{name}` is set by the gateway itself from the account's credential; give it as that"
        )),
        None => Ok(()),
    }
}

/// For accounts with a web session: the gateway says who it is.
///
/// # Errors
/// Names the header.
pub fn without_disguise(headers: &BTreeMap<String, String>) -> Result<(), String> {
    let disguises = |name: &&String| {
        is_one_of(name, &DISGUISES) || name.to_ascii_lowercase().starts_with("sec-")
    };
    match headers.keys().find(disguises) {
        Some(name) => Err(format!(
            "`{name}` cannot be set for an account with a web session: the gateway always says what it is; remove it"
        )),
        None => Ok(()),
    }
}

fn is_one_of(name: &str, known: &[&str]) -> bool {
    known.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// An API key, a client's secret or a token: one word of visible ASCII.
///
/// # Errors
/// Nothing of the secret.
pub fn credential(text: &str) -> Result<(), String> {
    bounded(text)?;
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(
            "holds a space, line end or other character that a header cannot carry".to_owned(),
        );
    }
    Ok(())
}

/// A session cookie: the value of a `cookie` header, or the session key alone.
///
/// # Errors
/// Nothing of the cookie.
pub fn cookie(text: &str) -> Result<(), String> {
    bounded(text)?;
    if !text.bytes().all(|b| b.is_ascii_graphic() || b == b' ') {
        return Err("holds a line end or other character that a header cannot carry".to_owned());
    }
    Ok(())
}

fn bounded(text: &str) -> Result<(), String> {
    if text.trim().is_empty() {
        return Err("is empty".to_owned());
    }
    if text.len() > CREDENTIAL_MAX_BYTES {
        return Err(format!("is longer than {CREDENTIAL_MAX_BYTES} bytes"));
    }
    Ok(())
}
