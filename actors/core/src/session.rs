//! A client session in use: which account it was served by, so that its prompt cache is met again.
//!
//! Invariant: affinity is a preference, never a pin; it is bounded in time and lives only on this node.

use std::sync::Arc;

use crate::gate::{Entry, EntryGuard};
use crate::id::AccountId;
use crate::machine::{Input, Machine, Turn};
use crate::time::Now;

/// What requests see of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionView {
    /// The preferred account and when the preference ends (monotonic ms).
    pub affinity: Option<(AccountId, u64)>,
}

impl SessionView {
    #[must_use]
    pub fn preferred(&self, mono_ms: u64) -> Option<AccountId> {
        self.affinity
            .filter(|&(_, until)| until > mono_ms)
            .map(|(account, _)| account)
    }
}

/// Sessions are never asked on the request path; the shell asks them nothing either.
#[derive(Debug)]
pub enum SessionAsk {}

#[derive(Debug)]
pub enum SessionTell {
    /// A request of this session was served by `account`; `hold` keeps the actor until this is known.
    Placed {
        account: AccountId,
        hold: Option<EntryGuard>,
    },
}

/// A session has no effects yet.
#[derive(Debug)]
pub enum Never {}

/// The session actor's core.
#[derive(Debug)]
pub struct Session {
    view: SessionView,
    entry: Arc<Entry>,
    ttl_ms: u64,
    idle_ms: u64,
    wake_at_ms: u64,
}

impl Session {
    /// `ttl_ms`: how long a placement is preferred; `idle_ms`: when an unused actor leaves.
    #[must_use]
    pub fn new(entry: Arc<Entry>, ttl_ms: u64, idle_ms: u64, now: Now) -> Self {
        Self {
            view: SessionView::default(),
            entry,
            ttl_ms,
            idle_ms,
            wake_at_ms: now.mono_ms + idle_ms,
        }
    }
}

impl Machine for Session {
    type Ask = SessionAsk;
    type Reply = Never;
    type Tell = SessionTell;
    type Effect = Never;
    type Done = Never;
    type View = SessionView;

    fn handle(&mut self, now: Now, input: Input<Self>, turn: &mut Turn<Self>) {
        match input {
            Input::Ask(_, ask) => match ask {},
            Input::Done(done) => match done {},
            Input::Tell(SessionTell::Placed { account, hold }) => {
                self.view.affinity = Some((account, now.mono_ms + self.ttl_ms));
                turn.publish();
                drop(hold);
            }
            Input::Left(_) | Input::Wake => {}
        }
        let idle_at = self.entry.touched_ms() + self.idle_ms;
        if idle_at <= now.mono_ms && self.entry.try_close() {
            turn.stop();
        }
        self.wake_at_ms = idle_at.max(now.mono_ms + 1_000);
    }

    fn view(&self) -> SessionView {
        self.view
    }

    fn deadline(&self) -> Option<u64> {
        Some(self.wake_at_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn a_placement_is_preferred_until_it_is_old() {
        let entry = Entry::new(0);
        let mut session = Session::new(entry.clone(), 1_000, 5_000, Now::default());
        let account = AccountId(Uuid::nil());
        let mut turn = Turn::default();
        let hold = entry.enter(0);
        session.handle(
            Now::default(),
            Input::Tell(SessionTell::Placed { account, hold }),
            &mut turn,
        );
        assert!(turn.publish && !turn.stop);
        assert_eq!(session.view().preferred(999), Some(account));
        assert_eq!(session.view().preferred(1_000), None);
        let mut later = Turn::default();
        session.handle(Now::default().plus(5_000), Input::Wake, &mut later);
        assert!(later.stop);
    }
}
