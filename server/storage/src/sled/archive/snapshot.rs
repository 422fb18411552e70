//! A copy of every tree of one moment, in a file without a name.
//!
//! Nobody writes while it is taken, for as long as the trees' bytes take to be copied; what is made of them takes its time
//! afterwards, beside the writers.
//!
//! Invariant: memory is bounded by a row; the file is gone when the snapshot is dropped, and when the process ends.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use troupe_core::LimitId;
use troupe_core::port::{QuotaRow, StoreError};

use super::super::transact::failed;
use super::super::trees::Trees;
use super::tables;
use crate::archive::row::{Kind, Wanted};
use crate::bodies::WholeBodies;
use crate::fs::private_file;
use crate::ledger::Ledger;
use crate::log::WholeLog;

const BUFFER_BYTES: usize = 256 * 1024;
const NAME: &str = "snapshot.tmp";

/// What is told of the store.
pub(super) struct Snapshot {
    pub trees: Pairs,
    /// What the counters of this process stand at, by limit and start of the window.
    pub counters: BTreeMap<(LimitId, u64), QuotaRow>,
    pub log: Option<WholeLog>,
    pub bodies: Option<WholeBodies>,
}

fn unavailable(error: io::Error) -> StoreError {
    StoreError::Unavailable(format!("snapshot: {error}"))
}

pub(super) fn take(trees: &Trees, data_dir: &Path, wanted: Wanted) -> Result<Snapshot, StoreError> {
    let file = nameless(data_dir).map_err(unavailable)?;
    let mut to = BufWriter::with_capacity(BUFFER_BYTES, file);
    for (kind, tree) in tables(trees) {
        for pair in tree {
            let (place, value) = pair.map_err(failed)?;
            put(&mut to, kind, &place, &value).map_err(unavailable)?;
        }
    }
    let mut file = to
        .into_inner()
        .map_err(|error| unavailable(error.into_error()))?;
    file.seek(SeekFrom::Start(0)).map_err(unavailable)?;
    let left =
        Ledger::left(data_dir).map_err(|error| StoreError::Unavailable(error.to_string()))?;
    let mut counters: BTreeMap<_, QuotaRow> = BTreeMap::new();
    for row in left {
        let kept = counters.entry((row.limit, row.start_ms)).or_insert(row);
        kept.charged = kept.charged.max(row.charged);
    }
    let log = wanted.has(Kind::Request).then(|| WholeLog::open(data_dir));
    let bodies = wanted
        .has(Kind::Bodies)
        .then(|| WholeBodies::open(data_dir));
    Ok(Snapshot {
        trees: Pairs(BufReader::with_capacity(BUFFER_BYTES, file)),
        counters,
        log: log.transpose().map_err(unavailable)?,
        bodies: bodies.transpose().map_err(unavailable)?,
    })
}

fn nameless(data_dir: &Path) -> io::Result<File> {
    let path = data_dir.join(NAME);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = private_file(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

fn put(to: &mut impl Write, kind: Kind, place: &[u8], value: &[u8]) -> io::Result<()> {
    let length = |part: &[u8]| {
        let length = u32::try_from(part.len());
        length.map_err(|_| io::Error::other("a row is too large"))
    };
    to.write_all(&[kind as u8])?;
    to.write_all(&length(place)?.to_le_bytes())?;
    to.write_all(&length(value)?.to_le_bytes())?;
    to.write_all(place)?;
    to.write_all(value)
}

/// The copied pairs in their order.
pub(super) struct Pairs(BufReader<File>);

/// Kind, place and value.
pub(super) type Pair = (Kind, Vec<u8>, Vec<u8>);

impl Pairs {
    pub fn next(&mut self) -> Result<Option<Pair>, StoreError> {
        self.read().map_err(unavailable)
    }

    fn read(&mut self) -> io::Result<Option<Pair>> {
        let mut code = [0];
        if self.0.read(&mut code)? == 0 {
            return Ok(None);
        }
        let odd = || io::Error::other("it is not what was written");
        let kind = Kind::of_code(code[0]).ok_or_else(odd)?;
        let (place, value) = (self.length()?, self.length()?);
        let mut part = |length: u32| {
            let mut bytes = vec![0; length as usize];
            self.0.read_exact(&mut bytes).map(|()| bytes)
        };
        Ok(Some((kind, part(place)?, part(value)?)))
    }

    fn length(&mut self) -> io::Result<u32> {
        let mut bytes = [0; 4];
        self.0.read_exact(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }
}
