//! Sessions in memory. Invariant: `session_ends` has one entry for each session, that of its row.

use troupe_core::port::{PortFuture, SessionRow, SessionStore};
use troupe_core::{KeyId, SessionKey};

use super::{Memory, SESSIONS, State};
use crate::rules::{last_to_end, session_order};

impl State {
    fn save_session(&mut self, row: SessionRow) {
        if let Some(old) = self.sessions.insert(row.session, row) {
            self.session_ends.remove(&session_order(&old));
        }
        self.session_ends.insert(session_order(&row));
        if self.sessions.len() > SESSIONS
            && let Some(soonest) = self.session_ends.pop_first()
        {
            self.sessions.remove(&session_of(soonest));
        }
    }

    fn prune_sessions(&mut self, now_ms: u64) -> usize {
        let mut gone = 0;
        while let Some(soonest) = self.session_ends.first().copied()
            && soonest.0 <= now_ms
        {
            self.session_ends.pop_first();
            self.sessions.remove(&session_of(soonest));
            gone += 1;
        }
        gone
    }
}

fn session_of((_, key, session): (u64, KeyId, u64)) -> SessionKey {
    SessionKey { key, session }
}

impl SessionStore for Memory {
    fn save(&self, rows: Vec<SessionRow>) -> PortFuture<'_, ()> {
        Box::pin(async move {
            self.with(|state| rows.into_iter().for_each(|row| state.save_session(row)));
            Ok(())
        })
    }

    fn load(&self, now_ms: u64, limit: usize) -> PortFuture<'_, Vec<SessionRow>> {
        Box::pin(async move {
            self.with(|state| last_to_end(state.sessions.values().copied().map(Ok), now_ms, limit))
        })
    }

    fn prune(&self, now_ms: u64) -> PortFuture<'_, usize> {
        Box::pin(async move { Ok(self.with(|state| state.prune_sessions(now_ms))) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::sample;

    #[tokio::test]
    async fn the_soonest_to_end_goes_first() {
        let memory = Memory::default();
        let rows = (0..=SESSIONS as u64).map(|n| sample::session(n, 1_000 + n));
        memory.save(rows.collect()).await.unwrap();
        let found = memory.load(0, usize::MAX).await.unwrap();
        assert_eq!(
            (found.len(), found[SESSIONS - 1].until_ms),
            (SESSIONS, 1_001)
        );
        assert_eq!(memory.prune(u64::MAX).await.unwrap(), SESSIONS);
        assert!(memory.with(|state| state.sessions.is_empty()));
    }
}
