//! Sessions on sled. Invariant: a `save` is one batch and one flush, however many rows it has.

use ::sled::Batch;
use troupe_core::SessionKey;
use troupe_core::port::{PortFuture, SessionRow, SessionStore, StoreError};

use super::engine::Engine;
use super::transact::{failed, perhaps};
use super::trees::{SESSIONS, Trees};
use crate::codec::{decode, encode};
use crate::rules;

const ROW: &str = "session row";

pub(super) fn place(session: SessionKey) -> [u8; 24] {
    let mut place = [0; 24];
    place[..16].copy_from_slice(session.key.0.as_bytes());
    place[16..].copy_from_slice(&session.session.to_be_bytes());
    place
}

impl SessionStore for Engine {
    fn save(&self, rows: Vec<SessionRow>) -> PortFuture<'_, ()> {
        Box::pin(self.write(SESSIONS, move |trees| {
            let mut batch = Batch::default();
            for row in &rows {
                batch.insert(&place(row.session), encode(row)?);
            }
            trees.sessions.apply_batch(batch).map_err(perhaps)
        }))
    }

    fn load(&self, now_ms: u64, limit: usize) -> PortFuture<'_, Vec<SessionRow>> {
        Box::pin(self.read(move |trees| {
            let rows = trees
                .sessions
                .iter()
                .values()
                .map(|row| decode(ROW, &row.map_err(failed)?));
            rules::last_to_end(rows, now_ms, limit)
        }))
    }

    fn prune(&self, now_ms: u64) -> PortFuture<'_, usize> {
        Box::pin(self.write(SESSIONS, move |trees| prune(trees, now_ms)))
    }
}

fn prune(t: &Trees, now_ms: u64) -> Result<usize, StoreError> {
    let mut gone = 0;
    for found in &t.sessions {
        let (place, bytes) = found.map_err(failed)?;
        let row: SessionRow = decode(ROW, &bytes)?;
        if row.until_ms <= now_ms {
            // Not when it was saved anew meanwhile.
            let swapped = t
                .sessions
                .compare_and_swap(place, Some(bytes), None::<&[u8]>)
                .map_err(perhaps)?;
            gone += usize::from(swapped.is_ok());
        }
    }
    Ok(gone)
}
