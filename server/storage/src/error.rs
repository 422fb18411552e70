//! Why a backend did not open: one sentence each that says what to do.
//!
//! Invariant: the URL is never repeated, for it may carry a password.

use std::io;
use std::path::PathBuf;

/// Why a backend did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("storage.url is not usable: {reason}")]
    Url { reason: &'static str },
    #[error(
        "this program was built without postgres:// stores; use sled:PATH, or one built with them"
    )]
    NoPostgres,
    #[error("the PostgreSQL store {place} cannot be used: {reason}")]
    Postgres {
        /// Host, port and database.
        place: String,
        reason: String,
    },
    #[error("the store in {} is in use by another process; stop it, or give this one a folder of its own", path.display())]
    Locked { path: PathBuf },
    #[error("the store in {} has format {found}, this program knows up to {known}; use a newer version", path.display())]
    Newer {
        path: PathBuf,
        found: String,
        known: u32,
    },
    #[error("cannot open {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("the store in {} is damaged ({detail}); restore a backup", path.display())]
    Damaged { path: PathBuf, detail: String },
    #[error(
        "this store was being filled by `troupe store restore` or `migrate`, which did not come to its end; run the same command again"
    )]
    Unfinished,
    #[error("the folder {} has counters or records that another store was not told yet; start and stop the gateway there once, or give storage.dir another folder", path.display())]
    Owed { path: PathBuf },
    #[error("the limits' counters in {} cannot be read ({detail}); move the file away to go on with what was saved when the gateway last stopped in order", path.display())]
    Counters { path: PathBuf, detail: &'static str },
}
