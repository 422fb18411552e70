//! What may follow a failed attempt. Pure, but for the pause's jitter.
//!
//! Invariant: an account's fault may go to its next credential; everybody else's goes to another account or nowhere.

use std::time::Duration;

use smallvec::SmallVec;
use troupe_core::AccountId;
use troupe_core::account::Verdict;
use troupe_upstream::Retry;

use super::super::choose::Tried;
use super::super::exchange::Exchange;
use super::super::failure::Failure;
use super::Ask;

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Stop,
    /// Another credential of the same account, or another account.
    OtherCredential,
    OtherAccount {
        pause: Option<Duration>,
    },
}

/// What one request has used up.
#[derive(Debug, Default)]
pub(super) struct Retries {
    /// What may have been processed was repeated.
    repeated: bool,
    /// A re-used connection that was reset was replaced.
    reconnected: bool,
    /// Accounts that were overloaded; they may be asked again when nobody else is there.
    overloaded: SmallVec<[AccountId; 2]>,
}

impl Retries {
    pub(super) fn after(&mut self, failure: &Failure, sent_once: bool, attempt: usize) -> Next {
        if sent_once {
            return Next::Stop;
        }
        match failure.retry() {
            Retry::Relay | Retry::Never => Next::Stop,
            Retry::NextAccount if failure.verdict().is_account_fault() => Next::OtherCredential,
            Retry::NextAccount => Next::OtherAccount { pause: None },
            Retry::NextAccountAfterPause => Next::OtherAccount {
                pause: Some(pause(attempt)),
            },
            Retry::NextAccountOnce | Retry::SameAccountOnce => {
                match std::mem::replace(&mut self.repeated, true) {
                    true => Next::Stop,
                    false => Next::OtherAccount { pause: None },
                }
            }
        }
    }

    /// May the same account be tried over a fresh connection?
    pub(super) fn may_reconnect(&mut self, failure: &Failure) -> bool {
        failure.retry() == Retry::SameAccountOnce && !std::mem::replace(&mut self.reconnected, true)
    }

    pub(super) fn note_overload(&mut self, failure: &Failure, id: AccountId) {
        if failure.verdict() == Verdict::Overloaded {
            self.overloaded.push(id);
        }
    }

    /// Nobody else is there: those that were only overloaded may be tried again.
    pub(super) fn overloaded_alone(&mut self, tried: &mut Tried) -> bool {
        let again = !self.overloaded.is_empty();
        self.overloaded.drain(..).for_each(|id| tried.forget(id));
        again
    }

    /// Is there somebody left to wait for?
    pub(super) fn has_more(&self, exchange: &Exchange, ask: &Ask<'_>, tried: &Tried) -> bool {
        let accounts = exchange.worker.gateway.directory.accounts();
        let is_left = |id| ask.bound.is_none_or(|bound| bound == id) && !tried.has(id);
        !self.overloaded.is_empty()
            || accounts.iter().any(|account| {
                is_left(account.id) && ask.binding.allows(&account.view.load().record)
            })
    }
}

/// Growing, bounded, with jitter of up to a half.
fn pause(attempt: usize) -> Duration {
    let base_ms = 50u64 << attempt.min(4);
    let jitter = u64::from(uuid::Uuid::now_v7().as_bytes()[15]) * base_ms / 512;
    Duration::from_millis(base_ms + jitter)
}
