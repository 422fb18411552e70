//! The parts of the running gateway that follow the configuration.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use troupe_actors::Directory;
use troupe_storage::crypt::KeyHasher;

use crate::config::telemetry::Log;
use crate::config::{Account, Config, Loaded, Section};
use crate::gateway::Gateway;
use crate::ops::{Declared, Operations};
use crate::plan::Plan;
use crate::telemetry::LogFilter;

/// What a request reads: swapped whole.
pub(super) struct PlanSection(pub Arc<Gateway>);

impl Section for PlanSection {
    type Prepared = Plan;

    fn name(&self) -> &'static str {
        "plan"
    }

    fn prepare(&self, new: &Config) -> Result<Plan, String> {
        Ok(Plan::compile(new))
    }

    fn commit(&self, plan: Plan) {
        self.0.plan.store(Arc::new(plan));
    }
}

/// Declared keys and accounts: new ones start, changed ones are told, missing ones leave.
pub(super) struct DeclaredSection {
    declared: Arc<ArcSwap<Declared>>,
    directory: Arc<Directory>,
    hasher: Arc<KeyHasher>,
    file: Option<PathBuf>,
    env_account: Option<Account>,
}

impl DeclaredSection {
    pub(super) fn new(operations: &Operations, directory: Arc<Directory>, loaded: &Loaded) -> Self {
        Self {
            declared: Arc::clone(&operations.declared),
            directory,
            hasher: Arc::clone(&operations.hasher),
            file: loaded.file.clone(),
            env_account: loaded.env_account.clone(),
        }
    }
}

impl Section for DeclaredSection {
    type Prepared = Declared;

    fn name(&self) -> &'static str {
        "accounts and keys"
    }

    fn prepare(&self, new: &Config) -> Result<Declared, String> {
        let mut new = Declared::new(new, self.file.as_deref(), &self.hasher);
        let old = self.declared.load();
        let is_stored = |id| !old.accounts.iter().any(|account| account.record.id == id);
        if let Some(account) = &self.env_account
            && !self.directory.accounts().iter().any(|a| is_stored(a.id))
        {
            new.or_env_account(account, &self.hasher);
        }
        for key in &new.keys {
            if self
                .directory
                .keys()
                .iter()
                .any(|k| k.record().name == key.name && k.record().id != key.id)
            {
                return Err(format!(
                    "key {} is already in the store; revoke it there or choose another name",
                    key.name
                ));
            }
        }
        for account in &new.accounts {
            let name = &account.record.name;
            if old.account(name).is_none() && self.directory.account_by_name(name).is_some() {
                return Err(format!(
                    "account {name} is already in the store; remove it there or choose another name"
                ));
            }
        }
        Ok(new)
    }

    fn commit(&self, new: Declared) {
        let old = self.declared.load_full();
        let keys_gone: Vec<_> = old
            .keys
            .iter()
            .map(|k| k.id)
            .filter(|id| !new.keys.iter().any(|k| k.id == *id))
            .collect();
        self.directory.put_keys(new.keys.clone(), &keys_gone);
        let accounts_gone: Vec<_> = old
            .accounts
            .iter()
            .map(|a| a.record.id)
            .filter(|id| !new.accounts.iter().any(|a| a.record.id == *id))
            .collect();
        self.directory.put_accounts(
            new.accounts.iter().map(|a| a.seed(None)).collect(),
            &accounts_gone,
        );
        self.declared.store(Arc::new(new));
    }
}

/// The log's level.
pub(super) struct LogSection(pub LogFilter);

impl Section for LogSection {
    type Prepared = Log;

    fn name(&self) -> &'static str {
        "telemetry.log"
    }

    fn prepare(&self, new: &Config) -> Result<Log, String> {
        Ok(new.telemetry.log.clone())
    }

    fn commit(&self, log: Log) {
        self.0.set(&log);
    }
}
