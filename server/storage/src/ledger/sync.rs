//! Writes the charged pages to the disk once a second, from a thread of its own.
//!
//! A file system may hold a writer of a page up while it writes that page, and `MS_ASYNC` does nothing on Linux; so this
//! is a whole `fdatasync`, seldom, and none when nothing was charged.
//!
//! Invariant: the thread ends when its `Syncer` does. It holds no lock while the disk works.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use super::counters::Counters;

/// What a power loss may cost.
const SYNC_EVERY: Duration = Duration::from_secs(1);

pub(super) struct Syncer {
    /// Nothing is sent: that it is gone is the message.
    running: SyncSender<Infallible>,
    thread: JoinHandle<()>,
}

impl Syncer {
    pub(super) fn start(counters: Arc<Counters>) -> io::Result<Self> {
        let (running, ends) = sync_channel(0);
        let thread = Builder::new()
            .name("troupe-ledger".into())
            .spawn(move || run(&counters, &ends))?;
        Ok(Self { running, thread })
    }

    /// Blocks until the thread has ended.
    pub(super) fn end(self) {
        drop(self.running);
        if self.thread.join().is_err() {
            tracing::error!("the thread that writes the counters of limits has panicked");
        }
    }
}

fn run(counters: &Counters, ends: &Receiver<Infallible>) {
    let mut seen = counters.fingerprint();
    let mut failing = false;
    while let Err(RecvTimeoutError::Timeout) = ends.recv_timeout(SYNC_EVERY) {
        let now = counters.fingerprint();
        if now == seen && !failing {
            continue;
        }
        seen = now;
        let failed = counters.sync().err();
        match (&failed, failing) {
            (Some(error), false) => tracing::error!(
                %error,
                "counters of limits cannot be written to the disk: a power loss would cost charges"
            ),
            (None, true) => tracing::info!("counters of limits are written to the disk again"),
            _ => {}
        }
        failing = failed.is_some();
    }
}
