//! The parts of the running gateway that follow the configuration.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use troupe_actors::Directory;
use troupe_core::AccountId;
use troupe_core::account::{AccountState, LaneState};
use troupe_storage::crypt::KeyHasher;

use crate::config::telemetry::Log;
use crate::config::{Account, Config, Loaded, Section};
use crate::gateway::Gateway;
use crate::ops::declared::DeclaredAccount;
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
    operations: Operations,
    hasher: Arc<KeyHasher>,
    file: Option<PathBuf>,
    env_account: Option<Account>,
    /// States of accounts that left with the file: it may bring them back. As many as it ever declared.
    remembered: Mutex<HashMap<AccountId, AccountState>>,
}

impl DeclaredSection {
    pub(super) fn new(operations: &Operations, directory: Arc<Directory>, loaded: &Loaded) -> Self {
        Self {
            declared: Arc::clone(&operations.declared),
            directory,
            operations: operations.clone(),
            hasher: Arc::clone(&operations.hasher),
            file: loaded.file.clone(),
            env_account: loaded.env_account.clone(),
            remembered: Mutex::default(),
        }
    }
}

impl DeclaredSection {
    /// Accounts that bring their first refresh token start when the store has it.
    fn start_with_tokens(&self, accounts: Vec<DeclaredAccount>) {
        if accounts.is_empty() {
            return;
        }
        let (operations, directory) = (self.operations.clone(), Arc::clone(&self.directory));
        self.directory.tree().io().spawn(async move {
            if let Err(error) = operations.first_tokens(&accounts).await {
                tracing::error!(%error, "first tokens of declared accounts could not be stored");
            }
            // Those that are declared no more have left meanwhile.
            let declared = operations.declared.load_full();
            let seeds = accounts
                .iter()
                .filter(|account| declared.account(&account.record.name).is_some())
                .map(|account| account.seed(None, None));
            directory.put_accounts(seeds.collect(), &[]);
        });
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
            new.or_env_account(account);
        }
        let (keys, accounts) = (self.directory.keys(), self.directory.accounts());
        let keys: Vec<_> = keys.iter().map(|key| Arc::clone(&key.record())).collect();
        let is_old = |id| old.keys.iter().any(|key| key.id == id);
        let stored = keys.iter().map(Arc::as_ref).filter(|key| !is_old(key.id));
        let names = accounts
            .iter()
            .filter(|a| is_stored(a.id))
            .map(|a| &*a.name);
        new.check_against(stored, names)?;
        Ok(new.keeping(&old))
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
        let mut remembered = self
            .remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for id in &accounts_gone {
            let Some(account) = self.directory.account(*id) else {
                continue;
            };
            let view = account.view.load();
            let mut state = AccountState::new(*id, self.directory.clock().now().unix_ms);
            for lane in &view.lanes {
                let known = LaneState {
                    health: lane.health.clone(),
                    cooldowns: lane.cooldowns.to_vec(),
                    windows: lane.windows.to_vec(),
                };
                state.lanes.insert(lane.auth, known);
            }
            remembered.insert(*id, state);
        }
        let (first, known): (Vec<_>, Vec<_>) = new.accounts.iter().partition(|account| {
            account.refresh_token.is_some() && self.directory.account(account.record.id).is_none()
        });
        let seeds = known
            .into_iter()
            .map(|a| a.seed(None, remembered.remove(&a.record.id)));
        self.directory.put_accounts(seeds.collect(), &accounts_gone);
        self.start_with_tokens(first.into_iter().cloned().collect());
        drop(remembered);
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
