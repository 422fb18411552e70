//! The data path's client: one for each HTTP worker, never shared.
//!
//! Invariant: no redirect is followed, nothing is decompressed behind our back, no header is added, the number of
//! connections is not capped, and no time limit but those of connecting lives here; the pipeline owns the others.
//! An idle connection past its time is closed when the next request to its host looks for one.

use std::{cell::OnceCell, fmt, rc::Rc, sync::Arc, time::Duration};

use awc::Connector;
use rustls::ClientConfig;

use crate::{
    tls::{self, TlsSetupError},
    transport::{Dialler, Watch},
};

/// Times of the connections.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// For the name's resolution and TCP together, and again for the TLS handshake.
    pub connect_timeout: Duration,
    /// Idle longer, a connection is not used again; below what upstreams and the balancers before them allow (60 s).
    pub idle: Duration,
    pub lifetime: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            idle: Duration::from_secs(50),
            lifetime: Duration::from_secs(3600),
        }
    }
}

/// Connections to upstreams and the way to use them. Not `Send`; clones share the connections.
#[derive(Clone)]
pub struct UpstreamClient(Rc<Inner>);

struct Inner {
    plain: awc::Client,
    /// Made for the first https request, as it needs the root certificates.
    secure: OnceCell<awc::Client>,
    tls: Option<Arc<ClientConfig>>,
    settings: Settings,
    watch: Rc<Watch>,
}

// === impl UpstreamClient ===

impl UpstreamClient {
    /// With the system's root certificates.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self::build(settings, None)
    }

    /// With a TLS configuration of the caller's; see [`tls::data_path`].
    #[must_use]
    pub fn with_tls(settings: Settings, tls: Arc<ClientConfig>) -> Self {
        Self::build(settings, Some(tls))
    }

    fn build(settings: Settings, tls: Option<Arc<ClientConfig>>) -> Self {
        let watch = Rc::new(Watch::default());
        Self(Rc::new(Inner {
            plain: build(settings, &watch, None),
            secure: OnceCell::new(),
            tls,
            settings,
            watch,
        }))
    }

    pub(crate) fn watch(&self) -> &Rc<Watch> {
        &self.0.watch
    }

    pub(crate) fn for_scheme(&self, secure: bool) -> Result<&awc::Client, TlsSetupError> {
        if !secure {
            return Ok(&self.0.plain);
        }
        if let Some(client) = self.0.secure.get() {
            return Ok(client);
        }
        let tls = match &self.0.tls {
            Some(tls) => tls.clone(),
            None => tls::system()?,
        };
        let client = build(self.0.settings, &self.0.watch, Some(tls));
        Ok(self.0.secure.get_or_init(|| client))
    }
}

impl fmt::Debug for UpstreamClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamClient")
            .field("settings", &self.0.settings)
            .finish_non_exhaustive()
    }
}

fn build(settings: Settings, watch: &Rc<Watch>, tls: Option<Arc<ClientConfig>>) -> awc::Client {
    let mut connector = Connector::new()
        .connector(Dialler::new(watch.clone()))
        .limit(0)
        .timeout(settings.connect_timeout)
        .handshake_timeout(settings.connect_timeout)
        .conn_keep_alive(settings.idle)
        .conn_lifetime(settings.lifetime);
    if let Some(tls) = tls {
        connector = connector.rustls_0_23(tls);
    }
    awc::Client::builder()
        .connector(connector)
        .disable_timeout()
        .disable_redirects()
        .no_default_headers()
        .finish()
}
