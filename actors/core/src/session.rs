//! A client session in use: which account it was served by, so that its prompt cache is met again, and a web
//! conversation that waits for the result of a tool.
//!
//! Invariant: affinity is a preference, never a pin, and bounded in time; a paused conversation is taken once, by the
//! session it belongs to, or let go when its time is over.

use std::any::Any;
use std::sync::Arc;

use crate::gate::{Entry, EntryGuard};
use crate::id::{AccountId, SessionKey};
use crate::machine::{Input, Machine, Ticket, Turn};
use crate::port::SessionRow;
use crate::time::Now;

/// A placement is told anew when less than this share of its time is left.
const RENEW_AT: u64 = 2;

/// Where a session was served last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Affinity {
    pub account: AccountId,
    /// Milliseconds since the Unix epoch.
    pub until_ms: u64,
}

/// What requests see of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionView {
    pub affinity: Option<Affinity>,
}

impl SessionView {
    #[must_use]
    pub fn preferred(&self, unix_ms: u64) -> Option<AccountId> {
        self.affinity
            .filter(|a| a.until_ms > unix_ms)
            .map(|a| a.account)
    }

    /// Does a request that `account` has just served have to be told? Not while the session is at home there for a while.
    #[must_use]
    pub fn must_tell(&self, account: AccountId, ttl_ms: u64, unix_ms: u64) -> bool {
        !self
            .affinity
            .is_some_and(|a| a.account == account && a.until_ms > unix_ms + ttl_ms / RENEW_AT)
    }
}

/// A conversation that waits; what it is made of is its adapter's business. Dropping it lets it go.
pub struct Paused {
    pub account: AccountId,
    pub conversation: Box<dyn Any + Send>,
}

impl std::fmt::Debug for Paused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Paused")
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
pub enum SessionAsk {
    /// The conversation that waits, if one does; whoever asks has it.
    Resume,
}

impl Clone for SessionAsk {
    fn clone(&self) -> Self {
        Self::Resume
    }
}

#[derive(Debug)]
pub enum SessionReply {
    Resumed(Option<Paused>),
}

#[derive(Debug)]
pub enum SessionTell {
    /// A request of this session was served by `account`; `hold` keeps the actor until this is known.
    Placed {
        account: AccountId,
        /// What the session has cached there.
        cached_tokens: u64,
        hold: Option<EntryGuard>,
    },
    /// A conversation waits for at most `for_ms`. One that waited before is let go.
    Pause { paused: Paused, for_ms: u64 },
}

#[derive(Debug)]
pub enum SessionEffect {
    Save(SessionRow),
}

#[derive(Debug)]
pub enum SessionDone {
    Saved,
}

/// How long things last.
#[derive(Clone, Copy, Debug)]
pub struct SessionTimes {
    /// A placement is preferred so long.
    pub ttl_ms: u64,
    /// An unused actor leaves after so long.
    pub idle_ms: u64,
}

/// The session actor's core.
#[derive(Debug)]
pub struct Session {
    key: SessionKey,
    view: SessionView,
    paused: Option<(Paused, u64)>,
    entry: Arc<Entry>,
    times: SessionTimes,
    wake_at_ms: u64,
}

impl Session {
    /// `known` is what an earlier actor or process knew.
    #[must_use]
    pub fn new(
        key: SessionKey,
        known: Option<Affinity>,
        entry: Arc<Entry>,
        times: SessionTimes,
        now: Now,
    ) -> Self {
        Self {
            key,
            view: SessionView { affinity: known },
            paused: None,
            entry,
            times,
            wake_at_ms: now.mono_ms + times.idle_ms,
        }
    }

    fn placed(&mut self, now: Now, account: AccountId, cached_tokens: u64, turn: &mut Turn<Self>) {
        let until_ms = now.unix_ms + self.times.ttl_ms;
        self.view.affinity = Some(Affinity { account, until_ms });
        turn.publish();
        turn.effect(SessionEffect::Save(SessionRow {
            session: self.key,
            account,
            cached_tokens,
            until_ms,
        }));
    }

    fn resume(&mut self, ticket: Ticket, turn: &mut Turn<Self>) {
        let paused = self.paused.take().map(|(paused, _)| paused);
        turn.reply(ticket, SessionReply::Resumed(paused));
    }
}

impl Machine for Session {
    type Ask = SessionAsk;
    type Reply = SessionReply;
    type Tell = SessionTell;
    type Effect = SessionEffect;
    type Done = SessionDone;
    type View = SessionView;

    fn handle(&mut self, now: Now, input: Input<Self>, turn: &mut Turn<Self>) {
        let had_paused = self.paused.is_some();
        if self
            .paused
            .as_ref()
            .is_some_and(|(_, at)| *at <= now.mono_ms)
        {
            self.paused = None;
        }
        match input {
            Input::Ask(ticket, SessionAsk::Resume) => self.resume(ticket, turn),
            Input::Tell(SessionTell::Placed {
                account,
                cached_tokens,
                hold,
            }) => {
                self.placed(now, account, cached_tokens, turn);
                drop(hold);
            }
            Input::Tell(SessionTell::Pause { paused, for_ms }) => {
                self.paused = Some((paused, now.mono_ms.saturating_add(for_ms)));
            }
            Input::Done(SessionDone::Saved) | Input::Left(_) | Input::Wake => {}
        }
        let idle_at = self.entry.touched_ms() + self.times.idle_ms;
        // Begun for a conversation alone, it is of no more use.
        let is_spent = had_paused && self.view.affinity.is_none();
        let may_leave = self.paused.is_none() && (is_spent || idle_at <= now.mono_ms);
        if may_leave && self.entry.try_close() {
            turn.stop();
        }
        let pause_ends = self.paused.as_ref().map_or(u64::MAX, |(_, at)| *at);
        self.wake_at_ms = idle_at.max(now.mono_ms + 1_000).min(pause_ends);
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

    use crate::id::KeyId;

    const ACCOUNT: AccountId = AccountId(Uuid::nil());

    fn session(entry: &Arc<Entry>) -> Session {
        let key = SessionKey {
            key: KeyId(Uuid::nil()),
            session: 7,
        };
        let times = SessionTimes {
            ttl_ms: 1_000,
            idle_ms: 5_000,
        };
        Session::new(key, None, entry.clone(), times, Now::default())
    }

    fn tell(session: &mut Session, now: Now, tell: SessionTell) -> Turn<Session> {
        let mut turn = Turn::default();
        session.handle(now, Input::Tell(tell), &mut turn);
        turn
    }

    #[test]
    fn a_placement_is_preferred_until_it_is_old_and_saved() {
        let entry = Entry::new(0);
        let mut session = session(&entry);
        let placed = SessionTell::Placed {
            account: ACCOUNT,
            cached_tokens: 9,
            hold: entry.enter(0),
        };
        let turn = tell(&mut session, Now::default(), placed);
        assert!(turn.publish && !turn.stop);
        let SessionEffect::Save(row) = &turn.effects[0];
        assert_eq!((row.until_ms, row.cached_tokens), (1_000, 9));
        let view = session.view();
        assert_eq!(view.preferred(999), Some(ACCOUNT));
        assert_eq!(view.preferred(1_000), None);
        assert!(!view.must_tell(ACCOUNT, 1_000, 499) && view.must_tell(ACCOUNT, 1_000, 500));
        let mut later = Turn::default();
        session.handle(Now::default().plus(5_000), Input::Wake, &mut later);
        assert!(later.stop);
    }

    #[test]
    fn a_paused_conversation_is_taken_once_and_not_after_its_time() {
        let entry = Entry::new(0);
        let mut session = session(&entry);
        let pause = || SessionTell::Pause {
            paused: Paused {
                account: ACCOUNT,
                conversation: Box::new(1u8),
            },
            for_ms: 100,
        };
        let resume = |session: &mut Session, at_ms| {
            let mut turn = Turn::default();
            let ask = Input::Ask(Ticket(1), SessionAsk::Resume);
            session.handle(Now::default().plus(at_ms), ask, &mut turn);
            let (_, SessionReply::Resumed(paused)) = turn.replies.remove(0);
            (paused.is_some(), turn.stop)
        };
        let hold = entry.enter(0);
        tell(&mut session, Now::default(), pause());
        assert_eq!(session.deadline(), Some(100));
        assert_eq!(resume(&mut session, 99), (true, false));
        assert_eq!(resume(&mut session, 99), (false, false));
        drop(hold);
        tell(&mut session, Now::default(), pause());
        assert_eq!(
            resume(&mut session, 100),
            (false, true),
            "it was begun for this alone"
        );
        tell(&mut session, Now::default().plus(9_000), pause());
        assert!(
            session.paused.is_some(),
            "an idle session with a pause stays"
        );
    }
}
