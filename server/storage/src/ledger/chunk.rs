//! A mapped piece of the file: rows of eight words, every one of them an atomic.
//!
//! Invariant: mapped bytes are only ever reached as `AtomicU64`, by `Chunk::word`.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::{MmapOptions, MmapRaw};

pub(super) const ROW_BYTES: usize = 64;
/// Rows of a chunk.
pub(super) const ROWS: usize = 1024;
/// A multiple of every page size, so that a chunk can be mapped by itself.
pub(super) const CHUNK_BYTES: usize = ROWS * ROW_BYTES;

/// The words of a row, in the file's order; two more are zero.
#[derive(Clone, Copy, Debug)]
#[repr(usize)]
pub(super) enum Word {
    LimitHigh,
    LimitLow,
    StartMs,
    EndMs,
    /// 0: the row is free. Else what `format::state` makes of the words before.
    State,
    Charged,
}

/// Lives as long as a counter points into it.
pub(super) struct Chunk(MmapRaw);

impl Chunk {
    /// The bytes `at..at + CHUNK_BYTES` of the file, which has them.
    pub(super) fn map(file: &File, at: u64) -> io::Result<Self> {
        let mut options = MmapOptions::new();
        options.offset(at).len(CHUNK_BYTES);
        options.map_raw(file).map(Self)
    }

    #[expect(unsafe_code, reason = "a mapped page has no type of its own")]
    pub(super) fn word(&self, row: usize, word: Word) -> &AtomicU64 {
        let at = row % ROWS * ROW_BYTES + word as usize * size_of::<AtomicU64>();
        // SAFETY: `at` is a multiple of 8 and ends within the mapping of CHUNK_BYTES, which begins on a page and lives as
        // long as `self` does. The file is as long as that, for nobody shortens it. All access in this process is
        // through these atomics, and other processes are kept out by the store's lock.
        unsafe { AtomicU64::from_ptr(self.0.as_mut_ptr().add(at).cast()) }
    }

    /// Another number when a row was charged, given out or freed since.
    pub(super) fn fingerprint(&self) -> u64 {
        let load = |row, word| self.word(row, word).load(Ordering::Relaxed);
        (0..ROWS).fold(0, |sum: u64, row| {
            let row = load(row, Word::State) ^ load(row, Word::Charged).rotate_left(1);
            // The golden ratio's odd number: equal changes of two rows do not cancel out.
            (sum.rotate_left(5) ^ row).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        })
    }
}
