//! The way back: the oldest item first, one at a time, until the store does not take one.
//!
//! Invariant: one task, which ends with the spool, between two items; it waits while there is nothing, and a moment after
//! each refusal, whatever comes meanwhile.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::{JoinError, JoinHandle, spawn_blocking};

use super::queue::Queue;
use super::{Inner, is_away};
use crate::health::StoreHealth;

/// A store that was away is asked again after this.
const AGAIN: Duration = Duration::from_secs(1);

pub(super) struct Back {
    pub inner: Inner,
    pub queue: Arc<Queue>,
    pub health: Arc<StoreHealth>,
    /// Something was spooled.
    pub filled: Arc<Notify>,
    /// That its sender is gone, or sends, is the end.
    pub ending: watch::Receiver<()>,
}

enum Told {
    Everything,
    /// The store is away, or the spool cannot be read just now.
    NotNow,
    Ending,
}

impl Back {
    pub(super) fn start(self) -> JoinHandle<()> {
        tokio::spawn(self.run())
    }

    async fn run(mut self) {
        loop {
            let told = match self.tell_all().await {
                Ok(told) => told,
                // The process is stopping.
                Err(_) => return,
            };
            let filled = Arc::clone(&self.filled);
            let wait = async move {
                match told {
                    Told::Everything => filled.notified().await,
                    Told::NotNow => tokio::time::sleep(AGAIN).await,
                    Told::Ending => {}
                }
            };
            tokio::select! {
                () = wait => {}
                _ = self.ending.changed() => return,
            }
        }
    }

    async fn tell_all(&self) -> Result<Told, JoinError> {
        let (mut told, mut lost) = (0_u64, 0_u64);
        loop {
            if self.ending.has_changed().unwrap_or(true) {
                return Ok(Told::Ending);
            }
            let queue = Arc::clone(&self.queue);
            let head = spawn_blocking(move || queue.head()).await?;
            self.health.spool_has_lost(self.queue.take_lost());
            let item = match head {
                Ok(Some(item)) => item,
                Ok(None) => break,
                Err(error) => {
                    tracing::error!(%error, "the spool cannot be read");
                    return Ok(Told::NotNow);
                }
            };
            match self.inner.tell(&item).await {
                Ok(()) => told += 1,
                Err(error) if is_away(&error) => return Ok(Told::NotNow),
                Err(error) => {
                    lost += 1;
                    self.health.spool_has_lost(1);
                    tracing::error!(%error, what = item.name(), "the store will not take what was spooled; it is dropped");
                }
            }
            let queue = Arc::clone(&self.queue);
            let dropped = spawn_blocking(move || queue.drop_head()).await?;
            self.health.set_spooled(self.queue.bytes());
            if let Err(error) = dropped {
                tracing::error!(%error, "the spool cannot be shortened");
                return Ok(Told::NotNow);
            }
        }
        self.health.set_spooled(self.queue.bytes());
        if told + lost > 0 {
            tracing::info!(
                told,
                lost,
                "the store is back and was told what was spooled"
            );
        }
        Ok(Told::Everything)
    }
}
