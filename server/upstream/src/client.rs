//! The data path's client: one for each HTTP worker, never shared.
//!
//! Invariant: no redirect is followed, nothing is decompressed behind our back, no header is added, the number of
//! connections is not capped, and no time limit but those of connecting lives here; the pipeline owns the others.

use std::{
    cell::{OnceCell, RefCell},
    fmt,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use rustls::ClientConfig;

use crate::{
    pool::Pool,
    tls::{self, TlsSetupError},
};

/// So much is read at once; two full TLS records.
const SCRATCH_BYTES: usize = 32 * 1024;

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
pub struct UpstreamClient(Rc<Shared>);

/// What the requests of one worker share.
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) pool: RefCell<Pool>,
    /// All connections read into this, within one poll: what waits for its upstream holds no buffer.
    pub(crate) scratch: RefCell<Box<[u8]>>,
    /// Made for the first https request, as it needs the root certificates.
    tls: OnceCell<Arc<ClientConfig>>,
}

// === impl Shared ===

impl Shared {
    pub(crate) fn tls(&self) -> Result<Arc<ClientConfig>, TlsSetupError> {
        if let Some(tls) = self.tls.get() {
            return Ok(tls.clone());
        }
        let tls = tls::system()?;
        Ok(self.tls.get_or_init(|| tls).clone())
    }
}

// === impl UpstreamClient ===

impl UpstreamClient {
    /// With the system's root certificates.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self::build(settings, OnceCell::new())
    }

    /// With a TLS configuration of the caller's; see [`tls::data_path`].
    #[must_use]
    pub fn with_tls(settings: Settings, tls: Arc<ClientConfig>) -> Self {
        Self::build(settings, OnceCell::from(tls))
    }

    fn build(settings: Settings, tls: OnceCell<Arc<ClientConfig>>) -> Self {
        Self(Rc::new(Shared {
            settings,
            pool: RefCell::new(Pool::new(settings.idle, settings.lifetime)),
            scratch: RefCell::new(vec![0; SCRATCH_BYTES].into_boxed_slice()),
            tls,
        }))
    }

    pub(crate) fn shared(&self) -> &Rc<Shared> {
        &self.0
    }
}

impl fmt::Debug for UpstreamClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamClient")
            .field("settings", &self.0.settings)
            .finish_non_exhaustive()
    }
}
