//! Entries for parts of a segment that have none: of an older version's segments, of the time around a restart.
//!
//! Invariant: bounded; whoever searches again brings it further.

use std::fs::File;
use std::io;
use std::path::Path;

use memchr::memrchr;

use super::block::Block;
use super::file::{BLOCK_BYTES, opened, read_part, whole_len};
use super::index::{Index, Piece};
use super::read::parsed;
use super::segment::segments;

/// Read at one go.
const MOST_BYTES: u64 = 256 * 1024 * 1024;
/// Entries that are written at once.
const BATCH: usize = 16;

/// `add` is told the entries.
pub(super) fn complete(
    folder: &Path,
    path: &Path,
    add: impl Fn(&File, &[Block]) -> io::Result<()>,
) -> io::Result<()> {
    let Some(file) = opened(path)? else {
        return Ok(());
    };
    let len = whole_len(&file)?;
    let that_ended = segments(folder)?.iter().any(|(_, other)| **other > *path);
    let index = Index::read(path, &file, len, |_| true)?;
    let mut read_bytes = 0;
    for gap in index.gaps(len, that_ended) {
        if read_bytes >= MOST_BYTES {
            break;
        }
        let end = gap.end.min(gap.start + (MOST_BYTES - read_bytes));
        read_bytes += end - gap.start;
        cover(&file, &Piece { end, ..gap }, &add)?;
    }
    Ok(())
}

/// Ends before a line that is longer than any row.
fn cover(
    file: &File,
    gap: &Piece,
    add: impl Fn(&File, &[Block]) -> io::Result<()>,
) -> io::Result<()> {
    let mut at = gap.start;
    let mut part = Vec::new();
    let mut block = Block::at(at);
    let mut full = Vec::new();
    while at < gap.end {
        let most = usize::try_from(gap.end - at).unwrap_or(usize::MAX);
        read_part(file, at, most.min(BLOCK_BYTES), &mut part)?;
        let Some(end) = memrchr(b'\n', &part) else {
            break;
        };
        for line in part[..=end].split_inclusive(|byte| *byte == b'\n') {
            let text = line.trim_ascii_end();
            let row = parsed(text);
            if row.is_none() && text.is_empty() {
                block.end += line.len() as u64;
            } else {
                block.add(row.as_ref(), line.len() as u64);
            }
            if block.is_full() {
                let next = Block::at(block.end);
                full.push(std::mem::replace(&mut block, next));
            }
        }
        at += end as u64 + 1;
        if full.len() >= BATCH {
            add(file, &full)?;
            full.clear();
        }
    }
    if block.end > block.start {
        full.push(block);
    }
    add(file, &full)
}
