//! Judges a chain: is every line whole, and does each follow on the one before, up to where the store knows it?
//!
//! Invariant: what is named is the first line at which the chain does not hold; nothing is written.

use std::collections::BTreeSet;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use troupe_core::audit::AuditAnchor;

use super::files::{Position, scan};
use super::line::Line;
use super::{CONTINUED, GENESIS, RESTORED, RETIRED};

/// Where a chain does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// `None` when there is no line to point at.
    pub at: Option<Position>,
    /// The number of the line, as far as it can be told.
    pub seq: Option<u64>,
    pub what: String,
}

/// What is known of the chain's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// The store knows no line that is not there.
    Whole,
    /// Without a store a cut tail does not show.
    NotJudged,
}

/// The judgement of one node's chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub node: Arc<str>,
    /// Lines that were found good.
    pub lines: u64,
    /// Number of the first line that is kept; 0 when there is none.
    pub first: u64,
    pub last: u64,
    /// The last line before these files, when they continue one of which the store has the copy; others are elsewhere.
    pub continued: Option<u64>,
    pub tail: Tail,
    pub broken: Option<Broken>,
}

/// Reads all of a node's lines in `dir`.
///
/// # Errors
/// A file cannot be read.
pub fn verify(dir: &Path, node: &Arc<str>, anchor: Option<&AuditAnchor>) -> io::Result<Report> {
    let mut judge = Judge {
        anchor,
        ..Judge::default()
    };
    scan(dir, node, |at, bytes, ends| {
        if judge.broken.is_none() {
            judge.line(at, bytes, ends);
        } else {
            judge.look(bytes);
        }
        ControlFlow::Continue(())
    })?;
    Ok(judge.end(node))
}

#[derive(Default)]
struct Judge<'a> {
    anchor: Option<&'a AuditAnchor>,
    lines: u64,
    head: Option<(Position, u64, Arc<str>)>,
    last: Option<(Position, u64, Arc<str>)>,
    /// What lines of retirement say: up to which number, and its hash.
    retired: Vec<(u64, String)>,
    /// Number of the first line that says that the store was restored.
    restored: Option<u64>,
    /// What the first line says that it continues, when that is what it is for.
    continued: Option<u64>,
    broken: Option<Broken>,
    /// Numbers that were missing at the break: are they behind it?
    missing: Option<(u64, u64)>,
    behind: BTreeSet<u64>,
}

impl Judge<'_> {
    fn line(&mut self, at: Position, bytes: &[u8], ends: bool) {
        let expected = self.last.as_ref().map(|(_, seq, _)| seq + 1);
        if !ends {
            let what =
                "torn: it has no end; the next start of the gateway takes it off and says so";
            return self.breaks(at, expected, what.to_owned());
        }
        let line = match Line::read(bytes) {
            Ok(line) => line,
            Err(fault) => return self.breaks(at, expected, fault.to_string()),
        };
        let seq = line.seq;
        if let Some((before, last, hash)) = &self.last {
            let (before, last) = (before.line, *last);
            if seq == last {
                return self.breaks(at, Some(seq), "duplicated: its number was there".to_owned());
            }
            if seq < last {
                let what = format!("out of order: it stands behind line number {last}");
                return self.breaks(at, Some(seq), what);
            }
            if seq > last + 1 {
                self.missing = Some((last + 1, seq - 1));
                let what = format!(
                    "sequence gap: {} missing before it",
                    numbers(last + 1, seq - 1)
                );
                return self.breaks(at, Some(seq), what);
            }
            if line.prev != *hash {
                let what = format!(
                    "its prev is not the hash of the line before it (line {before}): one of the two was changed and hashed anew"
                );
                return self.breaks(at, Some(seq), what);
            }
        } else {
            self.head = Some((at.clone(), seq, Arc::clone(&line.prev)));
            self.continued = continues(&line);
        }
        if let Some(anchor) = self.anchor
            && anchor.seq == seq
            && anchor.hash != line.hash
        {
            let what = "the store mirrors another line of this number: this or one before it was changed and hashed anew";
            return self.breaks(at, Some(seq), what.to_owned());
        }
        self.note_cause(&line);
        self.lines += 1;
        self.last = Some((at, seq, line.hash));
    }

    /// Behind the break: only what explains it.
    fn look(&mut self, bytes: &[u8]) {
        if let Ok(line) = Line::read(bytes) {
            self.note_cause(&line);
            if let Some((from, to)) = self.missing
                && (from..=to).contains(&line.seq)
            {
                self.behind.insert(line.seq);
            }
        }
    }

    fn note_cause(&mut self, line: &Line) {
        if &*line.action == RESTORED {
            self.restored.get_or_insert(line.seq);
        }
        if &*line.action != RETIRED {
            return;
        }
        let after = line.after.as_ref();
        let seq = after
            .and_then(|v| v.get("through_seq"))
            .and_then(Value::as_u64);
        let hash = after
            .and_then(|v| v.get("through_hash"))
            .and_then(Value::as_str);
        self.retired.extend(seq.zip(hash.map(str::to_owned)));
    }

    fn breaks(&mut self, at: Position, seq: Option<u64>, what: String) {
        let at = Some(at);
        self.broken = Some(Broken { at, seq, what });
    }

    /// Lines before the first one went by retention, or they are missing.
    fn head_is_whole(&self) -> bool {
        let Some((_, seq, prev)) = &self.head else {
            return true;
        };
        let retired = |(through, hash): &(u64, String)| {
            *through >= *seq || (*through + 1 == *seq && **hash == **prev)
        };
        (*seq == 1 && &**prev == GENESIS)
            || self.continued.is_some()
            || self.retired.iter().any(retired)
    }

    fn end(mut self, node: &Arc<str>) -> Report {
        if let Some(broken) = &mut self.broken
            && let Some((from, to)) = self.missing
            && !self.behind.is_empty()
        {
            let whole = self.behind.len() as u64 == to - from + 1;
            let some = if whole { "" } else { "some of " };
            broken.what = format!("reordered: {some}{} behind it", stand(from, to));
        }
        if !self.head_is_whole()
            && let Some((at, seq, _)) = &self.head
        {
            let what = if *seq > 1
                && let Some(restored) = self.restored
            {
                format!(
                    "{} missing before it: line {restored} tells that the store was restored from a backup, which has no files of the trail; the store has a copy of them",
                    numbers(1, seq - 1)
                )
            } else if *seq > 1 {
                format!(
                    "{} missing before it, and no line says that they were retired: a file is gone",
                    numbers(1, seq - 1)
                )
            } else {
                "it is the first, and its prev is not that of a first line".to_owned()
            };
            self.broken = Some(Broken {
                at: Some(at.clone()),
                seq: Some(*seq),
                what,
            });
        }
        let last = self.last.as_ref().map_or(0, |(_, seq, _)| *seq);
        if self.broken.is_none()
            && let Some(anchor) = self.anchor.filter(|anchor| anchor.seq > last)
        {
            let what = format!(
                "the tail is cut: the store mirrors up to line {}, {} missing behind it",
                anchor.seq,
                numbers(last + 1, anchor.seq)
            );
            self.broken = Some(Broken {
                at: self.last.as_ref().map(|(at, ..)| at.clone()),
                seq: Some(last).filter(|last| *last > 0),
                what,
            });
        }
        Report {
            node: Arc::clone(node),
            lines: self.lines,
            first: self.head.as_ref().map_or(0, |(_, seq, _)| *seq),
            last,
            continued: self.continued,
            tail: if self.anchor.is_some() {
                Tail::Whole
            } else {
                Tail::NotJudged
            },
            broken: self.broken,
        }
    }
}

/// The number after which a line that begins a folder goes on, when it follows on what it says.
fn continues(line: &Line) -> Option<u64> {
    let after = line.after.as_ref().filter(|_| &*line.action == CONTINUED)?;
    let (seq, hash) = (after.get("after_seq")?, after.get("after_hash")?);
    let seq = seq.as_u64()?;
    let follows = seq.checked_add(1) == Some(line.seq) && hash.as_str()? == &*line.prev;
    follows.then_some(seq)
}

fn numbers(from: u64, to: u64) -> String {
    if from == to {
        format!("line {from} is")
    } else {
        format!("lines {from} to {to} are")
    }
}

fn stand(from: u64, to: u64) -> String {
    if from == to {
        format!("line {from} stands")
    } else {
        format!("lines {from} to {to} stand")
    }
}
