//! The composition root: from a loaded configuration to a gateway that can serve. `main`, the tests and the bench use
//! the same.
//!
//! Invariant: everything is built before anything listens; a fault here names what to do and leaves nothing running.

mod master_key;
mod sections;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use troupe_actors::directory::Outside;
use troupe_actors::{Clock, Directory, DirectoryConfig, Tree};
use troupe_cluster::single::Single;
use troupe_core::AccountId;
use troupe_core::account::AccountState;
use troupe_core::port::{Members, StoreError};
use troupe_storage::{Backend, OpenError};

use crate::audit::{Audit, Settings};
use crate::config::{Config, Loaded, Reloader};
use crate::gateway::{Gateway, KeyWrite, Shared};
use crate::keeper::Keeper;
use crate::networks::Networks;
use crate::ops::keys::{self, CreateKey};
use crate::ops::open::{KeyringError, keyring};
use crate::ops::{Declared, OpError, Operation, Operations, UpstreamProber, credential};
use crate::plan::Plan;
use crate::telemetry::{LogFilter, Telemetry};

/// Why a gateway could not be built.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0}")]
    Operation(String),
    /// The configuration declares what the store has.
    #[error("{0}")]
    Declared(String),
}

impl From<OpError> for StartError {
    fn from(error: OpError) -> Self {
        Self::Operation(error.to_string())
    }
}

/// A gateway, built and not yet listening.
#[derive(Debug)]
pub struct App {
    pub gateway: Arc<Gateway>,
    pub operations: Operations,
    pub backend: Backend,
    pub reloader: Reloader,
    pub first_key: FirstKey,
}

/// What the operator is told about the key that the gateway made itself.
#[derive(Debug)]
pub enum FirstKey {
    /// Made at this start: the secret, shown this once.
    Made(secrecy::SecretString),
    /// Made at an earlier one: its prefix.
    Known(String),
    /// There are other keys.
    Other,
}

/// Name of a node that is alone.
pub(crate) const NODE: &str = "local";

/// Name of the key that a gateway without keys makes for itself.
pub const DEFAULT_KEY: &str = "default";

impl App {
    /// Builds everything. Must be called in an actix system; `io` runs effects and the control socket.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn build(
        loaded: &Loaded,
        log: LogFilter,
        cwd: PathBuf,
        io: tokio::runtime::Handle,
    ) -> Result<Self, StartError> {
        let config = &loaded.config;
        let options = config.storage.options(&cwd, NODE);
        // Its connections live where effects run.
        let opening = io.spawn(async move { options.open().await });
        let stopping = |_| StartError::Operation("the process is stopping".to_owned());
        let backend = opening.await.map_err(stopping)??;
        let keyring = keyring(config, &cwd, &backend.stores).await?;
        let node = backend.node().unwrap_or_else(|| NODE.into());
        let settings = Settings::of(config, &cwd, backend.data_dir.as_deref(), &node);
        let audit = Audit::start(settings, backend.stores.clone(), &io).await;
        let networks = Arc::new(Networks::default());
        let prober = Arc::new(UpstreamProber::new(Arc::clone(&networks)));
        let vault = Arc::new(keyring.vault);
        let members = Arc::new(Single::new(&*node, Clock::system().now().unix_ms));
        let keeper = Arc::new(Keeper::new(
            Arc::clone(&backend.stores.accounts),
            Arc::clone(&vault),
            Arc::clone(&networks),
            members.this().clone(),
        ));
        let tree = Tree::start(Clock::system(), io.clone());
        let directory = Directory::start(
            tree,
            backend.stores.clone(),
            Outside {
                prober: prober.clone(),
                keeper,
            },
            directory_config(config),
        );
        audit
            .name_accounts({
                let directory = Arc::downgrade(&directory);
                move |id| {
                    let account = directory.upgrade()?.account(id)?;
                    Some(account.name.to_string())
                }
            })
            .await;
        let plan = Plan::compile(config);
        directory.set_limit_policy(Arc::clone(&plan.limits));
        let telemetry = Arc::new(Telemetry::start(known_models(&plan)));
        let hasher = Arc::new(keyring.hasher);
        let gateway = Gateway::new(
            Shared {
                directory: Arc::clone(&directory),
                stores: backend.stores.clone(),
                hasher: Arc::clone(&hasher),
                networks,
                telemetry,
                members,
                audit: audit.clone(),
                store: backend.health(),
            },
            plan,
        );
        let declared = Arc::new(ArcSwap::from_pointee(
            Declared::of_loaded(loaded, backend.stores.accounts.as_ref(), &hasher).await?,
        ));
        let operations = Operations::new(
            backend.stores.clone(),
            vault,
            hasher,
            Arc::clone(&declared),
            prober.clone(),
        )
        .live(Arc::clone(&directory))
        .archiving(backend.archive())
        .audited_by(audit.clone())
        .keeping(gateway.bodies.clone())
        .planned_by({
            // What changes keys is held by a task that ends with the gateway.
            let (gateway, plan) = (Arc::downgrade(&gateway), gateway.plan.load_full());
            move || {
                let gateway = gateway.upgrade();
                gateway.map_or_else(|| Arc::clone(&plan), |gateway| gateway.plan.load_full())
            }
        });
        prober.web_allowed({
            let gateway = Arc::downgrade(&gateway);
            move || {
                let gateway = gateway.upgrade();
                gateway.is_some_and(|gateway| gateway.plan.load().web.is_some())
            }
        });
        publish(&operations, &directory).await?;
        write_keys(&gateway, operations.acting_as("system"));
        let first_key = first_key(&operations).await?;
        // A trail that cannot be written keeps operators from changes, not the gateway from serving.
        if let Err(error) = audit.settle().await {
            tracing::error!(%error, "the start is told later");
        }
        let reloader = Reloader::new(config.clone())
            .with(Arc::new(sections::PlanSection(Arc::clone(&gateway))))
            .with(Arc::new(sections::DeclaredSection::new(
                &operations,
                Arc::clone(&directory),
                loaded,
            )))
            .with(Arc::new(sections::LogSection(log)))
            .with(Arc::new(sections::RetentionSection(Arc::clone(&directory))))
            .with(Arc::new(master_key::MasterKeySection::start(
                &operations,
                &config.secrets,
                cwd,
                io,
            )));
        Ok(Self {
            gateway,
            operations,
            backend,
            reloader,
            first_key,
        })
    }
}

/// Names that metrics may carry: the listed models, and each without its date.
fn known_models(plan: &Plan) -> impl Iterator<Item = String> {
    plan.models.iter().flat_map(|model| {
        let dated = model.id.rsplit_once('-');
        let undated =
            dated.filter(|(_, date)| date.len() == 8 && date.bytes().all(|b| b.is_ascii_digit()));
        [
            Some(model.id.clone()),
            undated.map(|(name, _)| name.to_owned()),
        ]
        .into_iter()
        .flatten()
    })
}

pub(super) fn directory_config(config: &Config) -> DirectoryConfig {
    DirectoryConfig {
        session_idle: config.sessions.idle_timeout.get(),
        max_sessions: usize::try_from(config.sessions.max).unwrap_or(usize::MAX),
        max_affinities: config.routing.affinity.max_entries,
        affinity_ttl: config.routing.affinity.ttl.get(),
        log_retention: config.request_log.retention.get(),
        bodies_retention: config.request_log.bodies_retention.get(),
        usage_retention: config.usage.retention.get(),
        ..DirectoryConfig::default()
    }
}

/// Writes what the use of keys means for their rows.
fn write_keys(gateway: &Arc<Gateway>, operations: Operations) {
    let mut writes = gateway.key_writes();
    gateway.directory.tree().io().spawn(async move {
        while let Some(write) = writes.recv().await {
            let (id, written) = match write {
                KeyWrite::Rehash { id, secret } => {
                    (id, keys::upgrade(&operations, id, &secret).await)
                }
                KeyWrite::FirstUse { id, at_ms } => {
                    (id, keys::first_use(&operations, id, at_ms).await)
                }
            };
            if let Err(error) = written {
                tracing::warn!(key.id = %id, %error, "what a key's use means for it could not be stored; its next use tries again");
            }
        }
    });
}

/// Publishes what is stored and what is declared.
async fn publish(operations: &Operations, directory: &Arc<Directory>) -> Result<(), StartError> {
    let stores = &operations.stores;
    let mut states: HashMap<AccountId, AccountState> = stores
        .accounts
        .states()
        .await?
        .into_iter()
        .map(|s| (s.id, s))
        .collect();
    let declared = operations.declared.load_full();
    let mut keys: Vec<_> = stores
        .keys
        .list()
        .await?
        .into_iter()
        .filter(|k| k.revoked_ms.is_none())
        .collect();
    let accounts = stores.accounts.list().await?;
    declared
        .check_against(keys.iter(), accounts.iter().map(|a| a.name.as_str()))
        .map_err(StartError::Declared)?;
    keys.extend(declared.keys.iter().cloned());
    directory.put_keys(keys, &[]);
    operations.first_tokens(&declared.accounts).await?;
    let tokens = stores.accounts.tokens().await?;
    let token_of = |id: AccountId| tokens.iter().find(|row| row.account == id);
    let mut seeds = Vec::new();
    for record in accounts {
        let (token, state) = (token_of(record.id), states.remove(&record.id));
        seeds.push(credential::seed(&operations.vault, record, token, state)?);
    }
    for account in &declared.accounts {
        let id = account.record.id;
        let token = token_of(id).map(|row| credential::token_seed(&operations.vault, row));
        seeds.push(account.seed(token.transpose()?, states.remove(&id)));
    }
    directory.put_accounts(seeds, &[]);
    let now_ms = directory.clock().now().unix_ms;
    stores.sessions.prune(now_ms).await?;
    let limit = directory.affinities().limit();
    directory.remember_sessions(stores.sessions.load(now_ms, limit).await?);
    Ok(())
}

async fn first_key(operations: &Operations) -> Result<FirstKey, StartError> {
    let stored = operations.stores.keys.list().await?;
    if let Some(default) = stored
        .iter()
        .find(|k| k.name == DEFAULT_KEY && k.revoked_ms.is_none())
    {
        return Ok(FirstKey::Known(default.prefix.clone()));
    }
    if !stored.is_empty() || !operations.declared.load().keys.is_empty() {
        return Ok(FirstKey::Other);
    }
    let create = CreateKey {
        name: DEFAULT_KEY.into(),
        ..CreateKey::default()
    };
    Ok(FirstKey::Made(
        create.run(&operations.acting_as("system")).await?.secret,
    ))
}
