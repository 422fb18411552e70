//! The control plane's client: token endpoints, probes and logins, over the account's own network.
//!
//! Invariant: no redirect is followed, no proxy of the environment is used, no idle connection is kept, and no link-local
//! address is spoken to, whatever its name resolved to.

use std::{io, sync::OnceLock, time::Duration};

use reqwest::{
    Client,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect::Policy,
};
use secrecy::ExposeSecret as _;
use tokio::net::lookup_host;

use super::Network;
use crate::{
    USER_AGENT,
    base_url::is_forbidden_address,
    tls::{self, TlsSetupError},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// For a request without a time limit of its own.
const TIMEOUT: Duration = Duration::from_secs(60);

impl Network {
    /// A client for requests outside the data path; the same one at each call. A request without a limit of its own ends
    /// after a minute, its body included.
    pub fn control_client(&self) -> Result<Client, String> {
        static DIRECT: OnceLock<Client> = OnceLock::new();
        let kept = self.0.as_ref().map_or(&DIRECT, |own| &own.control);
        self.kept(kept, Some(TIMEOUT))
    }

    fn kept(&self, kept: &OnceLock<Client>, limit: Option<Duration>) -> Result<Client, String> {
        if let Some(client) = kept.get() {
            return Ok(client.clone());
        }
        let tls = match self.roots() {
            Ok(roots) => tls::control_plane(roots),
            // Plain http needs no roots; such a client is not kept, as installing roots mends it.
            Err(TlsSetupError::NoRoots) => return self.client(tls::without_roots(), limit),
            Err(err) => Err(err),
        };
        let client = self.client(tls, limit)?;
        Ok(kept.get_or_init(|| client).clone())
    }

    /// As [`Self::control_client`], without a limit on the whole: for answers that last as long as they are read.
    pub fn stream_client(&self) -> Result<Client, String> {
        static DIRECT: OnceLock<Client> = OnceLock::new();
        let kept = self.0.as_ref().map_or(&DIRECT, |own| &own.stream);
        self.kept(kept, None)
    }

    fn client(
        &self,
        tls: Result<rustls::ClientConfig, TlsSetupError>,
        limit: Option<Duration>,
    ) -> Result<Client, String> {
        let tls = tls.map_err(|err| err.to_string())?;
        let builder = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_max_idle_per_host(0)
            .user_agent(USER_AGENT)
            .dns_resolver(Names)
            .tls_backend_preconfigured(tls);
        let builder = match limit {
            Some(limit) => builder.timeout(limit),
            None => builder,
        };
        let builder = match self.proxy() {
            None => builder,
            Some(proxy) => {
                let url = proxy.url();
                let all = reqwest::Proxy::all(url.expose_secret())
                    .map_err(|_| format!("proxy {} cannot be used", proxy.label))?;
                builder.proxy(all)
            }
        };
        builder
            .build()
            .map_err(|_| "the HTTP client cannot be made".to_owned())
    }
}

/// Why a request of [`Network::control_client`] has no answer: its deepest cause, as those above it hold the URL.
pub(crate) fn describe(err: &reqwest::Error) -> String {
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
        Some(deepest) => format!("{what}: {deepest}"),
        None => what.to_owned(),
    }
}

/// The system's names without the addresses that no upstream has.
struct Names;

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<_> = found
                .filter(|address| !is_forbidden_address(address.ip()))
                .collect();
            if allowed.is_empty() {
                return Err(io::Error::other("host has no address that may be spoken to").into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests;
