//! Reads a chain on from a number, as it grows: for the store's mirror.
//!
//! A line that cannot be read, or is not there, does not stop it: the next one that can be has in its number how many are
//! missing, and for each the store gets a row that says so. `verify` judges the file; this only goes on.
//!
//! Invariant: lines come in their order, each number once and without gaps, and none that is not durable yet.

use std::fs::File;
use std::io::{self, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;
use troupe_core::audit::{AuditRow, AuditStatus};

use super::files::{self, LINE_MAX_BYTES};
use super::line::Line;
use super::{GENESIS, UNREADABLE};

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

    /// At most `limit` lines with numbers above `after` and up to `durable`. With `after` 0 the first may have any
    /// number: those before it may have been retired.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn read(&mut self, after: u64, durable: u64, limit: usize) -> io::Result<Vec<AuditRow>> {
        let files = files::list(&self.dir, &self.node)?;
        let (mut index, mut offset) = match &self.place {
            Some((date, offset)) => (files.partition_point(|(d, _)| d < date), *offset),
            None => (place_of(&files, after)?, 0),
        };
        let mut rows = Vec::new();
        let mut last = after;
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
            // Where lines begin that are not durable yet.
            let mut ahead = None;
            while files::read_line(&mut reader, &mut bytes)? {
                let ends = bytes.last() == Some(&b'\n');
                if !ends && bytes.len() < LINE_MAX_BYTES {
                    break;
                }
                let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
                let line = Line::read(text).ok().filter(|line| line.seq > last);
                match line {
                    Some(line) if line.seq > durable => _ = ahead.get_or_insert(offset),
                    Some(line) => {
                        // Where nothing is known of a line before, nothing is missing.
                        while last > 0 && last + 1 < line.seq && rows.len() < limit {
                            last += 1;
                            rows.push(unreadable(last, &line));
                        }
                        if rows.len() >= limit {
                            full = true;
                            break;
                        }
                        // One that was ahead and stands before this is no line of the chain.
                        ahead = None;
                        last = line.seq;
                        rows.push(line.row(&String::from_utf8_lossy(text)));
                    }
                    None => {}
                }
                offset += bytes.len() as u64;
            }
            if let Some(ahead) = ahead {
                (offset, full) = (ahead, true);
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

/// In place of line `seq`, before `next`.
fn unreadable(seq: u64, next: &Line) -> AuditRow {
    let line = json!({ "seq": seq, "action": UNREADABLE });
    AuditRow {
        node: Arc::clone(&next.node),
        seq,
        at_ms: next.at_ms(),
        actor: "system".into(),
        action: UNREADABLE.into(),
        resource: "trail".into(),
        status: AuditStatus::Failed,
        hash: GENESIS.into(),
        line: line.to_string().into(),
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
