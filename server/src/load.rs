//! Load shed: how many requests may be inside, and how many bytes of bodies.
//!
//! Invariant: over a bound a request is refused at once; what was taken is given back by a guard.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Requests inside at once. Each holds a task and, at most, one body; far above any sane load of one process.
const MAX_REQUESTS: u64 = 50_000;

/// The two counters.
#[derive(Debug)]
pub struct Load {
    requests: AtomicU64,
    body_bytes: AtomicU64,
    max_body_bytes: AtomicU64,
}

impl Load {
    #[must_use]
    pub fn new(max_body_bytes: u64) -> Self {
        Self {
            requests: AtomicU64::new(0),
            body_bytes: AtomicU64::new(0),
            max_body_bytes: AtomicU64::new(max_body_bytes),
        }
    }

    pub fn set_max_body_bytes(&self, bytes: u64) {
        self.max_body_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Requests inside, streams included.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }

    #[must_use]
    pub fn body_bytes(&self) -> u64 {
        self.body_bytes.load(Ordering::Relaxed)
    }

    /// `None` when the process is full.
    #[must_use]
    pub fn enter(self: &Arc<Self>) -> Option<RequestPermit> {
        take(&self.requests, 1, MAX_REQUESTS).then(|| RequestPermit(Arc::clone(self)))
    }

    /// `None` when bodies fill their share of the memory.
    #[must_use]
    pub fn hold_body(self: &Arc<Self>, bytes: u64) -> Option<BodyPermit> {
        let most = self.max_body_bytes.load(Ordering::Relaxed);
        take(&self.body_bytes, bytes, most).then(|| BodyPermit {
            load: Arc::clone(self),
            bytes,
        })
    }
}

fn take(counter: &AtomicU64, amount: u64, most: u64) -> bool {
    let before = counter.fetch_add(amount, Ordering::SeqCst);
    let fits = before.saturating_add(amount) <= most;
    if !fits {
        counter.fetch_sub(amount, Ordering::SeqCst);
    }
    fits
}

/// One request inside.
#[derive(Debug)]
pub struct RequestPermit(Arc<Load>);

impl Drop for RequestPermit {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Bytes of one body.
#[derive(Debug)]
pub struct BodyPermit {
    load: Arc<Load>,
    bytes: u64,
}

impl BodyPermit {
    /// Makes the permit cover `bytes`, if they fit.
    #[must_use]
    pub fn grow_to(&mut self, bytes: u64) -> bool {
        let more = bytes.saturating_sub(self.bytes);
        let most = self.load.max_body_bytes.load(Ordering::Relaxed);
        let fits = more == 0 || take(&self.load.body_bytes, more, most);
        if fits {
            self.bytes += more;
        }
        fits
    }
}

impl Drop for BodyPermit {
    fn drop(&mut self) {
        self.load.body_bytes.fetch_sub(self.bytes, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_bounded_and_given_back() {
        let load = Arc::new(Load::new(100));
        let mut first = load.hold_body(60).unwrap();
        assert!(load.hold_body(41).is_none());
        assert!(first.grow_to(100) && !first.grow_to(101));
        drop(first);
        assert_eq!(load.body_bytes(), 0);
        let inside = load.enter();
        assert_eq!(load.requests(), 1);
        drop(inside);
        assert_eq!(load.requests(), 0);
    }
}
