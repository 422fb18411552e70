//! Session actors: activated on first use, passivated when idle, bounded in number; where they were served is
//! remembered longer than they live.

mod effects;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use troupe_core::gate::Entry;
use troupe_core::session::{Session, SessionView};

use crate::shell::Handle;

pub(crate) use effects::SessionEffects;
pub use effects::Affinities;

/// A session whose actor runs.
#[derive(Debug)]
pub struct ActiveSession {
    pub entry: Arc<Entry>,
    pub view: Arc<ArcSwap<SessionView>>,
    pub handle: Handle<Session>,
    /// Tokens that the session's account has cached, as of the last answer.
    cached_tokens: AtomicU64,
}

impl ActiveSession {
    pub(crate) fn new(
        entry: Arc<Entry>,
        view: Arc<ArcSwap<SessionView>>,
        handle: Handle<Session>,
        cached_tokens: u64,
    ) -> Self {
        Self {
            entry,
            view,
            handle,
            cached_tokens: AtomicU64::new(cached_tokens),
        }
    }

    #[must_use]
    pub fn cached_tokens(&self) -> u64 {
        self.cached_tokens.load(Ordering::Relaxed)
    }

    pub fn set_cached_tokens(&self, tokens: u64) {
        self.cached_tokens.store(tokens, Ordering::Relaxed);
    }
}
