//! The embedded backend: every port on sled, with the request log in segments beside it.
//!
//! ```text
//! DATA/store/      sled (format in the tree `meta`)
//! DATA/ledger/     counters of limits, of this process (folded into the tree `quotas` at the next start)
//! DATA/requests/   request log, a segment per day
//! DATA/bodies/     bodies of requests, a file per day
//! ```
//! Invariant: a port's write is one sled transaction over the row, its indexes and its outbox event, and is on the disk
//! before the port answers, except for trees whose policy says `Lazy`.

mod accounts;
mod archive;
mod audit;
mod engine;
mod facts;
mod flush;
mod keys;
#[cfg(test)]
mod old;
mod quotas;
mod series;
mod sessions;
mod tokens;
mod transact;
mod trees;
mod usage;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use ::sled::{Config, Db, Error};
use troupe_core::port::{StoreError, Stores};

pub(crate) use archive::SledArchive;
pub(crate) use engine::Engine;
use trees::Trees;

use crate::OpenError;
use crate::bodies::FrameBodies;
use crate::fs::{private_dir, private_file, sync_dir};
use crate::ledger::Ledger;
use crate::log::SegmentLog;

/// The newest layout of trees that this program knows.
const FORMAT: u32 = 1;
const FORMAT_KEY: &str = "format";
/// A file beside sled's: this store has had contents.
const MARKER: &str = "troupe";
/// sled's own cache. Everything that requests need is held by actors, so this only serves listings.
const CACHE_BYTES: u64 = 16 * 1024 * 1024;
/// The loss window of `Lazy` trees.
const FLUSH_EVERY_MS: u64 = 500;

/// Opens or creates the store in `data_dir`.
///
/// A store that was not filled to its end opens only `to_fill`.
pub(crate) fn open(data_dir: &Path, to_fill: bool) -> Result<(Stores, Engine, Ledger), OpenError> {
    let at = |source| OpenError::Io {
        path: data_dir.to_owned(),
        source,
    };
    let folder = data_dir.join("store");
    private_dir(&folder).map_err(at)?;
    // sled answers some kinds of damage with a panic.
    let recovered = catch_unwind(AssertUnwindSafe(|| {
        let trees = recover(&folder)?;
        if !to_fill && archive::is_filling(&trees).map_err(|error| explain(error, &folder))? {
            return Err(OpenError::Unfinished);
        }
        take_over(&trees, data_dir, &folder)?;
        Ok(trees)
    }));
    let trees = recovered.unwrap_or_else(|_| {
        Err(OpenError::Damaged {
            path: folder.clone(),
            detail: "recovery panicked".into(),
        })
    })?;
    let ledger = Ledger::begin(data_dir)?;
    let log = SegmentLog::open(data_dir).map_err(at)?;
    let bodies = FrameBodies::open(data_dir).map_err(at)?;
    sync_dir(&folder)
        .and_then(|()| sync_dir(data_dir))
        .map_err(at)?;
    let engine = Engine::new(trees, &folder);
    let port = Arc::new(engine.clone());
    let stores = Stores {
        accounts: port.clone(),
        keys: port.clone(),
        resources: port.clone(),
        sessions: port.clone(),
        quotas: port.clone(),
        cells: ledger.cells(),
        meta: port.clone(),
        events: port.clone(),
        log: Arc::new(log),
        bodies: Arc::new(bodies),
        usage: port.clone(),
        audit: port,
    };
    Ok((stores, engine, ledger))
}

/// What the last process counted is durable in the store before its file goes.
fn take_over(trees: &Trees, data_dir: &Path, folder: &Path) -> Result<(), OpenError> {
    let left = Ledger::left(data_dir)?;
    quotas::fold(trees, &left).map_err(|error| match error {
        StoreError::Corrupt(detail) => OpenError::Damaged {
            path: folder.to_owned(),
            detail,
        },
        other => OpenError::Io {
            path: folder.to_owned(),
            source: io::Error::other(other),
        },
    })
}

fn recover(folder: &Path) -> Result<Trees, OpenError> {
    let explain = |error| explain(error, folder);
    let db = Config::new()
        .path(folder)
        .cache_capacity(CACHE_BYTES)
        .flush_every_ms(Some(FLUSH_EVERY_MS))
        .open()
        .map_err(explain)?;
    check_format(&db, folder)?;
    Trees::open(db, folder).map_err(explain)
}

/// Before any tree of ours is touched: a newer program's store is left as it is.
///
/// sled takes a file that it cannot read at all for a new one. The marker beside it, made when the format was durable,
/// tells lost from new, so that damage is not taken for an empty store.
fn check_format(db: &Db, folder: &Path) -> Result<(), OpenError> {
    let explain = |error| explain(error, folder);
    let damaged = |detail: &str| OpenError::Damaged {
        path: folder.to_owned(),
        detail: detail.into(),
    };
    let marker = folder.join(MARKER);
    let meta = db.open_tree(trees::META.name).map_err(explain)?;
    match meta.get(FORMAT_KEY).map_err(explain)? {
        None if marker.exists() => return Err(damaged("its contents are gone")),
        None => {
            meta.insert(FORMAT_KEY, FORMAT.to_string().as_bytes())
                .map_err(explain)?;
            db.flush().map_err(explain)?;
        }
        Some(found) => {
            let found = String::from_utf8_lossy(&found).into_owned();
            let format: u32 = found
                .parse()
                .map_err(|_| damaged("its format is not a number"))?;
            if format > FORMAT {
                return Err(OpenError::Newer {
                    path: folder.to_owned(),
                    found,
                    known: FORMAT,
                });
            }
        }
    }
    private_file(&marker).map_err(|source| explain(Error::Io(source)))?;
    Ok(())
}

fn explain(error: Error, folder: &Path) -> OpenError {
    let path = folder.to_owned();
    match error {
        Error::Io(source) if source.to_string().contains("could not acquire lock") => {
            OpenError::Locked { path }
        }
        Error::Io(source) => OpenError::Io { path, source },
        Error::Unsupported(reason) => OpenError::Io {
            path,
            source: io::Error::other(reason),
        },
        damage => OpenError::Damaged {
            path,
            detail: damage.to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Backend;

    fn backend(folder: &Path) -> Result<Backend, OpenError> {
        crate::open("sled:data", folder)
    }

    #[tokio::test]
    async fn a_store_in_use_is_refused_and_free_after_close() {
        let folder = tempfile::tempdir().unwrap();
        let first = backend(folder.path()).unwrap();
        let kept = first.stores.clone();
        assert!(matches!(
            backend(folder.path()),
            Err(OpenError::Locked { .. })
        ));
        first.close().await.unwrap();
        let second = backend(folder.path()).unwrap();
        assert!(
            kept.keys
                .list()
                .await
                .unwrap_err()
                .to_string()
                .contains("closed")
        );
        second.close().await.unwrap();
    }

    #[tokio::test]
    async fn a_newer_format_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        backend(folder.path()).unwrap().close().await.unwrap();
        {
            let db = ::sled::open(folder.path().join("data/store")).unwrap();
            db.open_tree("meta")
                .unwrap()
                .insert(FORMAT_KEY, "2")
                .unwrap();
        }
        let refusal = backend(folder.path()).unwrap_err();
        assert!(
            matches!(&refusal, OpenError::Newer { found, .. } if found == "2"),
            "{refusal}"
        );
    }

    #[tokio::test]
    async fn a_store_that_cannot_be_read_is_not_taken_for_a_new_one() {
        let folder = tempfile::tempdir().unwrap();
        backend(folder.path()).unwrap().close().await.unwrap();
        let db = folder.path().join("data/store/db");
        let size = usize::try_from(db.metadata().unwrap().len()).unwrap();
        for garbage in [vec![0xa5; size], Vec::new()] {
            std::fs::write(&db, garbage).unwrap();
            let refusal = backend(folder.path()).unwrap_err();
            assert!(matches!(refusal, OpenError::Damaged { .. }), "{refusal}");
        }
        std::fs::remove_file(&db).unwrap();
        std::fs::create_dir(&db).unwrap();
        assert!(matches!(backend(folder.path()), Err(OpenError::Io { .. })));
    }
}
