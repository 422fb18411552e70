//! Session actors: activated on first use, passivated when idle, bounded in number; where they were served is
//! remembered longer than they live.

mod effects;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use troupe_core::AccountId;
use troupe_core::gate::{Entry, EntryGuard};
use troupe_core::session::{Session, SessionTell, SessionView};

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
    /// The same as of the last placement that was told, so as it is stored.
    told_tokens: AtomicU64,
}

/// Fewer than so many are not worth being told.
const WORTH_TELLING: u64 = 1_024;

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
            told_tokens: AtomicU64::new(cached_tokens),
        }
    }

    #[must_use]
    pub fn cached_tokens(&self) -> u64 {
        self.cached_tokens.load(Ordering::Relaxed)
    }

    pub fn set_cached_tokens(&self, tokens: u64) {
        self.cached_tokens.store(tokens, Ordering::Relaxed);
    }

    /// They are left behind with the account that has them.
    #[must_use]
    pub fn leave_cached_tokens(&self) -> u64 {
        self.cached_tokens.swap(0, Ordering::Relaxed)
    }

    /// Must the placement be told once more, because of what is cached by now? Only when that has doubled or halved: a
    /// long session tells it a dozen times.
    #[must_use]
    pub fn must_tell_tokens(&self) -> bool {
        let (now, told) = (
            self.cached_tokens(),
            self.told_tokens.load(Ordering::Relaxed),
        );
        let (less, more) = (now.min(told), now.max(told));
        more >= WORTH_TELLING && more / 2 >= less
    }

    /// Tells where the session is at home now.
    pub fn place(&self, account: AccountId, hold: Option<EntryGuard>) {
        let cached_tokens = self.cached_tokens();
        self.told_tokens.store(cached_tokens, Ordering::Relaxed);
        self.handle.tell(SessionTell::Placed {
            account,
            cached_tokens,
            hold,
        });
    }
}
