//! Where an account's requests go, and how they get there.

use secrecy::SecretString;
use troupe_upstream::token::EndpointUrl;
use troupe_upstream::{BaseUrl, Network, NetworkError};
use url::Url;

/// A base URL of the Messages API, as it is stored: without a trailing slash.
///
/// # Errors
/// What would be right.
pub fn base_url(text: &str) -> Result<String, String> {
    let base = BaseUrl::parse(text).map_err(|error| error.to_string())?;
    if base.as_str().ends_with("/v1") {
        return Err("must not end in `/v1`: the gateway adds it".to_owned());
    }
    Ok(base.as_str().to_owned())
}

/// A base URL of the web surface, as it is stored: without a trailing slash.
///
/// # Errors
/// What would be right.
pub fn web_base_url(text: &str) -> Result<String, String> {
    let base = BaseUrl::parse(text).map_err(|error| error.to_string())?;
    if base.as_str().ends_with("/api") {
        return Err("must not end in `/api`: the gateway adds it".to_owned());
    }
    Ok(base.as_str().to_owned())
}

/// A token or authorize endpoint.
///
/// # Errors
/// What would be right.
pub fn endpoint_url(text: &str) -> Result<(), String> {
    EndpointUrl::parse(text)
        .map(drop)
        .map_err(|error| error.to_string())
}

/// Where a login sends the person back to (RFC 6749 §3.1.2): absolute, without a fragment.
///
/// # Errors
/// What would be right.
pub fn redirect_uri(text: &str) -> Result<(), String> {
    let url = Url::parse(text).map_err(|error| format!("is not a URL: {error}"))?;
    if url.fragment().is_some() {
        return Err("must not have a fragment (`#…`)".to_owned());
    }
    Ok(())
}

/// A proxy's URL, perhaps with user and password.
///
/// # Errors
/// What would be right; nothing of the URL.
pub fn proxy(url: &SecretString) -> Result<(), String> {
    Network::new(Some(url), None)
        .map(drop)
        .map_err(|error| without(&error, "proxy "))
}

/// The content of a file of certificate authorities.
///
/// # Errors
/// What would be right.
pub fn ca_pem(pem: &[u8]) -> Result<(), String> {
    Network::new(None, Some(pem))
        .map(drop)
        .map_err(|error| without(&error, "ca "))
}

/// The message without its subject, which the field's name says already.
fn without(error: &NetworkError, subject: &str) -> String {
    let message = error.to_string();
    match message.strip_prefix(subject) {
        Some(rest) => rest.to_owned(),
        None => message,
    }
}
