//! Reads a chain on from a number, as it grows: for the store's mirror.
//!
//! Invariant: lines come in their order, each once, and none that is not durable yet.

use std::fs::File;
use std::io::{self, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use troupe_core::audit::AuditRow;

use super::files;
use super::line::Line;

/// Where the last reading ended.
#[derive(Debug)]
pub struct Follower {
    dir: PathBuf,
    node: Arc<str>,
    place: Option<(String, u64)>,
}

impl Follower {
    #[must_use]
    pub fn new(dir: &Path, node: Arc<str>) -> Self {
        Self {
            dir: dir.to_owned(),
            node,
            place: None,
        }
    }

    /// Begins anew: the next reading looks for its place again.
    pub fn rewind(&mut self) {
        self.place = None;
    }

    /// At most `limit` lines with numbers above `after` and up to `durable`.
    ///
    /// # Errors
    /// A file cannot be read, or a line of it is no line of ours (`InvalidData`).
    pub fn read(&mut self, after: u64, durable: u64, limit: usize) -> io::Result<Vec<AuditRow>> {
        let files = files::list(&self.dir, &self.node)?;
        let (mut index, mut offset) = match &self.place {
            Some((date, offset)) => (files.partition_point(|(d, _)| d < date), *offset),
            None => (place_of(&files, after)?, 0),
        };
        let mut rows = Vec::new();
        while let Some((date, path)) = files.get(index) {
            if self.place.as_ref().is_some_and(|(at, _)| at != date) {
                offset = 0;
            }
            let is_last = index + 1 == files.len();
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(offset))?;
            let mut reader = BufReader::new(file);
            let mut bytes = Vec::new();
            let mut full = false;
            while files::read_line(&mut reader, &mut bytes)? {
                let Some(text) = bytes.strip_suffix(b"\n") else {
                    break;
                };
                let line = Line::read(text).map_err(|fault| {
                    let at = format!("{} at byte {offset}: {fault}", path.display());
                    io::Error::new(io::ErrorKind::InvalidData, at)
                })?;
                if line.seq > durable || rows.len() >= limit {
                    full = true;
                    break;
                }
                offset += bytes.len() as u64;
                if line.seq > after {
                    rows.push(line.row(&String::from_utf8_lossy(text)));
                }
            }
            self.place = Some((date.clone(), offset));
            if full || is_last {
                break;
            }
            index += 1;
        }
        Ok(rows)
    }
}

/// The newest file that begins at or before the line behind `after`.
fn place_of(files: &[(String, PathBuf)], after: u64) -> io::Result<usize> {
    for (index, (_, path)) in files.iter().enumerate().rev() {
        let mut bytes = Vec::new();
        files::read_line(&mut BufReader::new(File::open(path)?), &mut bytes)?;
        let first = Line::read(bytes.strip_suffix(b"\n").unwrap_or(&bytes));
        if first.is_ok_and(|line| line.seq <= after.saturating_add(1)) {
            return Ok(index);
        }
    }
    Ok(0)
}
