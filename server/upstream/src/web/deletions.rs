//! Deletions under way, for a process that ends: it waits until they are done, so that no chats are left behind.
//!
//! Invariant: counted from before its task is spawned until it has ended, also when it is aborted.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::Notify;

/// Shared by the requests of a process; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Deletions(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    running: AtomicUsize,
    ended: Notify,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Deletion(Arc<Inner>);

// === impl Deletions ===

impl Deletions {
    /// Ends when none is under way.
    pub async fn none(&self) {
        loop {
            let ended = self.0.ended.notified();
            let mut ended = std::pin::pin!(ended);
            ended.as_mut().enable();
            if self.0.running.load(Ordering::SeqCst) == 0 {
                return;
            }
            ended.await;
        }
    }

    pub(super) fn begin(&self) -> Deletion {
        self.0.running.fetch_add(1, Ordering::SeqCst);
        Deletion(Arc::clone(&self.0))
    }
}

impl Drop for Deletion {
    fn drop(&mut self) {
        if self.0.running.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.ended.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_ends_the_wait() {
        let deletions = Deletions::default();
        deletions.none().await;
        let (one, two) = (deletions.begin(), deletions.begin());
        let waiting = deletions.clone();
        let waited = tokio::spawn(async move { waiting.none().await });
        drop(one);
        tokio::task::yield_now().await;
        assert!(!waited.is_finished());
        drop(two);
        waited.await.unwrap();
    }
}
