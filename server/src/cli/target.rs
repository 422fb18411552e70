//! Where a command is carried out: by the running gateway, else on its store.
//!
//! Invariant: the data folder is found as `serve` finds it; a store that was opened is closed before the command ends.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use troupe_storage::crypt::{Keyring, MasterKey};
use troupe_storage::{Backend, OpenError};

use super::error::CliError;
use crate::app::NODE;
use crate::audit::{Audit, Settings};
use crate::config::storage::StorageUrl;
use crate::config::{self, Flags, Loaded, Sources};
use crate::control::client::{Client, connect};
use crate::ops::accounts::Logins;
use crate::ops::open::keyring;
use crate::ops::store::Backups;
use crate::ops::{Declared, Operation, Operations, UpstreamProber};
use crate::plan::Plan;

/// A gateway that starts holds its store a moment before its socket answers; one that stops, after.
const TRIES: u32 = 30;
const PAUSE: Duration = Duration::from_millis(100);

/// Carries out `operation` wherever `config` says.
pub(super) async fn run<O: Operation>(
    config: Option<PathBuf>,
    operation: O,
) -> Result<O::Outcome, CliError> {
    Target::find(config)?.run(operation).await
}

/// A gateway, running or stopped; each operation finds out anew which.
#[derive(Debug)]
pub(super) struct Target {
    loaded: Loaded,
    cwd: PathBuf,
    /// Logins that this command began while the gateway was stopped.
    logins: Arc<Logins>,
    /// A backup of a stopped gateway's store, while it is made.
    pub backups: Arc<Backups>,
}

impl Target {
    pub fn find(config: Option<PathBuf>) -> Result<Self, CliError> {
        let sources = Sources::of_process(config, Flags::default());
        Ok(Self::at(config::load(&sources)?, sources.cwd))
    }

    pub fn at(loaded: Loaded, cwd: PathBuf) -> Self {
        Self {
            loaded,
            cwd,
            logins: Arc::default(),
            backups: Arc::default(),
        }
    }

    fn data_dir(&self) -> Result<PathBuf, CliError> {
        let folder = self.loaded.config.storage.folder();
        folder.map(|folder| self.cwd.join(folder)).ok_or_else(|| {
            CliError::configuration(
                "storage.url is memory:, which no command can reach; use sled:FOLDER",
            )
        })
    }

    /// Where the audit trail's files are; none where nothing is kept on disk.
    pub fn audit_dir(&self) -> Option<PathBuf> {
        let data_dir = self.data_dir().ok();
        Settings::of(&self.loaded.config, &self.cwd, data_dir.as_deref(), NODE).dir
    }

    /// By the running gateway or not at all: what is asked again and again must not keep a gateway from its store.
    pub async fn run_on_running<O: Operation>(&self, operation: O) -> Result<O::Outcome, CliError> {
        let data_dir = self.data_dir()?;
        match connect(&data_dir).await? {
            Some(client) => Ok(client.call(&operation).await?),
            None => Err(CliError::failed(format!(
                "no gateway runs on {}; start it with `troupe serve`",
                data_dir.display()
            ))),
        }
    }

    pub async fn run<O: Operation>(&self, operation: O) -> Result<O::Outcome, CliError> {
        let data_dir = self.data_dir()?;
        match reach::<O>(&self.loaded, &self.cwd, &data_dir).await? {
            Reached::Running(client) => Ok(client.call(&operation).await?),
            Reached::Store(backend, ops) => {
                let mut ops = ops
                    .with_logins(Arc::clone(&self.logins))
                    .with_backups(Arc::clone(&self.backups))
                    .archiving(backend.archive());
                let audit = if O::READS {
                    None
                } else {
                    Some(self.audit(&backend).await)
                };
                if let Some(audit) = audit.clone() {
                    ops = ops.audited_by(audit);
                }
                let when_unknown = operation.when_unknown();
                let outcome = ops.carry_out(operation).await;
                let outcome = outcome.map_err(|error| error.advised(when_unknown));
                drop(ops);
                if let Some(audit) = audit {
                    audit.close().await;
                }
                let closed = backend.close().await;
                let outcome = outcome?;
                closed.map_err(|error| {
                    CliError::failed(format!("the store did not close: {error}"))
                })?;
                Ok(outcome)
            }
        }
    }
}

impl Target {
    pub fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    pub fn cwd(&self) -> &Path {
        &self.cwd
    }

    /// # Errors
    /// A gateway runs on the store.
    pub async fn must_be_stopped(&self) -> Result<(), CliError> {
        let data_dir = self.data_dir()?;
        if connect(&data_dir).await?.is_some() {
            return Err(CliError::failed(format!(
                "a gateway runs on {}; stop it first",
                data_dir.display()
            )));
        }
        Ok(())
    }

    /// The trail of a stopped gateway, open for what this command changes.
    pub async fn audit(&self, backend: &Backend) -> Audit {
        let data_dir = backend.data_dir.as_deref();
        let node = backend.node().unwrap_or_else(|| NODE.into());
        let settings = Settings::of(&self.loaded.config, &self.cwd, data_dir, &node);
        let stores = backend.stores.clone();
        Audit::start(settings, stores, &tokio::runtime::Handle::current()).await
    }
}

enum Reached {
    Running(Client),
    Store(Box<Backend>, Box<Operations>),
}

async fn reach<O: Operation>(
    loaded: &Loaded,
    cwd: &Path,
    data_dir: &Path,
) -> Result<Reached, CliError> {
    // A look at what is not there yet leaves nothing behind.
    let storage = &loaded.config.storage;
    let in_folder = matches!(storage.url, StorageUrl::Sled(_));
    let nothing_there = O::READS && in_folder && !data_dir.exists();
    let mut options = storage.options(cwd, NODE);
    if nothing_there {
        options.url = "memory:".into();
    }
    for attempt in 1..=TRIES {
        if let Some(client) = connect(data_dir).await? {
            return Ok(Reached::Running(client));
        }
        match options.open().await {
            Err(OpenError::Locked { .. }) if attempt < TRIES => tokio::time::sleep(PAUSE).await,
            Err(OpenError::Locked { .. }) => break,
            Err(error @ OpenError::Url { .. }) => return Err(CliError::configuration(error)),
            Err(error) => return Err(CliError::failed(error)),
            Ok(backend) => return operations(loaded, cwd, backend, nothing_there).await,
        }
    }
    Err(CliError::failed(format!(
        "another process holds the store in {} and answers on no control socket; stop it, or wait until it has started",
        data_dir.display()
    )))
}

async fn operations(
    loaded: &Loaded,
    cwd: &Path,
    backend: Backend,
    nothing_there: bool,
) -> Result<Reached, CliError> {
    let ring = if nothing_there {
        throw_away(&backend).await
    } else {
        keyring(&loaded.config, cwd, &backend.stores)
            .await
            .map_err(CliError::configuration)
    };
    let ops = match ring {
        Ok(ring) => on_store(loaded, &backend, ring).await,
        Err(error) => Err(error),
    };
    match ops {
        Ok(ops) => Ok(Reached::Store(Box::new(backend), Box::new(ops))),
        Err(error) => {
            let _ = backend.close().await;
            Err(error)
        }
    }
}

async fn on_store(
    loaded: &Loaded,
    backend: &Backend,
    ring: Keyring,
) -> Result<Operations, CliError> {
    let stores = backend.stores.clone();
    let declared = Declared::of_loaded(loaded, stores.accounts.as_ref(), &ring.hasher).await;
    let plan = Arc::new(Plan::compile(&loaded.config));
    let prober = UpstreamProber::new(Arc::default());
    let web = plan.web.is_some();
    prober.web_allowed(move || web);
    Ok(Operations::new(
        stores,
        Arc::new(ring.vault),
        Arc::new(ring.hasher),
        Arc::new(ArcSwap::from_pointee(declared.map_err(CliError::failed)?)),
        Arc::new(prober),
    )
    .planned_by(move || Arc::clone(&plan)))
}

async fn throw_away(backend: &Backend) -> Result<Keyring, CliError> {
    let digits = format!(
        "{}{}",
        uuid::Uuid::now_v7().simple(),
        uuid::Uuid::now_v7().simple()
    );
    let master = MasterKey::parse(&digits).map_err(CliError::failed)?;
    let ring = Keyring::open(backend.stores.meta.as_ref(), &master).await;
    ring.map_err(CliError::failed)
}
