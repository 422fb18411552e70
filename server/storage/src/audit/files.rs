//! The files of a chain, and lines read from them.
//!
//! Invariant: only names that this writes are read; no line is held that is longer than any that is written.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Longer ones are damage: two values at their largest, and texts, escaped.
pub(super) const LINE_MAX_BYTES: usize = 1024 * 1024;
const DATE_CHARS: usize = 10;
const SUFFIX: &str = ".jsonl";
const BLOCK_BYTES: u64 = 64 * 1024;
const DAY_MS: u64 = 86_400_000;

/// Where a line stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    pub file: PathBuf,
    /// From 1.
    pub line: u64,
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// A node's name as files have it.
fn file_name(node: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let written = node.chars().map(|c| if safe(c) { c } else { '_' });
    written.collect()
}

/// UTC, as file names have it: `2026-02-24`.
pub(super) fn date(at_ms: u64) -> String {
    let at = i64::try_from(at_ms).ok();
    let at = at.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    let at = at.unwrap_or_default().to_zoned(jiff::tz::TimeZone::UTC);
    at.date().to_string()
}

/// The day that a file's name has, in days before `at_ms`; 0 for one of the future.
pub(super) fn age_days(date: &str, at_ms: u64) -> u64 {
    let day: Option<jiff::civil::Date> = date.parse().ok();
    let start = day.and_then(|day| day.to_zoned(jiff::tz::TimeZone::UTC).ok());
    let start = start.map_or(i64::MAX, |start| start.timestamp().as_millisecond());
    let age_ms = at_ms.saturating_sub(u64::try_from(start).unwrap_or(0));
    age_ms / DAY_MS
}

pub(super) fn path(dir: &Path, node: &str, date: &str) -> PathBuf {
    dir.join(format!("{}-{date}{SUFFIX}", file_name(node)))
}

pub(super) fn lock_path(dir: &Path, node: &str) -> PathBuf {
    dir.join(format!(".{}.lock", file_name(node)))
}

/// Node and date of a file's name.
fn parse(name: &str) -> Option<(&str, &str)> {
    let stem = name.strip_suffix(SUFFIX)?;
    let (node, date) = stem.split_at_checked(stem.len().checked_sub(DATE_CHARS)?)?;
    let _: jiff::civil::Date = date.parse().ok()?;
    Some((node.strip_suffix('-')?, date))
}

/// Dates and files of a node, the oldest first.
pub(super) fn list(dir: &Path, node: &str) -> io::Result<Vec<(String, PathBuf)>> {
    let wanted = file_name(node);
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        if let Some((node, date)) = name.to_str().and_then(parse)
            && node == wanted
        {
            found.push((date.to_owned(), dir.join(&name)));
        }
    }
    found.sort();
    Ok(found)
}

/// The nodes that have files in `dir`, by name.
///
/// # Errors
/// The folder cannot be read.
pub fn nodes(dir: &Path) -> io::Result<Vec<Arc<str>>> {
    let mut found = std::collections::BTreeSet::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        if let Some((node, _)) = name.to_str().and_then(parse) {
            found.insert(Arc::from(node));
        }
    }
    Ok(found.into_iter().collect())
}

/// Gives every line of a node in its order, without its end, and whether it has one.
///
/// # Errors
/// A file cannot be read.
pub fn scan(
    dir: &Path,
    node: &str,
    mut told: impl FnMut(Position, &[u8], bool) -> ControlFlow<()>,
) -> io::Result<()> {
    for (_, file) in list(dir, node)? {
        let mut reader = BufReader::with_capacity(BLOCK_BYTES as usize, File::open(&file)?);
        let mut number = 0;
        let mut line = Vec::new();
        while read_line(&mut reader, &mut line)? {
            number += 1;
            let position = Position {
                file: file.clone(),
                line: number,
            };
            let ends = line.last() == Some(&b'\n');
            let text = if ends {
                &line[..line.len() - 1]
            } else {
                &line[..]
            };
            if told(position, text, ends).is_break() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// `false` at the end. A line over the bound comes in pieces, each of which is damage.
pub(super) fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let mut bounded = reader.take(LINE_MAX_BYTES as u64);
    Ok(bounded.read_until(b'\n', line)? > 0)
}

/// Where the last complete line of a file begins and ends (its line end included); `None` when there is none.
pub(super) fn last_line(file: &mut File) -> io::Result<Option<(u64, u64)>> {
    let size = file.seek(SeekFrom::End(0))?;
    let Some(end) = newline_before(file, size)? else {
        return Ok(None);
    };
    let start = newline_before(file, end)?.map_or(0, |before| before + 1);
    Ok(Some((start, end + 1)))
}

/// The last line end before `end`.
fn newline_before(file: &mut File, mut end: u64) -> io::Result<Option<u64>> {
    let mut block = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(BLOCK_BYTES);
        file.seek(SeekFrom::Start(start))?;
        block.clear();
        file.by_ref().take(end - start).read_to_end(&mut block)?;
        if let Some(found) = memchr::memrchr(b'\n', &block) {
            return Ok(Some(start + found as u64));
        }
        end = start;
    }
    Ok(None)
}

/// Bytes of a file, at most those of a line.
pub(super) fn part(file: &mut File, start: u64, end: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    let size = end.saturating_sub(start).min(LINE_MAX_BYTES as u64);
    file.by_ref().take(size).read_to_end(&mut bytes)?;
    Ok(bytes)
}
