//! Why a backup, a restore or a move did not happen: one sentence each that says what to do.
//!
//! Invariant: no secret and no URL is repeated.

use std::io;
use std::path::{Path, PathBuf};

use troupe_core::port::StoreError;

/// What went wrong. Up to [`ArchiveError::Store`] nothing was written to a store.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("{} is there already; choose another name, or say --force", .0.display())]
    Exists(PathBuf),
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{} is no backup of this program", .0.display())]
    NotABackup(PathBuf),
    #[error("{} has format {found}, this program knows up to {known}; use a newer version", path.display())]
    Newer {
        path: PathBuf,
        found: u16,
        known: u16,
    },
    #[error("{} holds rows that this program does not know; use a newer version", .0.display())]
    NewerRows(PathBuf),
    #[error("{} is sealed with a passphrase; give it with --passphrase-file F or --passphrase-stdin", .0.display())]
    NeedsPassphrase(PathBuf),
    #[error("{} is not sealed with a passphrase; leave the passphrase out", .0.display())]
    NotSealed(PathBuf),
    #[error("{} does not open: the passphrase is another, or the file was changed", .0.display())]
    WrongPassphrase(PathBuf),
    #[error("{} is damaged ({detail}); use another copy", path.display())]
    Damaged { path: PathBuf, detail: String },
    #[error("the system gives no random bytes")]
    NoRandom,
    #[error("this store cannot be archived: it is in memory only")]
    InMemory,
    #[error("the store is not empty; restore into an empty one")]
    NotEmpty,
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Begun with one source, gone on with another.
    #[error(
        "what was begun was begun from another source ({0} differ); begin again with an empty store"
    )]
    OtherSource(&'static str),
    #[error(
        "{kind} differ after they were copied: {copied} rows of {of}; the copy is not used, begin again with an empty store"
    )]
    Differs {
        kind: &'static str,
        copied: u64,
        of: u64,
    },
    #[error("it was stopped")]
    Stopped,
}

impl ArchiveError {
    pub(super) fn io(path: &Path) -> impl Fn(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io {
            path: path.clone(),
            source,
        }
    }

    pub(super) fn damaged(path: &Path, detail: impl Into<String>) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            detail: detail.into(),
        }
    }
}
