//! The counters of limits, in a mapped file: a request raises one with an atomic add, and a `kill -9` loses none of it.
//!
//! ```text
//! DATA/ledger/cells       the counters of this process, begun anew at every start
//! DATA/ledger/cells.new   the same while it is being made
//! ```
//! start: read what the last process left → save it in `QuotaStore` → begin the file anew. A crash in between repeats it.
//!
//! What is not promised: the kernel writes the pages, so a power loss costs up to a second of charges (`SYNC_EVERY`).
//! Space is taken by writing real zeros, so a full disk is an error here and not a signal later; copy-on-write file
//! systems may still refuse a page they accepted before. Nobody else may write or shorten the file while it is in use.
//!
//! Invariant: a row belongs to one counter at a time, and a file that a counter may point into is never shortened.

mod chunk;
mod counters;
mod format;
mod sync;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use troupe_core::port::{CellRows, QuotaRow, StoreError};

use crate::OpenError;
use crate::fs::{private_dir, private_file, sync_dir};
use chunk::CHUNK_BYTES;
use counters::{Cells, Counters};
use sync::Syncer;

/// The file of one process, and the thread that writes it to the disk.
pub(crate) struct Ledger {
    counters: Arc<Counters>,
    syncer: Syncer,
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ledger")
    }
}

fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join("ledger")
}

impl Ledger {
    /// The rows that the last process left, whatever their windows; several may be of one window. Changes nothing.
    ///
    /// # Errors
    /// `Newer`, `Io`, and `Counters` when the file is not one of these.
    pub(crate) fn left(data_dir: &Path) -> Result<Vec<QuotaRow>, OpenError> {
        format::read(&folder(data_dir).join("cells"))
    }

    /// Begins the file anew. What [`Ledger::left`] told must be durable elsewhere.
    ///
    /// # Errors
    /// `Io`.
    pub(crate) fn begin(data_dir: &Path) -> Result<Self, OpenError> {
        let folder = folder(data_dir);
        let begun = private_dir(&folder)
            .and_then(|()| make(&folder))
            .and_then(|file| {
                // The folder's own name too.
                sync_dir(data_dir)?;
                let counters = Arc::new(Counters::new(file)?);
                let syncer = Syncer::start(Arc::clone(&counters))?;
                Ok(Self { counters, syncer })
            });
        begun.map_err(|source| OpenError::Io {
            path: folder,
            source,
        })
    }

    pub(crate) fn cells(&self) -> Arc<dyn CellRows> {
        Arc::new(Cells(Arc::clone(&self.counters)))
    }

    /// Writes everything to the disk. Counters that are still held can be used, and no longer reach a next process
    /// for certain; counters that are opened later are in memory only.
    ///
    /// # Errors
    /// `Unknown` when the disk refused: a power loss now may cost charges.
    pub(crate) async fn close(self) -> Result<(), StoreError> {
        self.counters.close();
        let step = move || {
            self.syncer.end();
            self.counters.sync()
        };
        tokio::task::spawn_blocking(step)
            .await
            .map_err(|_| StoreError::Unknown("the process is stopping".into()))?
            .map_err(|error| StoreError::Unknown(format!("counters of limits: {error}")))
    }
}

/// A new file in the old one's place. The old one is not shortened but replaced: a counter may still point into it.
fn make(folder: &Path) -> io::Result<File> {
    let new = folder.join("cells.new");
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = private_file(&new)?;
    let mut first = vec![0; CHUNK_BYTES];
    let header = format::header();
    first[..header.len()].copy_from_slice(&header);
    file.write_all_at(&first, 0)?;
    file.sync_all()?;
    std::fs::rename(&new, folder.join("cells"))?;
    sync_dir(folder)?;
    Ok(file)
}
