//! The store's copy of the trail: follows the file, which is the spool while the store is away.
//!
//! Invariant: never ahead of the file; a store that does not answer is asked again, ever more seldom.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use troupe_core::port::{AuditStore, StoreError};
use troupe_storage::audit::Follower;

use super::Settings;
use super::state::State;

/// Lines in one transaction.
const BATCH: usize = 256;
const PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

pub(super) async fn run(
    settings: Settings,
    store: Arc<dyn AuditStore>,
    state: Arc<State>,
    mut stopped: watch::Receiver<bool>,
) {
    // Without files the writer itself writes to the store.
    let Some(dir) = settings.dir else { return };
    let mut follower = Some(Follower::new(&dir, Arc::clone(&settings.node)));
    let mut grows = state.follow();
    let mut pause = PAUSE;
    let mut at = None;
    loop {
        let followed = follow(&settings.node, &store, &state, &mut follower, &mut at).await;
        let wait = match followed {
            Ok(()) => {
                pause = PAUSE;
                None
            }
            Err(error) => {
                tracing::warn!(%error, unmirrored = state.unmirrored(), "the store does not follow the audit trail; the file has it");
                at = None;
                let wait = pause;
                pause = (pause * 2).min(LONGEST_PAUSE);
                Some(wait)
            }
        };
        let next = async {
            match wait {
                Some(pause) => tokio::time::sleep(pause).await,
                None => drop(grows.changed().await),
            }
        };
        tokio::select! {
            _ = stopped.changed() => return,
            () = next => {}
        }
    }
}

/// Brings the store up to the file. `at` is the store's last line, as far as it is known.
async fn follow(
    node: &Arc<str>,
    store: &Arc<dyn AuditStore>,
    state: &State,
    follower: &mut Option<Follower>,
    at: &mut Option<u64>,
) -> Result<(), StoreError> {
    loop {
        let after = match *at {
            Some(after) => after,
            None => {
                let anchor = store.anchor(Arc::clone(node)).await?;
                if let Some(follower) = follower {
                    follower.rewind();
                }
                anchor.map_or(0, |anchor| anchor.seq)
            }
        };
        *at = Some(after);
        state.mirrored(after);
        let durable = state.seq();
        if after >= durable {
            return Ok(());
        }
        let Some(mut reader) = follower.take() else {
            return Err(StoreError::Unavailable("the trail's reader is gone".into()));
        };
        let read = tokio::task::spawn_blocking(move || {
            let rows = reader.read(after, durable, BATCH);
            (reader, rows)
        });
        let (reader, rows) = read
            .await
            .map_err(|_| StoreError::Unavailable("the process is stopping".into()))?;
        *follower = Some(reader);
        let rows = rows.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let Some(last) = rows.last().map(|row| row.seq) else {
            return Ok(());
        };
        store.append(rows).await?;
        *at = Some(last);
    }
}
