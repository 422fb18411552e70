//! Reading files of lines. Invariant: memory is bounded by [`BLOCK_BYTES`], whatever a file holds.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::Path;

use memchr::{memchr, memrchr};

/// Read at once. No row is longer; what is, is passed over.
pub(super) const BLOCK_BYTES: usize = 1024 * 1024;

pub(crate) fn opened(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads from `start`; less where the file ends.
pub(crate) fn read_part(
    file: &File,
    start: u64,
    most: usize,
    part: &mut Vec<u8>,
) -> io::Result<()> {
    part.resize(most, 0);
    let mut filled = 0;
    while let Some(rest) = part.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, start + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    part.truncate(filled);
    Ok(())
}

/// Length of the file up to and with its last line end.
pub(super) fn whole_len(file: &File) -> io::Result<u64> {
    let mut end = file.metadata()?.len();
    let mut part = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(4096);
        read_part(
            file,
            start,
            usize::try_from(end - start).unwrap_or(0),
            &mut part,
        )?;
        match memrchr(b'\n', &part) {
            Some(at) => return Ok(start + at as u64 + 1),
            None => end = start,
        }
    }
    Ok(0)
}

/// Whole lines from an end back to a start, a block at a time; in a block they stand in the order of the file.
pub(super) struct Backwards<'a> {
    file: &'a File,
    /// A line starts here, and nothing before it is read.
    floor: u64,
    /// What is before it has not been read.
    at: u64,
    /// The end of a line whose start is before `at`, without its line end.
    carry: Vec<u8>,
}

/// Whole lines, and where in the file the first of them starts.
pub(super) struct Block {
    pub start: u64,
    pub lines: Vec<u8>,
}

impl<'a> Backwards<'a> {
    pub(super) fn within(file: &'a File, floor: u64, end: u64) -> Self {
        Self {
            file,
            floor,
            at: end,
            carry: Vec::new(),
        }
    }

    pub(super) fn next(&mut self) -> io::Result<Option<Block>> {
        while self.at > self.floor {
            let start = self.at.saturating_sub(BLOCK_BYTES as u64).max(self.floor);
            let mut lines = Vec::new();
            let most = usize::try_from(self.at - start).unwrap_or(BLOCK_BYTES);
            read_part(self.file, start, most, &mut lines)?;
            self.at = start;
            lines.append(&mut self.carry);
            if start == self.floor {
                return Ok(Some(Block { start, lines }));
            }
            match memchr(b'\n', &lines) {
                Some(end) => {
                    let whole = lines.split_off(end + 1);
                    lines.truncate(end);
                    self.carry = lines;
                    if !whole.is_empty() {
                        return Ok(Some(Block {
                            start: start + end as u64 + 1,
                            lines: whole,
                        }));
                    }
                }
                None if lines.len() <= BLOCK_BYTES => self.carry = lines,
                // Its end is dropped; the start that is left is no row either.
                None => {}
            }
        }
        Ok(None)
    }
}
