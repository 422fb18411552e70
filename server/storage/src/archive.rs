//! Everything that a store holds, on its way to a file, out of one, or into another store.
//!
//! ```text
//!             export                       fill
//!   store ───────────▶ rows, in batches ──────────▶ empty store (marked as unfinished until it holds the same)
//!                       │          ▲
//!                 write ▼          │ read
//!                       backup (one file)
//! ```
//! Index. `row`: the kinds of rows and their one form. `digest`: what was held, as numbers. `stream`: batches. `port`: what
//! a backend does. `fill`: into an empty store, going on where it was left. `format`, `seal`, `write`, `read`, `place`: the
//! file.
//!
//! Secrets stay sealed under the master key, which is in no archive: whoever has a backup and not the key has neither
//! credentials nor keys' hashes that can be used.
//!
//! Invariant: an export is of one moment; ids, versions and numbers are kept; a store that is being filled does not open to
//! serve before its contents were compared.

mod digest;
mod error;
mod fill;
mod format;
mod place;
pub(crate) mod port;
mod progress;
mod read;
pub(crate) mod row;
mod seal;
pub(crate) mod stream;
#[cfg(test)]
mod tests;
mod write;

use std::path::PathBuf;
use std::sync::Arc;

use secrecy::SecretString;
use troupe_core::port::MetaStore;

pub use self::digest::{Digest, Summary};
pub use self::error::ArchiveError;
pub use self::format::{Header, Sealed};
pub use self::progress::Progress;
pub use self::read::Backup;
pub use self::row::{Kind, Wanted};

use self::port::Archived;
use self::stream::{Ended, Rows, channel};
use self::write::Writer;
use crate::crypt::{CryptError, bound_to};

/// A store as an archive sees it; clones are of the same store, and valid as long as it is open.
#[derive(Clone)]
pub struct Archive {
    store: Arc<dyn Archived>,
    meta: Arc<dyn MetaStore>,
}

impl std::fmt::Debug for Archive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Archive")
    }
}

/// How a backup is made.
#[derive(Clone, Debug)]
pub struct BackUp {
    /// Where it comes to stand; the folder is there.
    pub path: PathBuf,
    /// What is there already is replaced.
    pub replace: bool,
    pub wanted: Wanted,
    pub passphrase: Option<SecretString>,
    /// The program's version, for whoever reads it.
    pub troupe: String,
    /// Milliseconds since the Unix epoch.
    pub created_ms: u64,
}

impl Archive {
    pub(crate) fn new(store: Arc<dyn Archived>, meta: Arc<dyn MetaStore>) -> Self {
        Self { store, meta }
    }

    /// Writes a backup while the store goes on.
    ///
    /// # Errors
    /// `Exists`, `Io`, `Store`, `Stopped`: there is no file then.
    pub async fn back_up(
        &self,
        how: BackUp,
        progress: Arc<Progress>,
    ) -> Result<Summary, ArchiveError> {
        let master_key_id = bound_to(self.meta.as_ref()).await.map_err(of_store)?;
        let kinds = Kind::ALL.into_iter().filter(|kind| how.wanted.has(*kind));
        let header = Header {
            created_ms: how.created_ms,
            troupe: how.troupe.clone(),
            kinds: kinds.map(|kind| kind.name().to_owned()).collect(),
            master_key_id,
            sealed: None,
        };
        if !how.replace && how.path.symlink_metadata().is_ok() {
            return Err(ArchiveError::Exists(how.path));
        }
        let rows = self.store.export(how.wanted).await?;
        blocking(move || {
            let writer = Writer::create(&how.path, how.replace, header, how.passphrase.as_ref())?;
            write_all(writer, rows, &progress)
        })
        .await
    }

    /// Fills this store, which is empty or was being filled with the same, with what a backup holds.
    ///
    /// # Errors
    /// `NotEmpty` and `OtherSource` when nothing was written; `Store`, `Stopped` and `Differs` leave a store that does not
    /// open to serve: the same again goes on with it.
    pub async fn restore(
        &self,
        backup: Backup,
        progress: Arc<Progress>,
    ) -> Result<Summary, ArchiveError> {
        let (mut to, rows) = channel();
        let wanted = backup.wanted();
        let reading = tokio::task::spawn_blocking(move || {
            let mut read = || -> Result<(), Ended> {
                let mut from = backup.rows().map_err(unreadable)?;
                while let Some(chunk) = from.next().map_err(unreadable)? {
                    for row in chunk {
                        to.blocking_push(row.unpack()?)?;
                    }
                }
                Ok(())
            };
            let how = read();
            to.blocking_end(how);
        });
        let filled = fill::fill(self.store.as_ref(), rows, wanted, &progress).await;
        let _ = reading.await;
        filled
    }

    /// Fills another store with everything that this one holds; nobody may write to either.
    ///
    /// # Errors
    /// As [`Archive::restore`].
    pub async fn copy_to(
        &self,
        to: &Self,
        progress: Arc<Progress>,
    ) -> Result<Summary, ArchiveError> {
        let rows = self.store.export(Wanted::ALL).await?;
        fill::fill(to.store.as_ref(), rows, Wanted::ALL, &progress).await
    }
}

fn of_store(error: CryptError) -> ArchiveError {
    match error {
        CryptError::Store(error) => error.into(),
        other => troupe_core::port::StoreError::Corrupt(other.to_string()).into(),
    }
}

/// It was read before: it changed, or the disk fails.
fn unreadable(error: ArchiveError) -> Ended {
    Ended::Failed(troupe_core::port::StoreError::Unavailable(
        error.to_string(),
    ))
}

fn write_all(
    mut writer: Writer,
    mut rows: Rows,
    progress: &Progress,
) -> Result<Summary, ArchiveError> {
    while let Some(batch) = rows.blocking_next() {
        for row in &batch? {
            writer.push(row)?;
            progress.passed(row.kind);
        }
        if progress.is_stopped() {
            return Err(ArchiveError::Stopped);
        }
    }
    writer.finish()
}

async fn blocking<T: Send + 'static>(
    step: impl FnOnce() -> Result<T, ArchiveError> + Send + 'static,
) -> Result<T, ArchiveError> {
    let done = tokio::task::spawn_blocking(step).await;
    done.unwrap_or(Err(ArchiveError::Stopped))
}
