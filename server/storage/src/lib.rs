//! Where the house keeps what must outlive it: every port of the core, in memory, embedded (sled) and on PostgreSQL, and
//! the cryptography that seals secrets before they reach a store.
//!
//! Invariant: a write that returned `Ok` is there after `kill -9` (usage totals excepted: they may lose half a second),
//! and so is what a counter of a limit was raised by; a change and the event that tells it stand or fall together;
//! nothing secret is stored in the clear.

pub mod archive;
pub mod audit;
mod bodies;
mod codec;
#[cfg(test)]
mod contract;
pub mod crypt;
mod error;
pub mod foreign;
mod fs;
mod health;
mod ledger;
mod log;
mod memory;
mod options;
#[cfg(feature = "postgres")]
mod postgres;
mod rules;
mod sled;
#[cfg(feature = "postgres")]
mod spool;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use troupe_core::port::{StoreError, Stores};

use archive::Archive;
use archive::port::Archived;
pub use error::OpenError;
pub use health::{FaultKind, StoreHealth};
pub use options::{Options, check_postgres_url};

/// One opened backend: its ports, and where it keeps files.
#[derive(Debug)]
pub struct Backend {
    /// Clones stay valid after [`Backend::close`] and then answer `Unavailable`.
    pub stores: Stores,
    /// The data folder; `None` when nothing is kept on disk.
    pub data_dir: Option<PathBuf>,
    kept: Kept,
}

/// What is to be closed.
#[derive(Debug)]
enum Kept {
    Nothing,
    Embedded {
        engine: sled::Engine,
        ledger: ledger::Ledger,
    },
    #[cfg(feature = "postgres")]
    Postgres(Box<postgres::Open>),
}

/// Opens the backend of this machine that `url` names: `memory:`, or `sled:PATH` (a relative path is taken from `base`).
///
/// Blocks for the recovery of the store; meant for the start of the process. [`Options::open`] knows others.
///
/// # Errors
/// [`OpenError`], each with what to do about it.
pub fn open(url: &str, base: &Path) -> Result<Backend, OpenError> {
    open_here(url, base, false)
}

/// As [`open`]; a store that was not filled to its end opens only `to_fill`.
fn open_here(url: &str, base: &Path, to_fill: bool) -> Result<Backend, OpenError> {
    if url == "memory:" {
        return Ok(Backend {
            stores: memory::stores(),
            data_dir: None,
            kept: Kept::Nothing,
        });
    }
    if let Some(path) = url.strip_prefix("sled:") {
        if path.is_empty() {
            return Err(OpenError::Url {
                reason: "a path is missing after `sled:`",
            });
        }
        let data_dir = base.join(path);
        let (stores, engine, ledger) = sled::open(&data_dir, to_fill)?;
        return Ok(Backend {
            stores,
            data_dir: Some(data_dir),
            kept: Kept::Embedded { engine, ledger },
        });
    }
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return Err(OpenError::Url {
            reason: "a store on this machine is asked for: `sled:PATH` or `memory:`",
        });
    }
    Err(OpenError::Url {
        reason: "known are `sled:PATH` and `memory:`",
    })
}

impl Backend {
    /// Waits for the writes that run, makes everything durable and lets go of the files, so that another process can
    /// open them as soon as this returns.
    ///
    /// # Errors
    /// `Unknown` when the last flush failed: totals of the last half second may be lost, and with the machine's power
    /// what limits have charged.
    pub async fn close(self) -> Result<(), StoreError> {
        match self.kept {
            Kept::Nothing => Ok(()),
            Kept::Embedded { engine, ledger } => {
                // The store's lock, which goes last, keeps other processes from both.
                let synced = ledger.close().await;
                engine.close().await.and(synced)
            }
            #[cfg(feature = "postgres")]
            Kept::Postgres(open) => open.close().await,
        }
    }

    /// The store as a whole, for backups and moves; `None` of one in memory.
    pub fn archive(&self) -> Option<Archive> {
        let store: Arc<dyn Archived> = match &self.kept {
            Kept::Nothing => return None,
            Kept::Embedded { engine, .. } => {
                let data_dir = self.data_dir.clone().unwrap_or_default();
                Arc::new(sled::SledArchive::new(
                    engine.clone(),
                    data_dir,
                    &self.stores,
                ))
            }
            #[cfg(feature = "postgres")]
            Kept::Postgres(open) => {
                let data_dir = self.data_dir.clone().unwrap_or_default();
                Arc::new(open.archive(data_dir))
            }
        };
        Some(Archive::new(store, Arc::clone(&self.stores.meta)))
    }

    /// What the store calls this node; `None` where it is alone.
    pub fn node(&self) -> Option<Arc<str>> {
        match &self.kept {
            #[cfg(feature = "postgres")]
            Kept::Postgres(open) => Some(open.node()),
            _ => None,
        }
    }

    /// How the store does; `None` where nothing can be away.
    pub fn health(&self) -> Option<Arc<StoreHealth>> {
        match &self.kept {
            #[cfg(feature = "postgres")]
            Kept::Postgres(open) => Some(open.health()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(url: &str) -> String {
        open(url, Path::new("/nonexistent"))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn an_unknown_url_says_what_is_known_and_repeats_no_password() {
        assert!(refusal("mysql://root:hunter2@db/x").contains("sled:PATH"));
        assert!(!refusal("mysql://root:hunter2@db/x").contains("hunter2"));
        assert!(refusal("postgres://root:hunter2@db/x").contains("on this machine"));
        assert!(!refusal("postgres://root:hunter2@db/x").contains("hunter2"));
        assert!(refusal("sled:").contains("path is missing"));
    }
}
