//! What the file's bytes mean, for the next process.
//!
//! ```text
//! row 0         magic, version, check of both
//! other rows    limit (2 words), start, end, state, charged, 0, 0
//! ```
//! Words have the machine's byte order; on another machine the magic is not recognised.
//!
//! Invariant: a row counts only when its state is the check of its words, so neither zeros nor garbage nor half a row is
//! taken for a charge.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use troupe_core::LimitId;
use troupe_core::port::QuotaRow;
use uuid::Uuid;

use super::chunk::{CHUNK_BYTES, ROW_BYTES};
use crate::OpenError;

const MAGIC: u64 = u64::from_be_bytes(*b"TROUPE-C");
const VERSION: u32 = 1;
const WORDS: usize = ROW_BYTES / 8;

/// The words that say whose a row is.
pub(super) type Identity = [u64; 4];

pub(super) fn identity(limit: LimitId, start_ms: u64, end_ms: u64) -> Identity {
    let (high, low) = limit.0.as_u64_pair();
    [high, low, start_ms, end_ms]
}

/// The state of a row in use; never 0.
pub(super) fn state(identity: Identity) -> u64 {
    u64::from(check(&identity)) << 32 | 1
}

fn check(words: &[u64]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for word in words {
        hasher.update(&word.to_ne_bytes());
    }
    hasher.finalize()
}

pub(super) fn header() -> [u8; ROW_BYTES] {
    let named = [MAGIC, u64::from(VERSION)];
    let words = [named[0], named[1], u64::from(check(&named))];
    let mut bytes = [0; ROW_BYTES];
    for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
        place.copy_from_slice(&word.to_ne_bytes());
    }
    bytes
}

/// The rows in use; none when there is no file. Damaged rows are told in the log and left out.
pub(super) fn read(path: &Path) -> Result<Vec<QuotaRow>, OpenError> {
    let at = |source| OpenError::Io {
        path: path.to_owned(),
        source,
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(at(error)),
    };
    let mut file = BufReader::with_capacity(CHUNK_BYTES, file);
    let header = next(&mut file).map_err(at)?;
    check_header(header, path)?;
    let mut rows = Vec::new();
    let mut damaged = 0_usize;
    while let Some(words) = next(&mut file).map_err(at)? {
        match row(words) {
            Ok(row) => rows.extend(row),
            Err(NotARow) => damaged += 1,
        }
    }
    if damaged > 0 {
        tracing::error!(
            ledger.damaged_rows = damaged,
            "counters of limits are damaged: those limits go on from what was saved before"
        );
    }
    Ok(rows)
}

/// The words of the next row; `None` at the end, also when a piece of a row is there.
fn next(file: &mut impl Read) -> io::Result<Option<[u64; WORDS]>> {
    let mut bytes = [0; ROW_BYTES];
    match file.read_exact(&mut bytes) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let mut words = [0; WORDS];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
        *word = u64::from_ne_bytes(*bytes);
    }
    Ok(Some(words))
}

fn check_header(header: Option<[u64; WORDS]>, path: &Path) -> Result<(), OpenError> {
    let damaged = |detail| OpenError::Counters {
        path: path.to_owned(),
        detail,
    };
    let Some([magic, version, sum, ..]) = header else {
        return Err(damaged("it is cut off"));
    };
    if magic != MAGIC || sum != u64::from(check(&[magic, version])) {
        return Err(damaged("it does not begin as one"));
    }
    if version > u64::from(VERSION) {
        return Err(OpenError::Newer {
            path: path.to_owned(),
            found: version.to_string(),
            known: VERSION,
        });
    }
    Ok(())
}

struct NotARow;

/// `None`: free.
fn row(words: [u64; WORDS]) -> Result<Option<QuotaRow>, NotARow> {
    let [high, low, start_ms, end_ms, found, charged, ..] = words;
    if found == 0 {
        return Ok(None);
    }
    if found != state([high, low, start_ms, end_ms]) {
        return Err(NotARow);
    }
    Ok(Some(QuotaRow {
        limit: LimitId(Uuid::from_u64_pair(high, low)),
        start_ms,
        end_ms,
        charged,
    }))
}
