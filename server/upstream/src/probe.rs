//! Does a credential work? Asked of the upstream itself, by a plain authenticated read or by the smallest message.
//!
//! Invariant: neither an error nor a `Debug` holds the secret, even where the upstream repeats it.

mod message;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use reqwest::{
    RequestBuilder,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use secrecy::{ExposeSecret, SecretString};
use troupe_core::account::{Credential, Probe, ProbeKind, Scheme};
use troupe_wire::error::read_error;

use crate::{
    base_url::BaseUrl,
    classify::reason,
    network::{Network, describe},
};

const TIMEOUT: Duration = Duration::from_secs(10);
const VERSION: &str = "2023-06-01";

/// So much of a refusal is read for its message.
const REFUSAL_MAX_BYTES: usize = 8 * 1024;

/// What is asked, and by which way.
#[derive(Clone, Copy, Debug)]
pub struct ProbeRequest<'a> {
    pub network: &'a Network,
    pub base: &'a BaseUrl,
    /// Of the Messages surface: a key or a token.
    pub credential: &'a Credential,
    /// The account's own, sent with each request.
    pub headers: &'a BTreeMap<String, String>,
    pub kind: ProbeKind,
    /// Names of models here and at this upstream.
    pub models: &'a BTreeMap<String, String>,
}

/// Asks upstreams, each over its account's own network.
#[derive(Clone, Copy, Debug, Default)]
pub struct Prober;

// === impl Prober ===

impl Prober {
    /// A read is `GET {base}/v1/models?limit=1`; a message goes to the cheapest model that the upstream has.
    pub async fn probe(&self, request: ProbeRequest<'_>) -> Probe {
        let secret = &request.credential.secret;
        let asked = match request.kind {
            ProbeKind::Read => request.read().await,
            ProbeKind::Message => request.message().await,
        };
        match asked {
            Ok(Probe::Ok { latency_ms, said }) => Probe::Ok {
                latency_ms,
                said: hidden(&said, secret),
            },
            Ok(other) => other,
            Err(message) => Probe::Inconclusive {
                message: hidden(&message, secret),
            },
        }
    }
}

/// What came back.
struct Came {
    status: u16,
    latency_ms: u64,
    /// As much as was asked for.
    body: Vec<u8>,
}

// === impl ProbeRequest ===

impl ProbeRequest<'_> {
    async fn read(&self) -> Result<Probe, String> {
        let came = exchange(self.get("/v1/models?limit=1")?, 0).await?;
        if came.is_success() {
            return Ok(Probe::Ok {
                latency_ms: came.latency_ms,
                said: format!("status {}", came.status),
            });
        }
        self.refused(&came)
    }

    fn get(&self, path: &str) -> Result<RequestBuilder, String> {
        let url = format!("{}{path}", self.base.as_str());
        Ok(self
            .client()?
            .get(url)
            .headers(request_headers(self.credential, self.headers)?))
    }

    fn client(&self) -> Result<reqwest::Client, String> {
        if self.base.is_https() {
            // Says what is missing; the client could only say that it trusts nobody.
            self.network.tls().map_err(|err| err.to_string())?;
        }
        self.network.control_client()
    }

    fn refused(&self, came: &Came) -> Result<Probe, String> {
        let said = read_error(&came.body).unwrap_or_default().message;
        // Before it is cut, so that no part of the secret is left.
        let said = hidden(&said, &self.credential.secret);
        match came.status {
            401..=403 => Ok(Probe::Rejected {
                status: came.status,
                message: reason(&said, "credential not accepted"),
            }),
            status => Err(reason(&format!("status {status} {said}"), "")),
        }
    }
}

// === impl Came ===

impl Came {
    fn is_success(&self) -> bool {
        matches!(self.status, 200..=299)
    }
}

/// Reads at most so much of a success; of a refusal, what is needed for its message.
async fn exchange(request: RequestBuilder, success_max_bytes: usize) -> Result<Came, String> {
    let started = Instant::now();
    let sent = request.timeout(TIMEOUT).send().await;
    let mut answer = sent.map_err(|err| reason(&describe(&err), "no valid answer"))?;
    let latency_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let status = answer.status();
    let most = if status.is_success() {
        success_max_bytes
    } else {
        REFUSAL_MAX_BYTES
    };
    let mut body = Vec::new();
    while body.len() < most {
        match answer.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) | Err(_) => break,
        }
    }
    Ok(Came {
        status: status.as_u16(),
        latency_ms,
        body,
    })
}

fn request_headers(
    credential: &Credential,
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
    let secret = credential.secret.expose_secret();
    let (name, value) = match credential.scheme {
        Scheme::XApiKey => ("x-api-key", HeaderValue::from_str(secret)),
        Scheme::Bearer => (
            "authorization",
            HeaderValue::from_str(&format!("Bearer {secret}")),
        ),
        Scheme::Cookie => return Err("a cookie is for the web surface only".to_owned()),
    };
    let mut value = value.map_err(|_| "the credential has characters that no header can carry")?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(headers)
}

fn hidden(message: &str, secret: &SecretString) -> String {
    match secret.expose_secret() {
        "" => message.to_owned(),
        secret => message.replace(secret, "…"),
    }
}

#[cfg(test)]
mod tests;
