//! The queue of bodies, and the task on the control runtime that writes them.
//!
//! Invariant: one batch at a time; entries are bounded here and bytes by [`Room`]; what is dropped is counted by why:
//! `memory` (no room while it was captured), `queue`, `day` (the day's bytes are used up), `store` (it did not take them).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{mpsc, oneshot};
use troupe_core::bodies::StoredBodies;
use troupe_core::port::BodyStore;

use super::pack::pack;
use super::room::Room;
use super::taken::Taken;

/// Requests whose bodies may wait.
const WAITING: usize = 4_096;
/// Requests, and captured bytes, of one write.
const BATCH: usize = 64;
const BATCH_BYTES: usize = 8 << 20;
const DAY_MS: u64 = 86_400_000;

#[derive(Debug)]
enum Told {
    Bodies(Box<Taken>),
    Flush(oneshot::Sender<()>),
}

/// Where workers hand over what they took.
#[derive(Clone, Debug)]
pub struct BodyQueue {
    to: mpsc::Sender<Told>,
    pub room: Arc<Room>,
    dropped: Arc<Dropped>,
}

#[derive(Debug, Default)]
struct Dropped {
    memory: AtomicU64,
    queue: AtomicU64,
    day: AtomicU64,
    store: AtomicU64,
}

impl BodyQueue {
    /// Starts the writer; it ends when the last of the queue's clones is gone.
    #[must_use]
    pub fn start(store: Arc<dyn BodyStore>, io: &tokio::runtime::Handle) -> Self {
        let (to, told) = mpsc::channel(WAITING);
        let dropped = Arc::new(Dropped::default());
        let writer = Writer {
            store,
            dropped: Arc::clone(&dropped),
            day: 0,
            day_bytes: 0,
        };
        io.spawn(writer.run(told));
        Self {
            to,
            room: Arc::default(),
            dropped,
        }
    }

    /// Never waits.
    pub fn put(&self, taken: Taken) {
        if self.to.try_send(Told::Bodies(Box::new(taken))).is_err() {
            self.dropped.queue.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// There was no room for a request's bodies.
    pub fn no_room(&self) {
        self.dropped.memory.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns when what was put before is written, or given up.
    pub async fn flush(&self) {
        let (done, written) = oneshot::channel();
        if self.to.send(Told::Flush(done)).await.is_ok() {
            let _ = written.await;
        }
    }

    /// Requests whose bodies were to be kept and are not, by why.
    #[must_use]
    pub fn dropped(&self) -> [(&'static str, u64); 4] {
        let Dropped {
            memory,
            queue,
            day,
            store,
        } = &*self.dropped;
        let all = [
            ("memory", memory),
            ("queue", queue),
            ("day", day),
            ("store", store),
        ];
        all.map(|(why, count)| (why, count.load(Ordering::Relaxed)))
    }
}

struct Writer {
    store: Arc<dyn BodyStore>,
    dropped: Arc<Dropped>,
    /// The day that is written to (UTC, since the Unix epoch), and what it has: once asked of the store, then counted.
    day: u64,
    day_bytes: u64,
}

impl Writer {
    async fn run(mut self, mut told: mpsc::Receiver<Told>) {
        while let Some(first) = told.recv().await {
            let (mut batch, mut bytes, mut flushes) = (Vec::new(), 0, Vec::new());
            let mut next = Some(first);
            while let Some(told_next) = next.take() {
                match told_next {
                    Told::Bodies(taken) => {
                        bytes += taken.held.bytes();
                        batch.push(*taken);
                    }
                    Told::Flush(done) => flushes.push(done),
                }
                if batch.len() < BATCH && bytes < BATCH_BYTES {
                    next = told.try_recv().ok();
                }
            }
            self.write(batch).await;
            for done in flushes {
                let _ = done.send(());
            }
        }
    }

    async fn write(&mut self, batch: Vec<Taken>) {
        let taken = batch.len();
        if taken == 0 {
            return;
        }
        let day_bytes = batch.last().map_or(0, |last| last.settings.day_bytes);
        let made = tokio::task::spawn_blocking(move || -> Vec<StoredBodies> {
            batch.into_iter().filter_map(|taken| made(&taken)).collect()
        });
        let made = made.await.unwrap_or_default();
        self.count(&self.dropped.store, taken - made.len());
        self.begin_day(made.iter().map(|bodies| bodies.at_ms).max())
            .await;
        let within: Vec<_> = made
            .into_iter()
            .filter(|bodies| self.has_day_for(bodies, day_bytes))
            .collect();
        let count = within.len();
        if count == 0 {
            return;
        }
        if let Err(error) = self.store.append(within).await {
            tracing::error!(requests = count, %error, "bodies of requests were lost");
            self.count(&self.dropped.store, count);
        }
    }

    fn count(&self, dropped: &AtomicU64, more: usize) {
        dropped.fetch_add(more as u64, Ordering::Relaxed);
    }

    /// What a process before this one wrote is of the day's bytes too. A store that cannot tell has nothing.
    async fn begin_day(&mut self, newest_ms: Option<u64>) {
        let Some(newest_ms) = newest_ms.filter(|at_ms| at_ms / DAY_MS > self.day) else {
            return;
        };
        let day_bytes = self.store.of_day(newest_ms).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the day's bodies are counted from now on only");
            0
        });
        (self.day, self.day_bytes) = (newest_ms / DAY_MS, day_bytes);
    }

    fn has_day_for(&mut self, bodies: &StoredBodies, day_bytes: u64) -> bool {
        let bytes = bodies.packed.len() as u64;
        let fits = self.day_bytes.saturating_add(bytes) <= day_bytes;
        if fits {
            self.day_bytes += bytes;
        } else {
            self.count(&self.dropped.day, 1);
        }
        fits
    }
}

fn made(taken: &Taken) -> Option<StoredBodies> {
    match pack(&taken.clean()) {
        Ok(packed) => Some(StoredBodies {
            id: taken.id,
            at_ms: taken.at_ms,
            packed,
        }),
        Err(error) => {
            tracing::error!(request.id = %taken.id, %error, "bodies could not be packed");
            None
        }
    }
}
