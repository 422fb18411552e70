//! Reading segments while they are written: from the end for the last rows and for one row, forward for those since.
//!
//! Invariant: nothing here holds the writer's lock or changes a file. What follows the last line end is being written,
//! or was cut by a crash: it is no row yet. Memory is bounded by [`BLOCK_BYTES`] and the query's limit.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use memchr::{memchr, memmem, memrchr};
use troupe_core::RequestId;
use troupe_core::log::{LogPage, LogPosition, LogQuery};
use troupe_core::record::RequestRecord;

use super::bloom::Field;
use super::file::{BLOCK_BYTES, Backwards, opened, read_part, whole_len};
use super::index::{Index, Known, Piece};
use super::segment::segments;
use super::{days_near, segment_path};

/// Looked at for one page.
const PAGE_BYTES: u64 = 256 * 1024 * 1024;
/// Segments that a position follows: a request that began before midnight is written to its own day after it.
const FOLLOWED: usize = 2;

/// The row of one request.
pub(super) fn find(folder: &Path, id: RequestId) -> io::Result<Option<RequestRecord>> {
    let needle = format!("\"id\":\"{id}\"");
    let needle = memmem::Finder::new(needle.as_bytes());
    for day in days_near(id.time_ms()) {
        let path = segment_path(folder, day);
        let Some(file) = opened(&path)? else {
            continue;
        };
        let len = whole_len(&file)?;
        let index = Index::read(&path, &file, len, |_| true)?;
        for piece in index.back(len) {
            if let Known::Perhaps {
                entry_at,
                bloom_crc,
            } = piece.known
                && let Some(bloom) = index.bloom(entry_at, bloom_crc)?
                && !bloom.may_have(Field::Id, id.0.as_bytes())
            {
                continue;
            }
            let found = find_in(&file, &piece, &needle)?;
            if found.is_some() {
                return Ok(found);
            }
        }
    }
    Ok(None)
}

fn find_in(
    file: &File,
    piece: &Piece,
    needle: &memmem::Finder<'_>,
) -> io::Result<Option<RequestRecord>> {
    let mut blocks = Backwards::within(file, piece.start, piece.end);
    while let Some(block) = blocks.next()? {
        let lines = &block.lines[..];
        // In a text the quotes would be escaped: what is found is the row's own id.
        if let Some(at) = needle.find(lines) {
            let start = memrchr(b'\n', &lines[..at]).map_or(0, |end| end + 1);
            let len = memchr(b'\n', &lines[start..]).unwrap_or(lines.len() - start);
            let row = parsed(&lines[start..start + len]);
            if row.is_some() {
                return Ok(row);
            }
        }
    }
    Ok(None)
}

/// See [`troupe_core::port::LogStore::tail`].
pub(super) fn tail(folder: &Path, query: &LogQuery) -> io::Result<LogPage> {
    let mut all = segments(folder)?;
    all.sort_unstable();
    match &query.after {
        None => last(&all, query, PAGE_BYTES),
        Some(after) => since(&all, query, after, PAGE_BYTES),
    }
}

type Segments<'a> = &'a [(Date, PathBuf)];

fn last(all: Segments<'_>, query: &LogQuery, most: u64) -> io::Result<LogPage> {
    let mut page = LogPage::default();
    let mut looked_at = 0;
    let mut full = query.limit == 0;
    for (nth, (day, path)) in all.iter().rev().enumerate() {
        if full && nth >= FOLLOWED {
            break;
        }
        let Some(file) = opened(path)? else {
            continue;
        };
        let len = whole_len(&file)?;
        if nth < FOLLOWED {
            page.position.0.insert(day.to_string(), len);
        }
        let mut blocks = Backwards::within(&file, 0, len);
        while !full && let Some(block) = blocks.next()?.map(|block| block.lines) {
            for line in block.rsplit(|byte| *byte == b'\n') {
                full |= take(line, query, &mut page);
                if full {
                    break;
                }
            }
            looked_at += block.len() as u64;
            if looked_at >= most && !full {
                page.cut = true;
                full = true;
            }
        }
    }
    page.rows.reverse();
    Ok(page)
}

fn since(
    all: Segments<'_>,
    query: &LogQuery,
    after: &LogPosition,
    most: u64,
) -> io::Result<LogPage> {
    let mut page = LogPage::default();
    let newest_known = after.0.keys().max();
    let mut position = LogPosition::default();
    let mut looked_at = 0;
    for (day, path) in all {
        let name = day.to_string();
        let known = after.0.get(&name).copied();
        if known.is_none() && newest_known.is_some_and(|newest| name < *newest) {
            continue;
        }
        let Some(file) = opened(path)? else {
            continue;
        };
        let len = whole_len(&file)?;
        // A segment that shrank was repaired or made anew.
        let mut at = known.unwrap_or(0).min(len);
        let mut block = Vec::new();
        while at < len && !page.cut {
            read_part(&file, at, BLOCK_BYTES, &mut block)?;
            let Some(end) = memrchr(b'\n', &block) else {
                at = (at + block.len() as u64).min(len);
                continue;
            };
            let mut start = 0;
            for line in block[..=end].split_inclusive(|byte| *byte == b'\n') {
                if page.rows.len() >= query.limit || looked_at >= most {
                    page.cut = true;
                    break;
                }
                take(line.trim_ascii_end(), query, &mut page);
                start += line.len();
                looked_at += line.len() as u64;
            }
            at += start as u64;
        }
        position.0.insert(name, at);
    }
    while position.0.len() > FOLLOWED {
        position.0.pop_first();
    }
    page.position = position;
    Ok(page)
}

/// Takes a line into the page when it is a row that matches. True when the page is full.
fn take(line: &[u8], query: &LogQuery, page: &mut LogPage) -> bool {
    if line.is_empty() {
        return false;
    }
    match parsed(line) {
        Some(row) if query.filter.matches(&row) => page.rows.push(row),
        Some(_) => {}
        None => page.unreadable += 1,
    }
    page.rows.len() >= query.limit
}

pub(super) fn parsed(line: &[u8]) -> Option<RequestRecord> {
    serde_json::from_slice(line).ok()
}

#[cfg(test)]
mod tests;
