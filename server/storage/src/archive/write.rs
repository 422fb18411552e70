//! Writes a backup.
//!
//! Invariant: memory is bounded by a chunk and a row; the file is complete and on the disk when [`Writer::finish`] returns,
//! and there is none before.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::DeflateEncoder;
use secrecy::SecretString;
use sha2::{Digest, Sha256};

use super::digest::Summary;
use super::error::ArchiveError;
use super::format::{CHUNK_BYTES, Header, MAGIC, ROW_MAX_BYTES, Trailer, VERSION};
use super::place::Place;
use super::row::Packed;
use super::seal::{Guard, NoGuard, parameters};

/// A backup that is being written.
pub(super) struct Writer {
    path: PathBuf,
    place: Place,
    file: BufWriter<File>,
    hasher: Sha256,
    guard: Guard,
    /// Of the next chunk.
    number: u64,
    chunk: Vec<u8>,
    summary: Summary,
}

impl Writer {
    /// `header.sealed` is set here.
    pub fn create(
        path: &Path,
        replace: bool,
        mut header: Header,
        passphrase: Option<&SecretString>,
    ) -> Result<Self, ArchiveError> {
        let (place, file) = Place::create(path, replace)?;
        let no_guard = |why| match why {
            NoGuard::NoRandom => ArchiveError::NoRandom,
            NoGuard::Parameters => ArchiveError::damaged(path, "its passphrase cannot be used"),
        };
        if passphrase.is_some() {
            header.sealed = Some(parameters().map_err(no_guard)?);
        }
        let head = head(&header).map_err(|error| ArchiveError::io(path)(error.into()))?;
        let guard = Guard::new(&head, header.sealed.as_ref().zip(passphrase)).map_err(no_guard)?;
        let mut writer = Self {
            path: path.to_owned(),
            place,
            file: BufWriter::with_capacity(256 * 1024, file),
            hasher: Sha256::new(),
            guard,
            number: 0,
            chunk: Vec::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 8),
            summary: Summary::default(),
        };
        writer.put(&head)?;
        Ok(writer)
    }

    pub fn push(&mut self, row: &Packed) -> Result<(), ArchiveError> {
        let length = u32::try_from(row.bytes.len()).ok();
        let Some(length) = length.filter(|_| row.bytes.len() <= ROW_MAX_BYTES) else {
            let kind = row.kind.name();
            return Err(ArchiveError::damaged(
                &self.path,
                format!("a row of {kind} is too large"),
            ));
        };
        self.summary.add(row);
        self.chunk.push(row.kind as u8);
        self.chunk.extend(length.to_le_bytes());
        self.chunk.extend(&row.bytes);
        if self.chunk.len() >= CHUNK_BYTES {
            let chunk = std::mem::take(&mut self.chunk);
            self.put_chunk(&chunk, false)?;
            self.chunk = chunk;
            self.chunk.clear();
        }
        Ok(())
    }

    /// What the file holds.
    pub fn finish(mut self) -> Result<Summary, ArchiveError> {
        if !self.chunk.is_empty() {
            let chunk = std::mem::take(&mut self.chunk);
            self.put_chunk(&chunk, false)?;
        }
        let at = ArchiveError::io(&self.path);
        let trailer = serde_json::to_vec(&Trailer::of(&self.summary));
        let trailer = trailer.map_err(|error| at(error.into()))?;
        self.put_chunk(&trailer, true)?;
        let hash = self.hasher.finalize();
        self.file.write_all(&hash).map_err(&at)?;
        let file = self.file.into_inner();
        let file = file.map_err(|error| at(error.into_error()))?;
        file.sync_all().map_err(&at)?;
        self.place.keep()?;
        Ok(self.summary)
    }

    fn put_chunk(&mut self, bytes: &[u8], last: bool) -> Result<(), ArchiveError> {
        let at = ArchiveError::io(&self.path);
        let mut deflater = DeflateEncoder::new(Vec::new(), Compression::fast());
        deflater.write_all(bytes).map_err(&at)?;
        let deflated = deflater.finish().map_err(&at)?;
        let sealed = self.guard.seal(self.number, last, deflated);
        let sealed = sealed.and_then(|sealed| Some((u32::try_from(sealed.len()).ok()?, sealed)));
        let Some((length, sealed)) = sealed else {
            return Err(ArchiveError::damaged(&self.path, "a chunk is too large"));
        };
        self.number += 1;
        self.put(&length.to_le_bytes())?;
        self.put(&[u8::from(last)])?;
        self.put(&sealed)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        self.hasher.update(bytes);
        let written = self.file.write_all(bytes);
        written.map_err(ArchiveError::io(&self.path))
    }
}

/// Everything before the first chunk.
fn head(header: &Header) -> serde_json::Result<Vec<u8>> {
    let json = serde_json::to_vec(header)?;
    let length = u32::try_from(json.len()).unwrap_or(u32::MAX);
    let parts = [
        &MAGIC[..],
        &VERSION.to_le_bytes(),
        &length.to_le_bytes(),
        &json,
    ];
    Ok(parts.concat())
}
