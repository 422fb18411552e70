//! The parts of the running gateway that follow the configuration.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use secrecy::{ExposeSecret, SecretString};
use troupe_actors::Directory;
use troupe_core::AccountId;
use troupe_core::account::{AccountState, LaneState};
use troupe_core::recorder::Retention;
use troupe_storage::crypt::KeyHasher;

use crate::config::telemetry::Log;
use crate::config::{Account, Config, Loaded, Section};
use crate::gateway::Gateway;
use crate::ops::declared::DeclaredAccount;
use crate::ops::{Declared, Operations, credential};
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
        self.0.directory.set_limit_policy(Arc::clone(&plan.limits));
        self.0.stores.bodies.bound(plan.bodies.all_bytes);
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
    /// Accounts that bring a first refresh token, with what was learnt of those that were away: they start, or are told,
    /// when the store has it.
    fn start_with_tokens(&self, accounts: Vec<(DeclaredAccount, Option<AccountState>)>) {
        if accounts.is_empty() {
            return;
        }
        let (operations, directory) = (self.operations.clone(), Arc::clone(&self.directory));
        self.directory.tree().io().spawn(async move {
            let (accounts, mut states): (Vec<_>, Vec<_>) = accounts.into_iter().unzip();
            let made = operations.first_tokens(&accounts).await;
            let made = made.unwrap_or_else(|error| {
                tracing::error!(%error, "first tokens of declared accounts could not be stored");
                Vec::new()
            });
            let mut seeds = Vec::new();
            for (account, state) in accounts.iter().zip(&mut states) {
                let id = account.record.id;
                let is_new = directory.account(id).is_none();
                let made = made.iter().find(|row| row.account == id).cloned();
                let row = match made {
                    None if is_new => operations.stores.accounts.token(id).await.ok().flatten(),
                    made => made,
                };
                // Those that are declared no more have left meanwhile; the others may have changed.
                let declared = operations.declared.load();
                let Some(account) = declared.account(&account.record.name) else {
                    continue;
                };
                match row.map(|row| credential::token_seed(&operations.vault, &row)) {
                    None => seeds.push(account.seed(None, state.take())),
                    Some(Ok(token)) => seeds.push(account.seed(Some(token), state.take())),
                    Some(Err(error)) => {
                        tracing::error!(%error, "a declared account does not start")
                    }
                }
            }
            directory.put_accounts(seeds, &[]);
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
        let (mut known, mut first) = (Vec::new(), Vec::new());
        for account in &new.accounts {
            let state = remembered.remove(&account.record.id);
            let runs = self.directory.account(account.record.id).is_some();
            if runs && brings_another(account, &old) {
                first.push((account.clone(), None));
            }
            if runs || account.refresh_token.is_none() {
                known.push(account.seed(None, state));
            } else {
                first.push((account.clone(), state));
            }
        }
        drop(remembered);
        self.directory.put_accounts(known, &accounts_gone);
        self.declared.store(Arc::new(new));
        self.start_with_tokens(first);
    }
}

/// Does the file give a running account a refresh token that it did not give before?
fn brings_another(account: &DeclaredAccount, old: &Declared) -> bool {
    let before = old.account(&account.record.name);
    let text = |token: &SecretString| token.expose_secret().to_owned();
    let before = before.and_then(|account| account.refresh_token.as_ref().map(text));
    account.refresh_token.is_some() && account.refresh_token.as_ref().map(text) != before
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

/// How long records are kept.
pub(super) struct RetentionSection(pub Arc<Directory>);

impl Section for RetentionSection {
    type Prepared = Retention;

    fn name(&self) -> &'static str {
        "retention"
    }

    fn prepare(&self, new: &Config) -> Result<Retention, String> {
        Ok(super::directory_config(new).retention())
    }

    fn commit(&self, retention: Retention) {
        self.0.recorder().keep(retention);
    }
}
