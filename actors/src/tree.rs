//! The guardian: it owns the arbiters and the control runtime's handle, knows how many actors live, and stops them in order.
//!
//! Invariant: arbiters by blast radius; HTTP workers host no actors; after [`Tree::stop`] no actor is alive.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use actix_rt::{Arbiter, ArbiterHandle};
use tokio::sync::Notify;

use crate::shell::Clock;

/// Which thread an actor lives on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// Configuration and membership.
    Control,
    /// Accounts, keys, sessions.
    Ledger,
    /// Recorder, webhooks, jobs: may be flooded without slowing the ledger.
    Bulk,
}

/// Counters over all actors.
#[derive(Debug, Default)]
pub struct Stats {
    pub(crate) alive: AtomicUsize,
    pub(crate) panics: AtomicU64,
    lost: AtomicBool,
    loss: Notify,
}

impl Stats {
    /// A singleton has panicked too often: the process has to go.
    pub(crate) fn lose(&self) {
        self.lost.store(true, Ordering::SeqCst);
        self.loss.notify_one();
    }
}

/// The threads that machines run on.
#[derive(Debug)]
pub struct Tree {
    rooms: [ArbiterHandle; 3],
    threads: Vec<Arbiter>,
    pub(crate) clock: Clock,
    pub(crate) io: tokio::runtime::Handle,
    pub(crate) stats: Arc<Stats>,
}

impl Tree {
    /// The runtime of effects: what outlives a request's thread runs there.
    #[must_use]
    pub fn io(&self) -> &tokio::runtime::Handle {
        &self.io
    }

    /// Must be called inside an actix system. `io` runs the effects.
    #[must_use]
    pub fn start(clock: Clock, io: tokio::runtime::Handle) -> Self {
        let threads: Vec<_> = std::iter::repeat_with(Arbiter::new).take(3).collect();
        let rooms = [
            threads[0].handle(),
            threads[1].handle(),
            threads[2].handle(),
        ];
        Self {
            rooms,
            threads,
            clock,
            io,
            stats: Arc::default(),
        }
    }

    /// Every room on the calling thread, so that tests can pause tokio's time.
    #[cfg(test)]
    pub(crate) fn on_this_thread(clock: Clock) -> Self {
        let here = Arbiter::current();
        let io = tokio::runtime::Handle::current();
        Self {
            rooms: [here.clone(), here.clone(), here],
            threads: Vec::new(),
            clock,
            io,
            stats: Arc::default(),
        }
    }

    pub(crate) fn arbiter(&self, room: Room) -> ArbiterHandle {
        self.rooms[match room {
            Room::Control => 0,
            Room::Ledger => 1,
            Room::Bulk => 2,
        }]
        .clone()
    }

    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Actors that are alive.
    #[must_use]
    pub fn alive(&self) -> usize {
        self.stats.alive.load(Ordering::SeqCst)
    }

    /// Machines that have panicked since the start.
    #[must_use]
    pub fn panics(&self) -> u64 {
        self.stats.panics.load(Ordering::SeqCst)
    }

    /// Has a singleton been given up? Then the node must not be called ready.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.stats.lost.load(Ordering::SeqCst)
    }

    /// Resolves when a singleton has been given up.
    pub async fn lost(&self) {
        while !self.is_lost() {
            self.stats.loss.notified().await;
        }
    }

    /// Stops the arbiters and, with them, any actor still there.
    pub fn stop(self) {
        for arbiter in self.threads {
            arbiter.stop();
            if arbiter.join().is_err() {
                tracing::error!("an arbiter's thread ended in a panic");
            }
        }
    }
}
