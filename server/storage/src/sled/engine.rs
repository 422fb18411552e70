//! Runs steps on the store from async code, and closes it.
//!
//! ```text
//! Open ── close ──▶ draining (running steps end, new ones are refused) ──▶ Closed (files released)
//! ```
//! Invariant: sled is only called on tokio's blocking threads, at most `STEPS` at once; a panic in it becomes the
//! caller's error; a step whose caller went away still ends, and `close` waits for it.

use std::fmt;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use troupe_core::port::StoreError;

use super::flush::db_file;
use super::trees::{FlushPolicy, Table, Trees};

/// Steps at once; the rest wait, bounded by the handles that ask. Also the largest group of one commit.
const STEPS: u32 = 8;
/// How long `close` waits for sled's own threads to let go of the file.
const RELEASE: Duration = Duration::from_secs(5);

/// A shared handle on the open store.
#[derive(Clone)]
pub(crate) struct Engine {
    trees: Arc<Mutex<Option<Arc<Trees>>>>,
    permits: Arc<Semaphore>,
    file: PathBuf,
}

/// Never derived: sled prints the contents of its trees.
impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Engine({})", self.file.display())
    }
}

fn closed() -> StoreError {
    StoreError::Unavailable("the store is closed".into())
}

impl Engine {
    pub(super) fn new(trees: Trees, folder: &Path) -> Self {
        Self {
            trees: Arc::new(Mutex::new(Some(Arc::new(trees)))),
            permits: Arc::new(Semaphore::new(STEPS as usize)),
            file: db_file(folder),
        }
    }

    /// A step that writes nothing.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        step: impl FnOnce(&Trees) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.run(StoreError::Unavailable, step).await
    }

    /// A step that writes; answers when it is as durable as `table` asks for.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        table: Table,
        step: impl FnOnce(&Trees) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.run(StoreError::Unknown, move |trees| {
            trees.flusher.check()?;
            let done = step(trees)?;
            if table.flush == FlushPolicy::Durable {
                trees.flusher.durable()?;
            }
            Ok(done)
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        panicked: fn(String) -> StoreError,
        step: impl FnOnce(&Trees) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = self
            .permits
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| closed())?;
        self.step(permit, panicked, step).await
    }

    /// A step beside which no other runs: what it reads is of one moment. Others wait for its end.
    pub(super) async fn alone<T: Send + 'static>(
        &self,
        step: impl FnOnce(&Trees) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let all = self.permits.clone().acquire_many_owned(STEPS);
        let permits = all.await.map_err(|_| closed())?;
        self.step(permits, StoreError::Unavailable, step).await
    }

    async fn step<T: Send + 'static>(
        &self,
        permit: OwnedSemaphorePermit,
        panicked: fn(String) -> StoreError,
        step: impl FnOnce(&Trees) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let trees = self.lock().clone().ok_or_else(closed)?;
        let task = tokio::task::spawn_blocking(move || {
            let done = catch_unwind(AssertUnwindSafe(|| step(&trees)))
                .unwrap_or_else(|_| Err(panicked("the storage engine panicked".into())));
            // In this order: who gets all permits knows that nobody holds the trees.
            drop(trees);
            drop(permit);
            done
        });
        task.await
            .unwrap_or_else(|_| Err(StoreError::Unavailable("the process is stopping".into())))
    }

    pub(crate) async fn close(self) -> Result<(), StoreError> {
        let all = self
            .permits
            .acquire_many(STEPS)
            .await
            .map_err(|_| closed())?;
        self.permits.close();
        let trees = self.lock().take().ok_or_else(closed)?;
        drop(all);
        let flushed = tokio::task::spawn_blocking(move || {
            let step = AssertUnwindSafe(|| {
                let flushed = trees.flusher.durable();
                drop(trees);
                flushed
            });
            catch_unwind(step)
                .unwrap_or_else(|_| Err(StoreError::Unknown("the storage engine panicked".into())))
        })
        .await
        .map_err(|_| StoreError::Unknown("the process is stopping".into()))?;
        if tokio::time::timeout(RELEASE, self.released())
            .await
            .is_err()
        {
            tracing::warn!("the store's lock was not released in time");
        }
        flushed
    }

    /// Returns when the file's lock can be had.
    async fn released(&self) {
        while File::open(&self.file).is_ok_and(|file| file.try_lock().is_err()) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Arc<Trees>>> {
        self.trees.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sled::{recover, trees};

    fn engine(folder: &Path) -> Engine {
        Engine::new(recover(folder).unwrap(), folder)
    }

    #[tokio::test]
    async fn a_panic_is_the_callers_error_and_the_store_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let engine = engine(folder.path());
        let read: Result<(), _> = engine.read(|_| panic!("sled does this")).await;
        assert!(matches!(read, Err(StoreError::Unavailable(_))));
        let write: Result<(), _> = engine
            .write(trees::META, |_| panic!("sled does this"))
            .await;
        assert!(matches!(write, Err(StoreError::Unknown(_))));
        engine.write(trees::META, |_| Ok(())).await.unwrap();
        engine.close().await.unwrap();
    }

    #[tokio::test]
    async fn close_waits_for_a_step_whose_caller_left() {
        let folder = tempfile::tempdir().unwrap();
        let engine = engine(folder.path());
        let (started, is_started) = tokio::sync::oneshot::channel();
        let (finish, may_finish) = std::sync::mpsc::sync_channel::<()>(1);
        let caller = engine.clone();
        let task = tokio::spawn(async move {
            caller
                .write(trees::META, move |trees| {
                    started.send(()).unwrap();
                    may_finish.recv().unwrap();
                    trees.meta.insert("late", "kept").unwrap();
                    Ok(())
                })
                .await
        });
        is_started.await.unwrap();
        task.abort();
        let closing = tokio::spawn(engine.close());
        finish.send(()).unwrap();
        closing.await.unwrap().unwrap();
        let trees = recover(folder.path()).unwrap();
        assert_eq!(trees.meta.get("late").unwrap().unwrap(), "kept");
    }
}
