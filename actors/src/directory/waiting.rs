//! Requests that wait for a slot of any account.
//!
//! Invariant: a slot that is given back while somebody waits wakes one of them; one that cannot use it wakes the next,
//! until each has seen it once.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// Who waits, and what was given back.
#[derive(Debug, Default)]
pub struct Waiting {
    count: AtomicUsize,
    freed: AtomicU64,
    notify: Notify,
}

/// One that waits; leaving is dropping it.
#[derive(Debug)]
pub struct Waiter<'a> {
    waiting: &'a Waiting,
    /// The last slot that it could have used and did not.
    seen: Cell<u64>,
}

impl Waiting {
    /// Called whenever an account's slot is given back.
    pub(crate) fn slot_freed(&self) {
        if self.count.load(Ordering::SeqCst) > 0 {
            self.freed.fetch_add(1, Ordering::SeqCst);
            self.notify.notify_one();
        }
    }

    /// Must be called before the last look at the slots, so that nothing is missed between.
    #[must_use]
    pub fn enter(&self) -> Waiter<'_> {
        self.count.fetch_add(1, Ordering::SeqCst);
        Waiter {
            waiting: self,
            seen: Cell::new(self.freed.load(Ordering::SeqCst)),
        }
    }

    /// How many wait.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}

impl Waiter<'_> {
    /// The next slot that is given back; to be enabled before a look at the slots.
    #[must_use]
    pub fn next(&self) -> Notified<'_> {
        self.waiting.notify.notified()
    }

    /// It looked and could not use what was given back: the next may.
    pub fn pass_on(&self) {
        let freed = self.waiting.freed.load(Ordering::SeqCst);
        if freed != self.seen.replace(freed) {
            self.waiting.notify.notify_one();
        }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.waiting.count.fetch_sub(1, Ordering::SeqCst);
        // A wake-up that came as it left is not lost.
        self.pass_on();
    }
}
