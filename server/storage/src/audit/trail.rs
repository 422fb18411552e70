//! The writer of a node's chain.
//!
//! ```text
//! open ── repairs a torn last line, finds the chain's end ──▶ append: write, fdatasync ──▶ durable
//!                                                              │ any failure: the file is cut back to what was durable
//! ```
//! Invariant: [`Trail::append`] returns when its lines are on the disk; when it fails, none of them is in the chain, and
//! the next try writes over what a failed one left.

use std::fs::{File, TryLockError};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;
use troupe_core::audit::{AuditAnchor, AuditRow};

use super::chain::Chain;
use super::files::{self, Position};
use super::line::{Entry, Fault, Line};
use super::{CONTINUED, DAMAGED, REPAIRED, RETIRED};
use crate::fs::{private_dir, private_file, sync_dir};

/// What an opening met that an operator must hear of.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Found {
    #[error("{}: an unfinished last line of {size_bytes} bytes was taken off", .file.display())]
    Torn { file: PathBuf, size_bytes: u64 },
    #[error("{at}: {fault}")]
    Damaged { at: Position, fault: Fault },
    #[error("lines {from} to {to} are in the store and not in the file: its tail was cut")]
    TailCut { from: u64, to: u64 },
    #[error("there was no file of this trail: it continues at {} behind the store's copy of {seq} lines", .seq + 1)]
    Continued { seq: u64, hash: Arc<str> },
}

impl Found {
    /// The line that tells of it.
    #[must_use]
    pub fn entry(&self, at_ms: u64) -> Entry {
        let action = match self {
            Self::Torn { .. } => REPAIRED,
            Self::Damaged { .. } | Self::TailCut { .. } => DAMAGED,
            Self::Continued { .. } => CONTINUED,
        };
        let mut entry = Entry::new(at_ms, "system", action, "trail");
        entry.after = Some(match self {
            Self::Continued { seq, hash } => json!({ "after_seq": seq, "after_hash": &**hash }),
            found => json!({ "found": found.to_string() }),
        });
        entry
    }
}

/// A node's chain, open for writing; alone with it.
#[derive(Debug)]
pub struct Trail {
    dir: PathBuf,
    chain: Chain,
    current: Option<Current>,
    _lock: File,
}

#[derive(Debug)]
struct Current {
    date: String,
    file: File,
    /// What is durable; behind it may stand the rest of a failed write.
    size: u64,
}

impl Trail {
    /// Opens or begins the chain of `node` in `dir`.
    ///
    /// # Errors
    /// The folder or a file cannot be read or written, or another process writes there (`WouldBlock`).
    pub fn open(dir: &Path, node: &Arc<str>) -> io::Result<(Self, Vec<Found>)> {
        private_dir(dir)?;
        let lock = private_file(&files::lock_path(dir, node))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => io::Error::new(
                io::ErrorKind::WouldBlock,
                "another process writes this trail",
            ),
            TryLockError::Error(error) => error,
        })?;
        let mut trail = Self {
            dir: dir.to_owned(),
            chain: Chain::new(Arc::clone(node)),
            current: None,
            _lock: lock,
        };
        let mut found = Vec::new();
        let mut unread = 0;
        for (date, path) in files::list(dir, node)?.into_iter().rev() {
            let mut file = private_file(&path)?;
            if trail.current.is_none() {
                trail.current = Some(take_over(&mut file, &path, date, &mut found)?);
            }
            if let Some(last) = last_readable(&mut file, &path, &mut unread, &mut found)? {
                trail.chain = Chain::after(Arc::clone(node), &last);
                break;
            }
        }
        trail.chain.skip(unread);
        Ok((trail, found))
    }

    /// Compares with the store's anchor. Where the store knows more than the file, the chain goes on behind that, so
    /// that no number is given twice, and no event of which the store's line says that it was told (`told`).
    pub fn judge(&mut self, anchor: Option<&AuditAnchor>, told: Option<u64>) -> Option<Found> {
        let anchor = anchor.filter(|anchor| anchor.seq > self.chain.seq())?;
        let found = match self.chain.seq() {
            0 => Found::Continued {
                seq: anchor.seq,
                hash: Arc::clone(&anchor.hash),
            },
            last => Found::TailCut {
                from: last + 1,
                to: anchor.seq,
            },
        };
        self.chain.resume(anchor, told);
        Some(found)
    }

    #[must_use]
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Makes lines of entries, in the file of `now_ms`' day, or a later one where the clock went back.
    ///
    /// # Errors
    /// Nothing was appended.
    pub fn append(&mut self, now_ms: u64, entries: &[Entry]) -> io::Result<Vec<AuditRow>> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        self.turn_to(files::date(now_ms))?;
        let Some(current) = &mut self.current else {
            return Err(io::Error::other("no file is open"));
        };
        let mut chain = self.chain.clone();
        let rows: Vec<_> = entries.iter().map(|entry| chain.seal(entry)).collect();
        let mut text = String::new();
        for row in &rows {
            text.push_str(&row.line);
            text.push('\n');
        }
        current.write(text.as_bytes())?;
        self.chain = chain;
        Ok(rows)
    }

    fn turn_to(&mut self, date: String) -> io::Result<()> {
        if self
            .current
            .as_ref()
            .is_some_and(|current| current.date >= date)
        {
            return Ok(());
        }
        let path = files::path(&self.dir, self.chain.node(), &date);
        let file = private_file(&path)?;
        sync_dir(&self.dir)?;
        let size = file.metadata()?.len();
        self.current = Some(Current { date, file, size });
        Ok(())
    }

    /// Deletes files that are wholly older than `keep_days`, after a line that says so; returns that line. Files with
    /// lines above `mirrored`, which the store does not have yet, stay.
    ///
    /// # Errors
    /// The line was not written (then nothing is deleted), or a file could not be deleted.
    pub fn retire(
        &mut self,
        now_ms: u64,
        keep_days: u64,
        mirrored: u64,
    ) -> io::Result<Vec<AuditRow>> {
        let mut old = files::list(&self.dir, self.chain.node())?;
        // The last file is never old: it holds the chain's end.
        old.pop();
        // A name may be another's by mistake: what the file's last line says has to agree.
        let is_old = |date: &str| files::age_days(date, now_ms) > keep_days;
        old.retain(|(date, _)| is_old(date));
        let may_go =
            |line: &Line| line.seq <= mirrored && line.timestamp.get(..10).is_some_and(is_old);
        let Some(last) = last_to_go(&mut old, may_go)? else {
            return Ok(Vec::new());
        };
        let mut entry = Entry::new(now_ms, "system", RETIRED, "trail");
        entry.after = Some(json!({
            "through_seq": last.seq,
            "through_hash": &*last.hash,
            "files": old.len(),
        }));
        let rows = self.append(now_ms, &[entry])?;
        for (_, path) in &old {
            std::fs::remove_file(path)?;
        }
        sync_dir(&self.dir)?;
        Ok(rows)
    }
}

impl Current {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = self.try_write(bytes);
        match &written {
            Ok(()) => self.size += bytes.len() as u64,
            // What is left of it is written over by the next try, or taken off as torn at the next start.
            Err(_) => drop(self.file.set_len(self.size)),
        }
        written
    }

    fn try_write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.file.metadata()?.len() != self.size {
            self.file.set_len(self.size)?;
        }
        self.file.seek(SeekFrom::Start(self.size))?;
        self.file.write_all(bytes)?;
        self.file.sync_data()
    }
}

/// The newest file, without the unfinished line that a crash left at its end.
fn take_over(
    file: &mut File,
    path: &Path,
    date: String,
    found: &mut Vec<Found>,
) -> io::Result<Current> {
    let size = file.metadata()?.len();
    let end = files::last_line(file)?.map_or(0, |(_, end)| end);
    if end < size {
        file.set_len(end)?;
        file.sync_all()?;
        found.push(Found::Torn {
            file: path.to_owned(),
            size_bytes: size - end,
        });
    }
    Ok(Current {
        date,
        file: file.try_clone()?,
        size: end,
    })
}

/// The last line that can be read; those behind it are counted, and told of.
fn last_readable(
    file: &mut File,
    path: &Path,
    unread: &mut u64,
    found: &mut Vec<Found>,
) -> io::Result<Option<Line>> {
    let Some((start, end)) = files::last_line(file)? else {
        return Ok(None);
    };
    if let Ok(line) = Line::read(&files::part(file, start, end - 1)?) {
        return Ok(Some(line));
    }
    // Rare: the whole file is looked at.
    file.seek(SeekFrom::Start(0))?;
    let mut reader = io::BufReader::new(&*file);
    let (mut bytes, mut number, mut behind) = (Vec::new(), 0, 0);
    let (mut last, mut fault) = (None, None);
    while files::read_line(&mut reader, &mut bytes)? {
        number += 1;
        match Line::read(bytes.strip_suffix(b"\n").unwrap_or(&bytes)) {
            Ok(line) => (last, fault, behind) = (Some(line), None, 0),
            Err(wrong) => {
                let at = Position {
                    file: path.to_owned(),
                    line: number,
                };
                fault.get_or_insert(Found::Damaged { at, fault: wrong });
                behind += 1;
            }
        }
    }
    *unread += behind;
    found.extend(fault);
    Ok(last)
}

/// The last line of `old`, of which only those are left that may go: the first ones, up to one that may not.
fn last_to_go(
    old: &mut Vec<(String, PathBuf)>,
    may_go: impl Fn(&Line) -> bool,
) -> io::Result<Option<Line>> {
    let (mut going, mut last) = (0, None);
    for (place, (_, path)) in old.iter().enumerate() {
        // One that ends in no line goes with those behind it.
        let Some(line) = end_of(path)? else { continue };
        if !may_go(&line) {
            break;
        }
        (going, last) = (place + 1, Some(line));
    }
    old.truncate(going);
    Ok(last)
}

fn end_of(path: &Path) -> io::Result<Option<Line>> {
    let mut file = File::open(path)?;
    let Some((start, end)) = files::last_line(&mut file)? else {
        return Ok(None);
    };
    let line = Line::read(&files::part(&mut file, start, end - 1)?);
    Ok(line.ok())
}
