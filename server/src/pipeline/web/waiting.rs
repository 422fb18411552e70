//! Conversations that wait for the result of a tool: handed to session actors, and found again by the calls they wait for.
//!
//! Invariant: only requests of the key that a conversation was made for find it, and one of them has it; each waiting
//! conversation holds a connection, so that their number is bounded, for a key and for all. One over the bound is let
//! go at once: its request is then replayed from its history.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use dashmap::DashMap;
use troupe_actors::Directory;
use troupe_core::gate::{SlotGuard, Slots};
use troupe_core::session::{Paused, SessionAsk, SessionReply, SessionTell};
use troupe_core::{AccountId, KeyId, SessionKey};
use troupe_upstream::web::{self, PauseSink};

use super::super::exchange::Exchange;

/// Time in which a session's actor answers.
const RESUME_WITHIN: Duration = Duration::from_secs(1);
/// So many conversations wait in a process, and for one key.
const MOST: u32 = 1_024;
const MOST_OF_A_KEY: u32 = 128;

/// Room for conversations that wait.
#[derive(Debug)]
pub struct Rooms {
    all: Arc<Slots>,
    of_keys: DashMap<KeyId, Arc<Slots>>,
}

impl Default for Rooms {
    fn default() -> Self {
        Self {
            all: Slots::new(Some(MOST)),
            of_keys: DashMap::new(),
        }
    }
}

impl Rooms {
    fn are_empty(&self) -> bool {
        self.all.in_use() == 0
    }

    fn take(&self, key: KeyId) -> Option<[SlotGuard; 2]> {
        if self.of_keys.len() > MOST as usize {
            self.of_keys.retain(|_, rooms| rooms.in_use() > 0);
        }
        let of_key = self.of_keys.entry(key);
        let of_key = of_key.or_insert_with(|| Slots::new(Some(MOST_OF_A_KEY)));
        Some([of_key.try_take()?, self.all.try_take()?])
    }
}

/// A conversation in its room.
struct Kept {
    conversation: web::Paused,
    _room: [SlotGuard; 2],
}

/// The conversation that waits for the tool results in `body`, if one does.
pub async fn paused(exchange: &Exchange, key: KeyId, body: &Bytes) -> Option<Paused> {
    let gateway = &exchange.worker.gateway;
    // Most requests are read no further for this.
    if gateway.web.rooms.are_empty() {
        return None;
    }
    let session = session_of(key, &web::answered_tools(body))?;
    let active = gateway.directory.running_session(&session)?;
    let asked = active.handle.ask(SessionAsk::Resume);
    match tokio::time::timeout(RESUME_WITHIN, asked).await {
        Ok(Ok(SessionReply::Resumed(paused))) => paused,
        _ => None,
    }
}

/// What [`paused`] gave, if it is of this account.
pub(super) fn conversation(paused: Paused, account: AccountId) -> Option<web::Paused> {
    if paused.account != account {
        return None;
    }
    let kept = paused.conversation.downcast::<Kept>().ok()?;
    Some(kept.conversation)
}

/// The session that owns a conversation waiting for these calls: named by one of them, whatever their order.
fn session_of(key: KeyId, tool_use_ids: &[String]) -> Option<SessionKey> {
    let first = tool_use_ids.iter().min()?;
    let mut hasher = DefaultHasher::new();
    // 0 and 1 are the sessions of clients: see `place`.
    (2u8, first).hash(&mut hasher);
    Some(SessionKey {
        key,
        session: hasher.finish(),
    })
}

/// Hands paused conversations to the session actors that own them.
pub(super) struct Keep {
    pub directory: Arc<Directory>,
    pub rooms: Arc<Rooms>,
    pub key: KeyId,
    pub account: AccountId,
}

impl PauseSink for Keep {
    fn pause(&self, paused: web::Paused) {
        let session = session_of(self.key, paused.tool_use_ids());
        let (Some(session), Some(room)) = (session, self.rooms.take(self.key)) else {
            tracing::debug!(key.id = %self.key.0, "no room for a conversation that waits for a tool");
            return;
        };
        let Some(active) = self.directory.session(session) else {
            return;
        };
        let left = paused
            .expires_at()
            .saturating_duration_since(Instant::now());
        active.handle.tell(SessionTell::Pause {
            paused: Paused {
                account: self.account,
                conversation: Box::new(Kept {
                    conversation: paused,
                    _room: room,
                }),
            },
            for_ms: u64::try_from(left.as_millis()).unwrap_or(u64::MAX),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_and_all_keys_have_their_bounds() {
        let rooms = Rooms::default();
        let key = || KeyId(uuid::Uuid::now_v7());
        let first = key();
        let mut held: Vec<_> = std::iter::from_fn(|| rooms.take(first)).collect();
        assert_eq!(held.len(), MOST_OF_A_KEY as usize);
        held.pop();
        held.extend(rooms.take(first));
        held.extend((held.len()..MOST as usize).map(|_| rooms.take(key()).unwrap()));
        assert!(rooms.take(key()).is_none());
        held.pop();
        assert!(rooms.take(key()).is_some());
    }

    #[test]
    fn calls_name_their_session_in_any_order() {
        let key = KeyId(uuid::Uuid::now_v7());
        let ids = |list: &[&str]| list.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        let one = session_of(key, &ids(&["a", "b"])).unwrap();
        assert_eq!(session_of(key, &ids(&["b", "a"])), Some(one));
        assert_ne!(session_of(key, &ids(&["b"])), Some(one));
        assert_ne!(
            session_of(KeyId(uuid::Uuid::now_v7()), &ids(&["a"])),
            Some(one)
        );
        assert_eq!(session_of(key, &[]), None);
    }
}
