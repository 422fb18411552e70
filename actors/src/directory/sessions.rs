//! Sessions in the directory: bounded by `max_sessions`; over the bound a request simply has no affinity.

use std::sync::Arc;

use arc_swap::ArcSwap;
use dashmap::mapref::entry::Entry as MapEntry;
use troupe_core::SessionKey;
use troupe_core::gate::Entry;
use troupe_core::port::SessionRow;
use troupe_core::session::{Affinity, Session, SessionTimes, SessionView};

use super::Directory;
use crate::session::{ActiveSession, Affinities, SessionEffects};
use crate::shell::{Depth, Seed, spawn};
use crate::tree::Room;

impl Directory {
    /// The running actor of a session, started if need be; `None` when the bound is reached.
    #[must_use]
    pub fn session(self: &Arc<Self>, key: SessionKey) -> Option<Arc<ActiveSession>> {
        if let Some(found) = self.running_session(&key) {
            return Some(found);
        }
        if self.sessions.len() >= self.config.max_sessions {
            return None;
        }
        match self.sessions.entry(key) {
            MapEntry::Occupied(found) if !found.get().entry.is_closed() => {
                Some(Arc::clone(found.get()))
            }
            MapEntry::Occupied(mut closing) => {
                let session = Arc::new(self.start_session(key));
                closing.insert(Arc::clone(&session));
                Some(session)
            }
            MapEntry::Vacant(place) => {
                let session = Arc::new(self.start_session(key));
                place.insert(Arc::clone(&session));
                Some(session)
            }
        }
    }

    /// The actor of a session, if it runs.
    #[must_use]
    pub fn running_session(&self, key: &SessionKey) -> Option<Arc<ActiveSession>> {
        let found = self.sessions.get(key)?;
        (!found.entry.is_closed()).then(|| Arc::clone(found.value()))
    }

    /// How many sessions are active.
    #[must_use]
    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }

    /// Takes over where an earlier process had served sessions.
    pub fn remember_sessions(&self, rows: Vec<SessionRow>) {
        let latest_ms = self.clock().now().unix_ms + self.affinity_ttl_ms();
        self.affinities.remember(rows, latest_ms);
    }

    #[must_use]
    pub fn affinities(&self) -> &Affinities {
        &self.affinities
    }

    /// How long a session is at home with the account that served it last.
    #[must_use]
    pub fn affinity_ttl_ms(&self) -> u64 {
        millis(self.config.affinity_ttl)
    }

    fn start_session(self: &Arc<Self>, key: SessionKey) -> ActiveSession {
        let clock = self.tree.clock;
        let entry = Entry::new(clock.now().mono_ms);
        let view = Arc::new(ArcSwap::from_pointee(SessionView::default()));
        let times = SessionTimes {
            ttl_ms: self.affinity_ttl_ms(),
            idle_ms: millis(self.config.session_idle),
        };
        let known = self.affinities.known(&key);
        let cached_tokens = known.map_or(0, |row| row.cached_tokens);
        let affinities = self.affinities.clone();
        let (gate, published, directory) =
            (Arc::clone(&entry), Arc::clone(&view), Arc::downgrade(self));
        let closing = Arc::clone(&entry);
        let handle = spawn(
            &self.tree,
            Room::Ledger,
            Seed {
                name: "session",
                build: Box::new(move || {
                    let known = affinities.known(&key).map(|row| Affinity {
                        account: row.account,
                        until_ms: row.until_ms,
                    });
                    Session::new(key, known, Arc::clone(&gate), times, clock.now())
                }),
                publish: Box::new(move |v| published.store(Arc::new(v))),
                effects: Arc::new(SessionEffects(self.affinities.clone())),
                on_gone: Box::new(move |_| {
                    closing.close();
                    if let Some(directory) = directory.upgrade() {
                        directory
                            .sessions
                            .remove_if(&key, |_, session| Arc::ptr_eq(&session.entry, &closing));
                    }
                }),
                depth: Depth::new(self.config.ask_bound),
                clock,
                io: self.tree.io.clone(),
                stats: Arc::clone(&self.tree.stats),
            },
        );
        ActiveSession::new(entry, view, handle, cached_tokens)
    }
}

/// Far from an overflow, whatever is added.
fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX / 2)
}
