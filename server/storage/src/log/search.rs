//! Searching segments from the newest row back.
//!
//! Invariant: what is looked at for one page is bounded, and each page looks at one line at least, so that whoever reads
//! on comes to the end.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use memchr::memrchr;
use troupe_core::log::{LogFound, LogSearch};

use super::block::may_have;
use super::bloom::BLOOM_BYTES;
use super::cursor::Cursor;
use super::day_of;
use super::file::{Backwards, opened, whole_len};
use super::index::{Index, Known, Piece};
use super::needle::Needles;
use super::read::parsed;
use super::segment::segments;

/// Looked at for one page.
const PAGE_BYTES: u64 = 64 * 1024 * 1024;

/// What one entry costs that is read without its bloom, and with it.
const HEAD_COST_BYTES: u64 = 256;
const BLOOM_COST_BYTES: u64 = BLOOM_BYTES as u64;

#[derive(Debug, Default)]
pub(super) struct Searched {
    pub found: LogFound,
    /// A segment whose index has gaps.
    pub incomplete: Option<PathBuf>,
    /// Bytes of segments and indexes, those of an index by what they cost.
    pub looked_at: u64,
}

/// See [`troupe_core::port::LogStore::search`]. `None`: the cursor does not stand where a row starts.
pub(super) fn search(
    folder: &Path,
    search: &LogSearch,
    after: Option<Cursor>,
) -> io::Result<Option<Searched>> {
    bounded(folder, search, after, PAGE_BYTES)
}

fn bounded(
    folder: &Path,
    search: &LogSearch,
    after: Option<Cursor>,
    most: u64,
) -> io::Result<Option<Searched>> {
    let mut look = Look::new(search, most);
    let mut days = segments(folder)?;
    days.sort_unstable();
    let asked = |day: Date| {
        after.is_none_or(|after| day <= after.day)
            && search.from_ms.is_none_or(|from| day >= day_of(from))
            && search.to_ms.is_none_or(|to| day <= day_of(to))
    };
    let newest = days.last().map(|(day, _)| *day);
    for (day, path) in days.into_iter().rev().filter(|(day, _)| asked(*day)) {
        let Some(file) = opened(&path)? else {
            continue;
        };
        let len = whole_len(&file)?;
        // A segment that shrank was repaired or made anew.
        let end = match after.filter(|after| after.day == day) {
            Some(after) if after.end < len && !starts_line(&file, after.end)? => return Ok(None),
            Some(after) => after.end.min(len),
            None => len,
        };
        let index = Index::read(&path, &file, len, |facts| facts.may_match(search))?;
        if look.to.incomplete.is_none() && !index.gaps(len, Some(day) < newest).is_empty() {
            look.to.incomplete = Some(path);
        }
        if let Some(end) = look.back(&file, &index, end)? {
            look.to.found.next = Some(Cursor { day, end }.into());
            break;
        }
        look.to.looked_at += index.entries() as u64 * HEAD_COST_BYTES;
    }
    Ok(Some(look.to))
}

fn starts_line(file: &File, at: u64) -> io::Result<bool> {
    let Some(before) = at.checked_sub(1) else {
        return Ok(true);
    };
    let mut byte = [0];
    file.read_exact_at(&mut byte, before)?;
    Ok(byte == *b"\n")
}

/// One page as it fills.
struct Look<'a> {
    search: &'a LogSearch,
    needles: Needles,
    most: u64,
    to: Searched,
}

impl<'a> Look<'a> {
    fn new(search: &'a LogSearch, most: u64) -> Self {
        Self {
            search,
            needles: Needles::of(&search.filter),
            most,
            to: Searched::default(),
        }
    }

    fn is_over(&self) -> bool {
        self.to.found.rows.len() >= self.search.limit || self.to.looked_at >= self.most
    }

    /// What is before `end`, back to the start. Where to read on, when the page was over before.
    fn back(&mut self, file: &File, index: &Index, end: u64) -> io::Result<Option<u64>> {
        for piece in index.back(end) {
            if self.is_over() {
                return Ok(Some(piece.end));
            }
            let wanted = match piece.known {
                Known::Nothing => true,
                Known::Without => false,
                Known::Perhaps {
                    entry_at,
                    bloom_crc,
                } => {
                    self.to.looked_at += BLOOM_COST_BYTES;
                    let bloom = index.bloom(entry_at, bloom_crc)?;
                    bloom.is_none_or(|bloom| may_have(&bloom, &self.search.filter))
                }
            };
            if wanted && let Some(end) = self.lines(file, &piece)? {
                return Ok(Some(end));
            }
        }
        Ok(None)
    }

    fn lines(&mut self, file: &File, piece: &Piece) -> io::Result<Option<u64>> {
        let mut at = piece.end;
        let mut blocks = Backwards::within(file, piece.start, piece.end);
        while let Some(block) = blocks.next()? {
            let mut rest = &block.lines[..];
            while !rest.is_empty() {
                if at < piece.end && self.is_over() {
                    return Ok(Some(at));
                }
                let line = rest.strip_suffix(b"\n").unwrap_or(rest);
                let start = memrchr(b'\n', line).map_or(0, |end| end + 1);
                self.take(&line[start..]);
                self.to.looked_at += (rest.len() - start) as u64;
                rest = &rest[..start];
                at = block.start + start as u64;
            }
        }
        Ok(None)
    }

    fn take(&mut self, line: &[u8]) {
        if line.is_empty() || !self.needles.are_in(line) {
            return;
        }
        match parsed(line) {
            Some(row) if self.search.covers(row.at_ms) && self.search.filter.matches(&row) => {
                self.to.found.rows.push(row);
            }
            Some(_) => {}
            None => self.to.found.unreadable += 1,
        }
    }
}

#[cfg(test)]
mod tests;
