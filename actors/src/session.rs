//! Session actors: activated on first use, passivated when idle, bounded in number; where they were served is
//! remembered longer than they live.

mod effects;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use troupe_core::AccountId;
use troupe_core::gate::{Entry, EntryGuard};
use troupe_core::session::{Affinity, Session, SessionTell, SessionView};

use crate::shell::Handle;

pub use effects::Affinities;
pub(crate) use effects::SessionEffects;

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
        is_worth_telling(
            self.cached_tokens(),
            self.told_tokens.load(Ordering::Relaxed),
        )
    }

    /// Tells where the session is at home now, and until when (ms since the Unix epoch). Its next request sees it at
    /// once: it may come before the actor has heard.
    pub fn place(&self, account: AccountId, until_ms: u64, hold: Option<EntryGuard>) {
        let cached_tokens = self.cached_tokens();
        self.told_tokens.store(cached_tokens, Ordering::Relaxed);
        self.view.store(Arc::new(SessionView {
            affinity: Some(Affinity { account, until_ms }),
        }));
        self.handle.tell(SessionTell::Placed {
            account,
            cached_tokens,
            hold,
        });
    }
}

fn is_worth_telling(now: u64, told: u64) -> bool {
    let (less, more) = (now.min(told), now.max(told));
    more >= WORTH_TELLING && more / 2 >= less
}

#[cfg(test)]
mod tests {
    use super::is_worth_telling;

    #[test]
    fn tokens_are_told_when_they_have_doubled_or_halved() {
        let table = [
            ((0, 0), false),
            ((1_023, 0), false),
            ((1_024, 0), true),
            ((70_000, 0), true),
            ((70_000, 70_000), false),
            ((139_999, 70_000), false),
            ((140_000, 70_000), true),
            ((35_000, 70_000), true),
            ((0, 70_000), true),
        ];
        for ((now, told), worth) in table {
            assert_eq!(is_worth_telling(now, told), worth, "{now} after {told}");
        }
        // A session that grows by a thousand a turn to two hundred thousand.
        let (mut told, mut times) = (0, 0);
        for now in (0..200_000).step_by(1_000) {
            if is_worth_telling(now, told) {
                (told, times) = (now, times + 1);
            }
        }
        assert!(times < 10, "{times}");
    }
}
