//! The form of a backup.
//!
//! ```text
//! "TROUPE-BACKUP\n"  version u16  length u32  header (JSON)
//! chunk, chunk, … last chunk:  length u32 │ last? u8 │ bytes
//! SHA-256 of everything before it
//! ```
//! All numbers are little-endian. A chunk's bytes are deflated; then a CRC-32 follows that covers header, number and mark
//! too, or, with a passphrase, they are sealed: XChaCha20-Poly1305 under a key that Argon2id makes of the passphrase, with
//! nonces and associated data as in STREAM (Hoang, Reyhanitabar, Rogaway, Vizár: "Online authenticated-encryption and its
//! nonce-reuse misuse-resistance"), so that chunks can be neither changed, reordered, left out nor cut off.
//! A chunk holds rows, `kind u8 │ length u32 │ row`; the last one holds the [`Trailer`] as JSON.
//!
//! Invariant: a file of version 1 is read by every later program.

use serde::{Deserialize, Serialize};

use super::digest::{Digest, Summary};
use super::row::Kind;

pub(super) const MAGIC: &[u8; 14] = b"TROUPE-BACKUP\n";
pub(super) const VERSION: u16 = 1;
/// Before it is deflated: so many bytes and one row.
pub(super) const CHUNK_BYTES: usize = 1024 * 1024;
/// No row is larger.
pub(super) const ROW_MAX_BYTES: usize = 256 * 1024 * 1024;
pub(super) const HEADER_MAX_BYTES: usize = 64 * 1024;
/// Of a chunk as it stands in the file. Deflate makes nothing larger by more than a few bytes in 16 KiB.
pub(super) const STORED_MAX_BYTES: usize = CHUNK_BYTES + ROW_MAX_BYTES + ROW_MAX_BYTES / 1024;
pub(super) const HASH_BYTES: usize = 32;

/// What is told before anything is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// The program that wrote it.
    pub troupe: String,
    /// Names of the kinds of rows that were asked for; a kind without rows is named too.
    pub kinds: Vec<String>,
    /// The master key that the rows' secrets are sealed under; without one the store never had any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub master_key_id: Option<String>,
    /// How the passphrase was used, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<Sealed>,
}

/// Parameters of the key's derivation and of the chunks' nonces. Bytes are hex.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// `argon2id`.
    pub kdf: String,
    pub memory_kib: u32,
    pub passes: u32,
    pub lanes: u32,
    pub salt: String,
    /// Of every nonce.
    pub prefix: String,
}

/// What the file holds, at its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Trailer {
    pub kinds: Vec<Held>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Held {
    pub kind: String,
    pub rows: u64,
    pub hash: String,
}

impl Trailer {
    pub fn of(summary: &Summary) -> Self {
        let kinds = summary.0.iter().map(|(kind, digest)| Held {
            kind: kind.name().to_owned(),
            rows: digest.rows,
            hash: digest.hash(),
        });
        Self {
            kinds: kinds.collect(),
        }
    }

    /// `None` when it says something that is none.
    pub fn summary(&self) -> Option<Summary> {
        let kinds = self.kinds.iter().map(|held| {
            let digest = Digest::parse(held.rows, &held.hash)?;
            Some((Kind::of_name(&held.kind)?, digest))
        });
        kinds.collect::<Option<_>>().map(Summary)
    }
}
