//! Searching segments from the newest row back.
//!
//! Invariant: what is looked at for one page is bounded, and each page looks at one line at least, so that whoever reads
//! on comes to the end.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use jiff::civil::Date;
use memchr::memrchr;
use troupe_core::log::{LogFound, LogSearch};

use super::cursor::Cursor;
use super::day_of;
use super::file::{Backwards, opened, whole_len};
use super::read::parsed;
use super::segment::segments;

/// Looked at for one page.
const PAGE_BYTES: u64 = 64 * 1024 * 1024;

/// See [`troupe_core::port::LogStore::search`]. `None`: the cursor does not stand where a row starts.
pub(super) fn search(
    folder: &Path,
    search: &LogSearch,
    after: Option<Cursor>,
) -> io::Result<Option<LogFound>> {
    let mut look = Look::new(search, PAGE_BYTES);
    let mut days = segments(folder)?;
    days.sort_unstable();
    let asked = |day: Date| {
        after.is_none_or(|after| day <= after.day)
            && search.from_ms.is_none_or(|from| day >= day_of(from))
            && search.to_ms.is_none_or(|to| day <= day_of(to))
    };
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
        if let Some(end) = look.back(&file, end)? {
            look.found.next = Some(Cursor { day, end }.into());
            break;
        }
    }
    Ok(Some(look.found))
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
    most: u64,
    looked_at: u64,
    found: LogFound,
}

impl<'a> Look<'a> {
    fn new(search: &'a LogSearch, most: u64) -> Self {
        Self {
            search,
            most,
            looked_at: 0,
            found: LogFound::default(),
        }
    }

    fn is_over(&self) -> bool {
        self.found.rows.len() >= self.search.limit || self.looked_at >= self.most
    }

    /// Lines from `end` back. Where to read on, when the page was over before the start.
    fn back(&mut self, file: &File, end: u64) -> io::Result<Option<u64>> {
        let mut at = end;
        let mut blocks = Backwards::within(file, 0, end);
        while at > 0 {
            if self.is_over() {
                return Ok(Some(at));
            }
            let Some(block) = blocks.next()? else {
                break;
            };
            let mut rest = &block.lines[..];
            while !rest.is_empty() {
                if self.is_over() {
                    return Ok(Some(at));
                }
                let line = rest.strip_suffix(b"\n").unwrap_or(rest);
                let start = memrchr(b'\n', line).map_or(0, |end| end + 1);
                self.take(&line[start..]);
                self.looked_at += (rest.len() - start) as u64;
                rest = &rest[..start];
                at = block.start + start as u64;
            }
        }
        Ok(None)
    }

    fn take(&mut self, line: &[u8]) {
        if line.is_empty() {
            return;
        }
        match parsed(line) {
            Some(row) if self.search.covers(row.at_ms) && self.search.filter.matches(&row) => {
                self.found.rows.push(row);
            }
            Some(_) => {}
            None => self.found.unreadable += 1,
        }
    }
}
