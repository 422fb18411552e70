//! Does a credential work? Asked of the upstream itself, by a plain authenticated read.
//!
//! Invariant: neither an error nor a `Debug` holds the secret, even where the upstream repeats it.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use reqwest::{
    RequestBuilder,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use secrecy::{ExposeSecret, SecretString};
use troupe_core::account::{AuthScheme, Probe};
use troupe_wire::error::read_error;

use crate::{base_url::BaseUrl, classify::reason, network::Network};

const TIMEOUT: Duration = Duration::from_secs(10);
const VERSION: &str = "2023-06-01";

/// So much of a refusal is read for its message.
const BODY_MAX_BYTES: usize = 8 * 1024;

/// Asks upstreams, each over its account's own network.
#[derive(Clone, Copy, Debug, Default)]
pub struct Prober;

impl Prober {
    /// `GET {base}/v1/models?limit=1` with the account's credential and headers.
    pub async fn probe(
        &self,
        network: &Network,
        base: &BaseUrl,
        auth: AuthScheme,
        secret: &SecretString,
        headers: &BTreeMap<String, String>,
    ) -> Probe {
        match ask(network, base, auth, secret, headers).await {
            Ok(probe) => probe,
            Err(message) => Probe::Inconclusive {
                message: hidden(&message, secret),
            },
        }
    }
}

async fn ask(
    network: &Network,
    base: &BaseUrl,
    auth: AuthScheme,
    secret: &SecretString,
    headers: &BTreeMap<String, String>,
) -> Result<Probe, String> {
    let url = format!("{}/v1/models?limit=1", base.as_str());
    let headers = request_headers(auth, secret, headers)?;
    if base.is_https() {
        // Says what is missing; the client could only say that it trusts nobody.
        network.tls().map_err(|err| err.to_string())?;
    }
    let client = network.control_client()?;
    let request = client.get(url).headers(headers).timeout(TIMEOUT);
    let (started, status, said) = exchange(request).await?;
    // Before it is cut, so that no part of the secret is left.
    let said = hidden(&said, secret);
    let latency_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(match status {
        200..=299 => Probe::Ok {
            latency_ms,
            said: format!("status {status}"),
        },
        401..=403 => Probe::Rejected {
            status,
            message: reason(&said, "credential not accepted"),
        },
        _ => return Err(reason(&format!("status {status} {said}"), "")),
    })
}

/// The moment it was sent, the status, and the message of an error.
async fn exchange(request: RequestBuilder) -> Result<(Instant, u16, String), String> {
    let started = Instant::now();
    let mut answer = request.send().await.map_err(|err| describe(&err))?;
    let status = answer.status();
    let mut body = Vec::new();
    if !status.is_success() {
        while body.len() < BODY_MAX_BYTES {
            match answer.chunk().await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) | Err(_) => break,
            }
        }
    }
    let said = read_error(&body).unwrap_or_default().message;
    Ok((started, status.as_u16(), said))
}

fn request_headers(
    auth: AuthScheme,
    secret: &SecretString,
    extra: &BTreeMap<String, String>,
) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    headers.insert("anthropic-version", HeaderValue::from_static(VERSION));
    for (name, value) in extra {
        let parsed = HeaderName::from_bytes(name.as_bytes());
        let (Ok(parsed), Ok(mut value)) = (parsed, HeaderValue::from_str(value)) else {
            return Err(format!("header {name:?} cannot be sent"));
        };
        value.set_sensitive(true);
        headers.insert(parsed, value);
    }
    let (name, value) = match auth {
        AuthScheme::XApiKey => ("x-api-key", HeaderValue::from_str(secret.expose_secret())),
        AuthScheme::Bearer => (
            "authorization",
            HeaderValue::from_str(&format!("Bearer {}", secret.expose_secret())),
        ),
    };
    let mut value = value.map_err(|_| "the credential has characters that no header can carry")?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(headers)
}

fn describe(err: &reqwest::Error) -> String {
    let what = if err.is_timeout() {
        "timed out"
    } else if err.is_connect() {
        "cannot connect"
    } else {
        "no valid answer"
    };
    let mut cause = std::error::Error::source(err);
    let mut deepest = None;
    while let Some(inner) = cause {
        deepest = Some(inner.to_string());
        cause = inner.source();
    }
    match deepest {
        Some(deepest) => reason(&format!("{what}: {deepest}"), what),
        None => what.to_owned(),
    }
}

fn hidden(message: &str, secret: &SecretString) -> String {
    match secret.expose_secret() {
        "" => message.to_owned(),
        secret => message.replace(secret, "…"),
    }
}

#[cfg(test)]
mod tests;
