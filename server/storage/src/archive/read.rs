//! Reads a backup, once to know that it is whole and once more for its rows.
//!
//! Invariant: nothing that a file says is believed before its chunk opened; memory is bounded by a chunk and a row,
//! whatever a file says. A file that passed [`Backup::check`] and is read again is checked again.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::DeflateDecoder;
use secrecy::SecretString;
use sha2::{Digest, Sha256};

use super::digest::Summary;
use super::error::ArchiveError;
use super::format::{
    CHUNK_BYTES, HASH_BYTES, HEADER_MAX_BYTES, Header, MAGIC, ROW_MAX_BYTES, STORED_MAX_BYTES,
    Trailer, VERSION,
};
use super::row::{Kind, Packed, Wanted};
use super::seal::{Guard, NoGuard};

/// A backup whose every byte was looked at.
#[derive(Debug)]
pub struct Backup {
    path: PathBuf,
    passphrase: Option<SecretString>,
    header: Header,
    summary: Summary,
}

impl Backup {
    /// Reads the whole file. Blocks for that long.
    ///
    /// # Errors
    /// Everything that [`ArchiveError`] has about files.
    pub fn check(path: &Path, passphrase: Option<SecretString>) -> Result<Self, ArchiveError> {
        let mut reader = Reader::open(path, passphrase.as_ref())?;
        let mut summary = Summary::default();
        while let Some(rows) = reader.next()? {
            for row in rows {
                row.unpack()
                    .map_err(|error| ArchiveError::damaged(path, error.to_string()))?;
                summary.add(&row);
            }
        }
        if reader.trailer.as_ref() != Some(&summary) {
            return Err(ArchiveError::damaged(
                path,
                "its rows are not those it was made of",
            ));
        }
        Ok(Self {
            path: path.to_owned(),
            passphrase,
            header: reader.header,
            summary,
        })
    }

    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    #[must_use]
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    pub(super) fn wanted(&self) -> Wanted {
        let has = |kind: Kind| self.header.kinds.iter().any(|name| name == kind.name());
        Wanted {
            requests: has(Kind::Request),
            bodies: has(Kind::Bodies),
        }
    }

    pub(super) fn rows(&self) -> Result<Reader, ArchiveError> {
        Reader::open(&self.path, self.passphrase.as_ref())
    }
}

/// The rows of a file, a chunk at a time.
pub(super) struct Reader {
    path: PathBuf,
    file: BufReader<File>,
    hasher: Sha256,
    guard: Guard,
    header: Header,
    number: u64,
    /// Set behind the last chunk.
    trailer: Option<Summary>,
}

impl Reader {
    fn open(path: &Path, passphrase: Option<&SecretString>) -> Result<Self, ArchiveError> {
        let file = File::open(path).map_err(ArchiveError::io(path))?;
        let mut file = BufReader::with_capacity(256 * 1024, file);
        let not_ours = || ArchiveError::NotABackup(path.to_owned());
        let mut head = Vec::new();
        let mut more = |most: usize, head: &mut Vec<u8>| {
            let read = (&mut file).take(most as u64).read_to_end(head);
            let whole = read.map_err(ArchiveError::io(path))? == most;
            Ok::<bool, ArchiveError>(whole)
        };
        let whole = more(MAGIC.len(), &mut head)?;
        if !whole || head != MAGIC {
            return Err(not_ours());
        }
        let cut = || ArchiveError::damaged(path, "it is cut off in its header");
        if !more(6, &mut head)? {
            return Err(cut());
        }
        let (version, length) = numbers(&head).ok_or_else(cut)?;
        if version != VERSION {
            return Err(ArchiveError::Newer {
                path: path.to_owned(),
                found: version,
                known: VERSION,
            });
        }
        let start = head.len();
        if length > HEADER_MAX_BYTES {
            return Err(ArchiveError::damaged(path, "its header is too long"));
        }
        if !more(length, &mut head)? {
            return Err(cut());
        }
        let header: Header = serde_json::from_slice(head.get(start..).unwrap_or_default())
            .map_err(|_| ArchiveError::damaged(path, "its header cannot be read"))?;
        if header
            .kinds
            .iter()
            .any(|name| Kind::of_name(name).is_none())
        {
            return Err(ArchiveError::NewerRows(path.to_owned()));
        }
        let sealed = match (&header.sealed, passphrase) {
            (Some(_), None) => return Err(ArchiveError::NeedsPassphrase(path.to_owned())),
            (None, Some(_)) => return Err(ArchiveError::NotSealed(path.to_owned())),
            (sealed, passphrase) => sealed.as_ref().zip(passphrase),
        };
        let guard = Guard::new(&head, sealed).map_err(|why| match why {
            NoGuard::NoRandom => ArchiveError::NoRandom,
            NoGuard::Parameters => {
                ArchiveError::damaged(path, "its passphrase is used as this program does not")
            }
        })?;
        let mut hasher = Sha256::new();
        hasher.update(&head);
        Ok(Self {
            path: path.to_owned(),
            file,
            hasher,
            guard,
            header,
            number: 0,
            trailer: None,
        })
    }

    /// The rows of the next chunk; `None` when all were read and the file is whole.
    pub fn next(&mut self) -> Result<Option<Vec<Packed>>, ArchiveError> {
        if self.trailer.is_some() {
            return Ok(None);
        }
        let (number, [first, second, third, fourth, last]) = (self.number, self.take()?);
        let length = u32::from_le_bytes([first, second, third, fourth]) as usize;
        if length > STORED_MAX_BYTES || last > 1 {
            return Err(self.damaged(format!("chunk {number} does not begin as one")));
        }
        let last = last == 1;
        let mut sealed = Vec::new();
        let read = (&mut self.file)
            .take(length as u64)
            .read_to_end(&mut sealed);
        if read.map_err(ArchiveError::io(&self.path))? < length {
            return Err(self.cut());
        }
        self.hasher.update(&sealed);
        let opened = self.guard.open(number, last, sealed);
        let deflated = opened.ok_or_else(|| self.does_not_open())?;
        self.number += 1;
        let bytes = inflate(&deflated);
        let bytes =
            bytes.ok_or_else(|| self.damaged(format!("chunk {number} is no such thing")))?;
        if last {
            self.end(&bytes)?;
            return Ok(None);
        }
        let rows = rows(&bytes);
        rows.map(Some)
            .ok_or_else(|| self.damaged(format!("chunk {number} has rows of no known kind")))
    }

    fn end(&mut self, trailer: &[u8]) -> Result<(), ArchiveError> {
        let hash = self.hasher.clone().finalize();
        let mut rest = Vec::new();
        let read = (&mut self.file)
            .take(HASH_BYTES as u64 + 1)
            .read_to_end(&mut rest);
        read.map_err(ArchiveError::io(&self.path))?;
        if rest.len() < HASH_BYTES {
            return Err(self.cut());
        }
        if rest[..] != hash[..] {
            return Err(self.damaged("its checksum is another".into()));
        }
        let trailer = serde_json::from_slice(trailer).ok();
        let summary = trailer.and_then(|trailer: Trailer| trailer.summary());
        self.trailer = Some(summary.ok_or_else(|| self.damaged("its end cannot be read".into()))?);
        Ok(())
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], ArchiveError> {
        let mut bytes = [0; N];
        match self.file.read_exact(&mut bytes) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(self.cut()),
            Err(error) => return Err(ArchiveError::io(&self.path)(error)),
        }
        self.hasher.update(bytes);
        Ok(bytes)
    }

    fn damaged(&self, detail: String) -> ArchiveError {
        ArchiveError::damaged(&self.path, detail)
    }

    fn cut(&self) -> ArchiveError {
        self.damaged(format!("it is cut off in chunk {}", self.number))
    }

    fn does_not_open(&self) -> ArchiveError {
        if self.number == 0 && self.guard.is_sealing() {
            return ArchiveError::WrongPassphrase(self.path.clone());
        }
        self.damaged(format!("chunk {} was changed or moved", self.number))
    }
}

/// Version and length of the header.
fn numbers(head: &[u8]) -> Option<(u16, usize)> {
    let rest = head.get(MAGIC.len()..)?;
    let (version, length) = rest.split_first_chunk()?;
    let length = u32::from_le_bytes(length.try_into().ok()?);
    Some((u16::from_le_bytes(*version), usize::try_from(length).ok()?))
}

fn inflate(deflated: &[u8]) -> Option<Vec<u8>> {
    const MOST: u64 = (CHUNK_BYTES + ROW_MAX_BYTES) as u64 + 16;
    let mut bytes = Vec::new();
    let mut inflater = DeflateDecoder::new(deflated).take(MOST + 1);
    inflater.read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 <= MOST).then_some(bytes)
}

fn rows(mut bytes: &[u8]) -> Option<Vec<Packed>> {
    let mut rows = Vec::new();
    while let Some((code, rest)) = bytes.split_first() {
        let (length, rest) = rest.split_first_chunk()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let (row, rest) = rest.split_at_checked(length)?;
        rows.push(Packed {
            kind: Kind::of_code(*code)?,
            bytes: row.to_vec(),
        });
        bytes = rest;
    }
    Some(rows)
}
