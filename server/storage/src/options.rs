//! Which store, and where this node keeps its own files.

use std::path::PathBuf;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use crate::archive::port::FILLING;
use crate::{Backend, OpenError};

fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

/// What a store is opened with.
#[derive(Clone, Debug)]
pub struct Options {
    /// `memory:`, `sled:PATH` or `postgres://user:password@host:port/database`.
    pub url: SecretString,
    /// Relative paths are taken from here.
    pub base: PathBuf,
    /// The node's own folder, of a store that is not in one: counters, spool, audit, control socket.
    pub dir: PathBuf,
    /// To a server, at most.
    pub connections: u32,
    /// Who writes, in the outbox.
    pub node: Arc<str>,
}

impl Options {
    /// Opens the store. Waits half a minute for a server that is not there yet. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// [`OpenError`], each with what to do about it; none repeats the URL.
    pub async fn open(&self) -> Result<Backend, OpenError> {
        let url = self.url.expose_secret();
        if !is_postgres(url) {
            return crate::open(url, &self.base);
        }
        let backend = self.open_postgres(url, false).await?;
        let refusal = match backend.stores.meta.get(FILLING).await {
            Ok(None) => return Ok(backend),
            Ok(Some(_)) => OpenError::Unfinished,
            Err(error) => OpenError::Io {
                path: self.base.join(&self.dir),
                source: std::io::Error::other(error),
            },
        };
        // It is left as it was found.
        let _ = backend.close().await;
        Err(refusal)
    }

    /// Opens a store that is empty, or was not filled to its end.
    ///
    /// # Errors
    /// As [`Options::open`].
    pub async fn open_to_fill(&self) -> Result<Backend, OpenError> {
        let url = self.url.expose_secret();
        if is_postgres(url) {
            return self.open_postgres(url, true).await;
        }
        crate::open_here(url, &self.base, true)
    }

    #[cfg(feature = "postgres")]
    async fn open_postgres(&self, url: &str, to_fill: bool) -> Result<Backend, OpenError> {
        let dir = self.base.join(&self.dir);
        let open =
            crate::postgres::open(url, &dir, self.connections, Arc::clone(&self.node), to_fill)
                .await?;
        Ok(Backend {
            stores: open.stores(),
            data_dir: Some(dir),
            kept: crate::Kept::Postgres(Box::new(open)),
        })
    }

    #[cfg(not(feature = "postgres"))]
    #[expect(clippy::unused_async, reason = "as where it is built with them")]
    async fn open_postgres(&self, _: &str, _: bool) -> Result<Backend, OpenError> {
        Err(OpenError::NoPostgres)
    }
}

/// Is it a URL of PostgreSQL that could be opened? Connects to nobody.
///
/// # Errors
/// What is wrong with it, without the URL.
pub fn check_postgres_url(url: &str) -> Result<(), &'static str> {
    #[cfg(feature = "postgres")]
    return match crate::postgres::check(url) {
        Err(OpenError::Url { reason }) => Err(reason),
        _ => Ok(()),
    };
    #[cfg(not(feature = "postgres"))]
    {
        let _ = url;
        Err("this program was built without postgres:// stores; use sled:FOLDER or memory:")
    }
}
