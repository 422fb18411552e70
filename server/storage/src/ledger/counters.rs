//! Gives out rows of the file, and makes the file longer when none is free.
//!
//! ```text
//! free ── open ──▶ in use ── the last reference goes ──▶ free
//! ```
//! Invariant: a row is in the free list or has one counter, never both. The file grows only when the list is empty, so
//! it has room for the most counters that were ever in use at once.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use troupe_core::LimitId;
use troupe_core::port::{CellRows, Counter};

use super::chunk::{CHUNK_BYTES, Chunk, ROWS, Word};
use super::format::{Identity, identity, state};
use crate::memory::cells::MemoryCells;

/// 4 million rows, 256 MiB. A process may map some ten thousand pieces; more limits than this are in memory only.
const MOST_CHUNKS: usize = 4096;

#[derive(Clone)]
struct Place {
    chunk: Arc<Chunk>,
    row: usize,
}

pub(super) struct Counters {
    file: File,
    /// Held for moments, for a request may be the last to drop a counter; has room for all rows of the file.
    free: Mutex<Vec<Place>>,
    /// Held while the file grows.
    chunks: Mutex<Vec<Arc<Chunk>>>,
    in_use: AtomicUsize,
    /// For what the file has no row.
    volatile: MemoryCells,
    /// The file could not grow, and that was told.
    stuck: AtomicBool,
    closed: AtomicBool,
}

impl Counters {
    /// On a file that has its first chunk, with no row in use.
    pub(super) fn new(file: File) -> io::Result<Self> {
        let first = Arc::new(Chunk::map(&file, 0)?);
        let counters = Self {
            file,
            free: Mutex::default(),
            chunks: Mutex::new(vec![Arc::clone(&first)]),
            in_use: AtomicUsize::new(0),
            volatile: MemoryCells::default(),
            stuck: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        };
        // Row 0 is the header.
        counters.add_free(&first, 1, ROWS);
        Ok(counters)
    }

    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    /// Blocks until what was charged before is on the disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Another number when there is something to sync.
    pub(super) fn fingerprint(&self) -> u64 {
        let chunks = lock(&self.chunks).clone();
        chunks.iter().fold(0, |sum: u64, chunk| {
            (sum.rotate_left(7) ^ chunk.fingerprint()).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        })
    }

    fn place(&self) -> Option<Place> {
        if self.closed.load(Ordering::Relaxed) {
            return None;
        }
        if let Some(place) = self.take_free() {
            return Some(place);
        }
        let mut chunks = lock(&self.chunks);
        // Another thread may have grown the file meanwhile.
        if let Some(place) = self.take_free() {
            return Some(place);
        }
        match grow(&self.file, chunks.len()) {
            Ok(chunk) => {
                let chunk = Arc::new(chunk);
                chunks.push(Arc::clone(&chunk));
                self.stuck.store(false, Ordering::Relaxed);
                self.add_free(&chunk, 1, chunks.len() * ROWS);
                Some(Place { chunk, row: 0 })
            }
            Err(error) => {
                if !self.stuck.swap(true, Ordering::Relaxed) {
                    tracing::error!(
                        %error,
                        "the counters' file cannot grow: new windows of limits are counted in memory and lost at a crash"
                    );
                }
                None
            }
        }
    }

    fn take_free(&self) -> Option<Place> {
        lock(&self.free).pop()
    }

    /// The rows of a new chunk from `first` on, the lowest to be taken first. `all` is the rows of the whole file.
    fn add_free(&self, chunk: &Arc<Chunk>, first: usize, all: usize) {
        let mut free = lock(&self.free);
        let room = all.saturating_sub(free.len());
        free.reserve(room);
        free.extend((first..ROWS).rev().map(|row| Place {
            chunk: Arc::clone(chunk),
            row,
        }));
    }
}

/// The next chunk of a file that has `chunks` of them. After an error the file is as long as before.
fn grow(file: &File, chunks: usize) -> io::Result<Chunk> {
    if chunks >= MOST_CHUNKS {
        return Err(io::Error::other("it has as many rows as it may have"));
    }
    let at = chunks as u64 * CHUNK_BYTES as u64;
    // Zeros that are written take their space now; a hole would be refused at the first charge, by a signal.
    let grown = file
        .write_all_at(&[0; CHUNK_BYTES], at)
        .and_then(|()| Chunk::map(file, at));
    if grown.is_err() {
        // No chunk is mapped there. When it fails the next attempt writes over what is left.
        let _ = file.set_len(at);
    }
    grown
}

/// What the port's callers hold.
pub(super) struct Cells(pub Arc<Counters>);

impl CellRows for Cells {
    fn open(&self, limit: LimitId, start_ms: u64, end_ms: u64, charged: u64) -> Arc<dyn Counter> {
        let Some(place) = self.0.place() else {
            return self.0.volatile.counter(charged);
        };
        self.0.in_use.fetch_add(1, Ordering::Relaxed);
        let row = Row {
            place,
            counters: Arc::clone(&self.0),
        };
        row.begin(identity(limit, start_ms, end_ms), charged);
        Arc::new(row)
    }

    fn in_use(&self) -> usize {
        self.0.in_use.load(Ordering::Relaxed) + self.0.volatile.in_use()
    }

    fn is_durable(&self) -> bool {
        self.0.volatile.in_use() == 0 && !self.0.closed.load(Ordering::Relaxed)
    }
}

/// A row in use.
struct Row {
    place: Place,
    counters: Arc<Counters>,
}

impl Row {
    fn word(&self, word: Word) -> &AtomicU64 {
        self.place.chunk.word(self.place.row, word)
    }

    /// In this order: a process that ends in between leaves a free row.
    fn begin(&self, identity: Identity, charged: u64) {
        let [high, low, start_ms, end_ms] = identity;
        self.word(Word::LimitHigh).store(high, Ordering::Relaxed);
        self.word(Word::LimitLow).store(low, Ordering::Relaxed);
        self.word(Word::StartMs).store(start_ms, Ordering::Relaxed);
        self.word(Word::EndMs).store(end_ms, Ordering::Relaxed);
        self.word(Word::Charged).store(charged, Ordering::Relaxed);
        self.word(Word::State)
            .store(state(identity), Ordering::Release);
    }
}

impl Counter for Row {
    fn value(&self) -> &AtomicU64 {
        self.word(Word::Charged)
    }
}

impl Drop for Row {
    fn drop(&mut self) {
        self.word(Word::State).store(0, Ordering::SeqCst);
        self.counters.in_use.fetch_sub(1, Ordering::Relaxed);
        lock(&self.counters.free).push(self.place.clone());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
