//! The counted bound of an actor's mailbox. actix's own capacity bounds nothing, so the caller's handle counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Counters of one actor, shared by its handles and its shell.
#[derive(Debug)]
pub struct Depth {
    bound: usize,
    asks: AtomicUsize,
    messages: AtomicU64,
    restarts: AtomicU64,
}

/// A reading of [`Depth`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DepthStats {
    /// Asks that are enqueued or not answered yet.
    pub asks: usize,
    /// Messages handled since the start.
    pub messages: u64,
    pub restarts: u64,
}

impl Depth {
    pub(crate) fn new(bound: usize) -> Arc<Self> {
        Arc::new(Self {
            bound,
            asks: AtomicUsize::new(0),
            messages: AtomicU64::new(0),
            restarts: AtomicU64::new(0),
        })
    }

    pub(crate) fn enter(self: &Arc<Self>) -> Option<DepthGuard> {
        self.asks
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |asks| {
                (asks < self.bound).then_some(asks + 1)
            })
            .ok()
            .map(|_| DepthGuard(Arc::clone(self)))
    }

    pub(crate) fn handled(&self) {
        self.messages.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn restarted(&self) {
        self.restarts.fetch_add(1, Ordering::Relaxed);
    }

    /// What the actor has done and holds.
    #[must_use]
    pub fn stats(&self) -> DepthStats {
        DepthStats {
            asks: self.asks.load(Ordering::Relaxed),
            messages: self.messages.load(Ordering::Relaxed),
            restarts: self.restarts.load(Ordering::Relaxed),
        }
    }
}

/// One place in the mailbox; travels with the ask and ends when it is answered or dropped.
#[derive(Debug)]
pub(crate) struct DepthGuard(Arc<Depth>);

impl Drop for DepthGuard {
    fn drop(&mut self) {
        self.0.asks.fetch_sub(1, Ordering::AcqRel);
    }
}
