//! Validation rules that several sections share.
//!
//! Invariant: no rule's message quotes the value, since it may be a secret.

use std::collections::BTreeMap;

use garde::{Error, Result};

use super::keys::Endpoints;
use super::secret::Secret;
use super::unit::HumanDuration;

/// Framing is the gateway's own; these cannot be set for an account.
const OWN_HEADERS: [&str; 7] = [
    "accept-encoding",
    "connection",
    "content-length",
    "content-type",
    "host",
    "te",
    "transfer-encoding",
];

pub(super) fn name(name: &str, (): &()) -> Result {
    let letters = name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    let starts = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !letters || !starts || name.len() > 64 {
        return Err(Error::new(
            "must be 1 to 64 letters, digits, `.`, `_` or `-`, beginning with a letter or digit",
        ));
    }
    Ok(())
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "garde passes references")]
pub(super) fn not_zero(duration: &HumanDuration, (): &()) -> Result {
    if duration.get().is_zero() {
        return Err(Error::new("must be longer than 0s"));
    }
    Ok(())
}

/// A secret that travels in a header.
pub(super) fn header_secret(secret: &Secret, (): &()) -> Result {
    if !secret.expose().bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Error::new(
            "the secret holds a space, line end or other character that a header cannot carry",
        ));
    }
    Ok(())
}

pub(super) fn key_secret(secret: &Secret, context: &()) -> Result {
    header_secret(secret, context)?;
    if secret.expose().len() < 20 && !secret.is_redacted() {
        return Err(Error::new(
            "the secret is too short: at least 20 characters are needed",
        ));
    }
    Ok(())
}

pub(super) fn base_url(text: &str, (): &()) -> Result {
    let url = url::Url::parse(text);
    let url = url.map_err(|e| Error::new(format_args!("is not a URL: {e}")))?;
    if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none_or(str::is_empty) {
        return Err(Error::new("must be an http:// or https:// URL with a host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Error::new(
            "must not hold credentials; put them into `api_key` or `headers`",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(Error::new("must not have a `?` or `#` part"));
    }
    if url.path().trim_end_matches('/').ends_with("/v1") {
        return Err(Error::new("must not end in `/v1`: the gateway adds it"));
    }
    Ok(())
}

pub(super) fn headers(headers: &BTreeMap<String, Secret>, (): &()) -> Result {
    for (name, value) in headers {
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if name.is_empty() || !name.bytes().all(token) {
            return Err(Error::new(format_args!("`{name}` is not a header name")));
        }
        if OWN_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
            return Err(Error::new(format_args!(
                "`{name}` is set by the gateway itself"
            )));
        }
        let visible = |c: char| c == '\t' || (c.is_ascii() && !c.is_ascii_control());
        if !value.expose().chars().all(visible) {
            return Err(Error::new(format_args!(
                "the value of `{name}` holds a character that a header cannot carry"
            )));
        }
    }
    Ok(())
}

pub(super) fn model_names(names: &BTreeMap<String, String>, (): &()) -> Result {
    let fits =
        |name: &str| !name.is_empty() && name.len() <= 256 && !name.contains(char::is_control);
    if names.iter().any(|(from, to)| !fits(from) || !fits(to)) {
        return Err(Error::new("a model's name must be 1 to 256 characters"));
    }
    if names.keys().any(|from| from.contains("${")) {
        return Err(Error::new("variables are not expanded in keys"));
    }
    Ok(())
}

pub(super) fn endpoints(endpoints: &Endpoints, (): &()) -> Result {
    match endpoints {
        Endpoints::Paths(paths) if paths.is_empty() => {
            Err(Error::new("names no path; leave it out for the default"))
        }
        Endpoints::Paths(paths) if paths.iter().any(|p| !p.starts_with("/v1/")) => {
            Err(Error::new("every path must begin with `/v1/`"))
        }
        _ => Ok(()),
    }
}
