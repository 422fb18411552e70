//! The sparse index of a segment, a file beside it: an entry for each block, in no order.
//!
//! ```text
//! "TBX1" | crc32 of the segment's first line | start | end | times | maxima | statuses | bits | crc32 of bloom | crc32
//!        of all before | bloom                                                             (numbers little-endian)
//! ```
//! Invariant: never needed. An entry that does not hold, that is of another segment, that reaches behind the segment's end
//! or over another entry is as if it were not there, and what no entry covers is read row by row.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::block::{Block, Facts, STATUS_WORDS};
use super::bloom::{BLOOM_BYTES, Bloom};
use super::file::{opened, read_part};
use crate::fs::private_file;

const MAGIC: &[u8; 4] = b"TBX1";
const HEAD_BYTES: usize = 4 + 4 + 6 * 8 + STATUS_WORDS * 8 + 4 + 4 + 4;
pub(super) const ENTRY_BYTES: usize = HEAD_BYTES + BLOOM_BYTES;
/// So much of a first line tells segments apart.
const FIRST_BYTES: usize = 256;
/// A longer block is damage.
const LONGEST_BYTES: u64 = 4 * 1024 * 1024;

pub(super) fn index_path(segment: &Path) -> PathBuf {
    segment.with_extension("index")
}

/// An entry without its bloom.
#[derive(Clone, Debug, PartialEq)]
struct Head {
    first_line: u32,
    start: u64,
    end: u64,
    facts: Facts,
    bloom_crc: u32,
}

impl Head {
    fn encode(&self) -> Vec<u8> {
        let facts = &self.facts;
        let mut out = Vec::with_capacity(ENTRY_BYTES);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&self.first_line.to_le_bytes());
        for number in [
            self.start,
            self.end,
            facts.min_at_ms,
            facts.max_at_ms,
            facts.max_duration_us,
            facts.max_cost_micro_usd,
        ]
        .iter()
        .chain(&facts.statuses)
        {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&[facts.outcomes, facts.routes, facts.flags, 0]);
        out.extend_from_slice(&self.bloom_crc.to_le_bytes());
        out.extend_from_slice(&crc32fast::hash(&out).to_le_bytes());
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        fn word<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8; 4]> {
            let (word, after) = rest.split_first_chunk()?;
            *rest = after;
            Some(word)
        }
        fn number(rest: &mut &[u8]) -> Option<u64> {
            let (number, after) = rest.split_first_chunk()?;
            *rest = after;
            Some(u64::from_le_bytes(*number))
        }
        let head = bytes.get(..HEAD_BYTES)?;
        let (checked, crc) = head.split_at_checked(HEAD_BYTES - 4)?;
        let mut rest = checked.strip_prefix(MAGIC)?;
        if crc != crc32fast::hash(checked).to_le_bytes() {
            return None;
        }
        let first_line = u32::from_le_bytes(*word(&mut rest)?);
        let (start, end) = (number(&mut rest)?, number(&mut rest)?);
        let mut facts = Facts {
            min_at_ms: number(&mut rest)?,
            max_at_ms: number(&mut rest)?,
            max_duration_us: number(&mut rest)?,
            max_cost_micro_usd: number(&mut rest)?,
            ..Facts::default()
        };
        for word in &mut facts.statuses {
            *word = number(&mut rest)?;
        }
        [facts.outcomes, facts.routes, facts.flags, _] = *word(&mut rest)?;
        Some(Self {
            first_line,
            start,
            end,
            facts,
            bloom_crc: u32::from_le_bytes(*word(&mut rest)?),
        })
    }

    fn holds(&self, first_line: u32, len: u64) -> bool {
        self.first_line == first_line
            && self.start < self.end
            && self.end <= len
            && self.end - self.start <= LONGEST_BYTES
    }
}

/// Tells a segment from another one of the same day.
fn first_line(segment: &File) -> io::Result<u32> {
    let mut line = Vec::new();
    read_part(segment, 0, FIRST_BYTES, &mut line)?;
    let len = memchr::memchr(b'\n', &line).unwrap_or(line.len());
    Ok(crc32fast::hash(line.get(..len).unwrap_or_default()))
}

/// Adds entries. The caller sees to it that nobody else does.
pub(super) fn add(path: &Path, segment: &File, blocks: &[Block]) -> io::Result<()> {
    if blocks.is_empty() {
        return Ok(());
    }
    let first_line = first_line(segment)?;
    let file = private_file(&index_path(path))?;
    let len = file.metadata()?.len();
    // What is behind the last whole entry was cut by a crash.
    let mut at = len - len % ENTRY_BYTES as u64;
    for block in blocks {
        let head = Head {
            first_line,
            start: block.start,
            end: block.end,
            facts: block.facts.clone(),
            bloom_crc: crc32fast::hash(block.bloom.bytes()),
        };
        let entry = [&head.encode(), block.bloom.bytes()].concat();
        file.write_all_at(&entry, at)?;
        at += entry.len() as u64;
    }
    Ok(())
}

/// Wipes entries that reach behind the end of a segment which is about to grow.
pub(super) fn forget_behind(path: &Path, len: u64) -> io::Result<()> {
    if !index_path(path).exists() {
        return Ok(());
    }
    let file = private_file(&index_path(path))?;
    for_each_head(&file, |at, head| {
        if head.end > len {
            file.write_all_at(&[0; HEAD_BYTES], at)?;
        }
        Ok(())
    })
}

fn for_each_head(file: &File, mut told: impl FnMut(u64, Head) -> io::Result<()>) -> io::Result<()> {
    let len = file.metadata()?.len();
    let mut bytes = Vec::new();
    let mut at = 0;
    while at < len {
        read_part(file, at, HEAD_BYTES, &mut bytes)?;
        if let Some(head) = Head::decode(&bytes) {
            told(at, head)?;
        }
        at += ENTRY_BYTES as u64;
    }
    Ok(())
}

/// A part of a segment, whole lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub start: u64,
    pub end: u64,
    pub known: Known,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// No entry: anything may be in it.
    Nothing,
    /// What is looked for is not in it.
    Without,
    /// The entry that stands there does not rule it out.
    Perhaps { entry_at: u64, bloom_crc: u32 },
}

/// A segment's index, as far as one search needs it.
#[derive(Debug)]
pub(super) struct Index {
    file: Option<File>,
    /// By their place, none over another; gaps are not among them.
    pieces: Vec<Piece>,
}

impl Index {
    /// `may_have` says of a block's facts whether what is looked for may be in it.
    pub(super) fn read(
        path: &Path,
        segment: &File,
        len: u64,
        may_have: impl Fn(&Facts) -> bool,
    ) -> io::Result<Self> {
        let Some(file) = opened(&index_path(path))? else {
            return Ok(Self {
                file: None,
                pieces: Vec::new(),
            });
        };
        let first_line = first_line(segment)?;
        let mut pieces = Vec::new();
        for_each_head(&file, |entry_at, head| {
            if head.holds(first_line, len) {
                let known = if may_have(&head.facts) {
                    Known::Perhaps {
                        entry_at,
                        bloom_crc: head.bloom_crc,
                    }
                } else {
                    Known::Without
                };
                pieces.push(Piece {
                    start: head.start,
                    end: head.end,
                    known,
                });
            }
            Ok(())
        })?;
        pieces.sort_by_key(|piece| piece.start);
        let mut end = 0;
        pieces.retain(|piece| {
            let is_behind = piece.start >= end;
            if is_behind {
                end = piece.end;
            }
            is_behind
        });
        Ok(Self {
            file: Some(file),
            pieces,
        })
    }

    pub(super) fn entries(&self) -> usize {
        self.pieces.len()
    }

    /// All before `end`, from the last piece back.
    pub(super) fn back(&self, end: u64) -> impl Iterator<Item = Piece> {
        let mut end = end;
        let mut rest = &self.pieces[..];
        std::iter::from_fn(move || {
            while let Some((last, before)) = rest.split_last() {
                if last.start < end {
                    let piece = if last.end < end {
                        Piece {
                            start: last.end,
                            end,
                            known: Known::Nothing,
                        }
                    } else {
                        rest = before;
                        Piece { end, ..*last }
                    };
                    end = piece.start;
                    return Some(piece);
                }
                rest = before;
            }
            let start = std::mem::replace(&mut end, 0);
            (start > 0).then_some(Piece {
                start: 0,
                end: start,
                known: Known::Nothing,
            })
        })
    }

    /// The bloom of an entry; `None` when it does not hold.
    pub(super) fn bloom(&self, entry_at: u64, bloom_crc: u32) -> io::Result<Option<Bloom>> {
        let Some(file) = &self.file else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        read_part(file, entry_at + HEAD_BYTES as u64, BLOOM_BYTES, &mut bytes)?;
        if crc32fast::hash(&bytes) != bloom_crc {
            return Ok(None);
        }
        Ok(Bloom::from_bytes(bytes))
    }

    /// What an entry should cover: gaps that something follows, and in a segment `that_ended` the last one.
    pub(super) fn gaps(&self, len: u64, that_ended: bool) -> Vec<Piece> {
        let mut gaps: Vec<_> = self
            .back(len)
            .filter(|piece| piece.known == Known::Nothing)
            .filter(|piece| that_ended || piece.end < len)
            .collect();
        gaps.reverse();
        gaps
    }
}
