//! The data path's client: one for each HTTP worker, never shared.
//!
//! Invariant: no redirect is followed, nothing is decompressed behind our back, no header is added, the number of
//! connections is not capped, and no time limit but those of connecting lives here; the pipeline owns the others.

use std::{cell::RefCell, fmt, rc::Rc, time::Duration};

use crate::pool::Pool;

/// So much is read at once; two full TLS records.
const SCRATCH_BYTES: usize = 32 * 1024;

/// Times of the connections.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// For the name's resolution and TCP together, and again for the TLS handshake; both also on the way to a proxy, which
    /// has it once more for its answer.
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
}

// === impl UpstreamClient ===

impl UpstreamClient {
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self(Rc::new(Shared {
            settings,
            pool: RefCell::new(Pool::new(settings.idle, settings.lifetime)),
            scratch: RefCell::new(vec![0; SCRATCH_BYTES].into_boxed_slice()),
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
