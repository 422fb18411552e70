//! Group commit: writers that arrive while one flushes share the next flush.
//!
//! sled's own flush ends in `sync_file_range`, which survives `kill -9` but neither syncs the file's length nor the
//! disk's cache; so the file is synced after it.
//!
//! Invariant: after a failed flush nothing more is promised: what the kernel dropped cannot be told apart from what it
//! kept, so every later write is refused until the store is opened again.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use ::sled::Db;
use troupe_core::port::StoreError;

pub(super) struct Flusher {
    db: Db,
    file: File,
    /// Tickets handed out; a ticket is drawn after its write was applied.
    asked: AtomicU64,
    done: Mutex<Done>,
}

#[derive(Default)]
struct Done {
    /// Tickets up to this one are on the disk.
    ticket: u64,
    broken: bool,
}

/// The file that sled locks and writes.
pub(super) fn db_file(folder: &Path) -> PathBuf {
    folder.join("db")
}

impl Flusher {
    pub(super) fn new(db: Db, folder: &Path) -> io::Result<Self> {
        let file = File::open(db_file(folder))?;
        Ok(Self {
            db,
            file,
            asked: AtomicU64::new(0),
            done: Mutex::default(),
        })
    }

    /// Blocks until everything that was applied before this call is on the disk.
    pub(super) fn durable(&self) -> Result<(), StoreError> {
        let ticket = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        if done.ticket >= ticket {
            return Ok(());
        }
        if done.broken {
            return Err(StoreError::Unknown(
                "an earlier flush failed; restart the gateway".into(),
            ));
        }
        let covered = self.asked.load(Ordering::SeqCst);
        done.broken = true;
        self.db
            .flush()
            .map_err(|error| StoreError::Unknown(error.to_string()))?;
        self.file
            .sync_data()
            .map_err(|error| StoreError::Unknown(error.to_string()))?;
        *done = Done {
            ticket: covered,
            broken: false,
        };
        Ok(())
    }

    /// Refuses a write that could not be made durable.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        match self.done.try_lock() {
            Ok(done) if done.broken => Err(StoreError::Unavailable(
                "an earlier flush failed; restart the gateway".into(),
            )),
            // Held: a flush is under way, and `durable` will tell how it ended.
            _ => Ok(()),
        }
    }
}
