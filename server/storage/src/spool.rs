//! What a store that is away would have been told, on this node's disk, and told to it in order when it is back.
//!
//! ```text
//! write ─▶ is anything spooled? ── no ──▶ store ── away ──▶ spool
//!                    └────────── yes ─────────────────────▶ spool ─▶ (every second) ─▶ store
//! ```
//! Index. [`Spooled`]: the ports in front of it. `queue`: the files. `replay`: the way back.
//!
//! Invariant: what was spooled is told before what came later; an item is told again at most once more than needed, and
//! every port here takes that (rows and bodies by their id, usage by its batch's number); the spool is bounded, and what
//! finds no room is refused, so that its writer counts it.

mod item;
mod ports;
mod queue;
mod replay;
#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use troupe_core::port::{BodyStore, LogStore, StoreError, UsageStore};

use self::item::Item;
use self::queue::Queue;
use self::replay::Back;
use crate::health::{FaultKind, StoreHealth};

/// A store that takes longer is away: what it may have written is told again, and counted once.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);
/// Bytes on the disk; beyond them, see [`Item::share`].
pub(crate) const MAX_BYTES: u64 = 512 * 1024 * 1024;

/// Is anything left in `folder`? Changes nothing.
pub(crate) fn holds(folder: &Path) -> io::Result<bool> {
    match folder.exists() {
        true => Ok(!Queue::open(folder, MAX_BYTES)?.is_empty()),
        false => Ok(false),
    }
}

/// The traffic ports of a store that may be away; clones share everything.
#[derive(Clone)]
pub(crate) struct Spooled {
    inner: Inner,
    queue: Arc<Queue>,
    health: Arc<StoreHealth>,
    /// Something was spooled.
    filled: Arc<Notify>,
    way_back: Arc<WayBack>,
}

struct WayBack {
    ending: watch::Sender<()>,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// The ports behind.
#[derive(Clone)]
pub(crate) struct Inner {
    pub log: Arc<dyn LogStore>,
    pub usage: Arc<dyn UsageStore>,
    pub bodies: Arc<dyn BodyStore>,
}

impl std::fmt::Debug for Spooled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Spooled")
    }
}

impl Spooled {
    /// Opens the spool in `folder`, with what an earlier process left there, and starts to tell it. Must be called in a
    /// tokio runtime; the way back ends with the last clone.
    pub(crate) fn open(
        inner: Inner,
        folder: &Path,
        max_bytes: u64,
        health: Arc<StoreHealth>,
    ) -> io::Result<Self> {
        let queue = Arc::new(Queue::open(folder, max_bytes)?);
        let filled = Arc::<Notify>::default();
        health.set_spooled(queue.bytes());
        let (ending, ends) = watch::channel(());
        let task = Back {
            inner: inner.clone(),
            queue: Arc::clone(&queue),
            health: Arc::clone(&health),
            filled: Arc::clone(&filled),
            ending: ends,
        }
        .start();
        Ok(Self {
            inner,
            queue,
            health,
            filled,
            way_back: Arc::new(WayBack {
                ending,
                task: Mutex::new(Some(task)),
            }),
        })
    }

    /// Waits until nothing is told from the spool any more; what is in it waits for the next start.
    pub(crate) async fn close(&self) {
        self.way_back.ending.send_replace(());
        let task = self.way_back.task.lock();
        let task = task.unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task
            && let Err(error) = task.await
        {
            tracing::error!(%error, "what tells spooled rows has failed");
        }
    }

    /// To the store, or behind what waits for it.
    async fn tell(&self, item: Item) -> Result<(), StoreError> {
        if self.queue.is_empty() {
            let told = tokio::time::timeout(ANSWERS_WITHIN, self.inner.tell(&item)).await;
            let told = told.unwrap_or_else(|_| {
                self.health.failed(FaultKind::Timeout);
                Err(StoreError::Unknown("no answer in time".into()))
            });
            match told {
                Err(error) if is_away(&error) => {
                    tracing::warn!(%error, what = item.name(), "the store is away; it is told later");
                }
                told => return told,
            }
        }
        self.push(item).await
    }

    async fn push(&self, item: Item) -> Result<(), StoreError> {
        let queue = Arc::clone(&self.queue);
        let pushed = tokio::task::spawn_blocking(move || queue.push(&item)).await;
        let pushed = pushed.unwrap_or_else(|gone| Err(io::Error::other(gone)));
        self.health.set_spooled(self.queue.bytes());
        match pushed {
            Ok(()) => {
                self.filled.notify_one();
                Ok(())
            }
            Err(error) => {
                self.health.spool_has_lost(1);
                Err(StoreError::Unavailable(format!("spool: {error}")))
            }
        }
    }
}

impl Inner {
    async fn tell(&self, item: &Item) -> Result<(), StoreError> {
        match item.clone() {
            Item::Rows(rows) => self.log.append(rows).await,
            Item::Usage(batch) => self.usage.add(batch).await,
            Item::Bodies(bodies) => self.bodies.append(bodies).await,
        }
    }
}

/// Later it may be taken; any other refusal is for good.
fn is_away(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable(_) | StoreError::Unknown(_))
}
