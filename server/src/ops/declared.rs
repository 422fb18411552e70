//! What the configuration file declares: keys and accounts that only the file changes.
//!
//! Invariant: their ids follow from their names, so what is learnt about them outlives a restart; nothing here is ever
//! stored.

use std::path::Path;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use troupe_actors::directory::AccountSeed;
use troupe_core::KeyId;
use troupe_core::account::{AccountRecord, AccountState, Reach, Secrets, TokenSeed};
use troupe_core::key::{self, AccountBinding, KeyRecord, ResourceScope};
use troupe_core::models::ModelRules;
use troupe_core::port::{AccountStore, StoreError};
use troupe_storage::crypt::{KeyHasher, display_prefix};

use super::{ErrorCode, OpError};
use crate::config::{self, Config, Loaded};

/// Declared keys and accounts, as records.
#[derive(Clone, Debug, Default)]
pub struct Declared {
    pub keys: Vec<KeyRecord>,
    pub accounts: Vec<DeclaredAccount>,
    /// Where they are declared, for messages.
    place: Arc<str>,
}

/// An account that is not in the store.
#[derive(Clone, Debug)]
pub struct DeclaredAccount {
    pub record: AccountRecord,
    pub secrets: Secrets,
    /// Begins its tokens, while the store has none for it; later it is spent and means nothing.
    pub refresh_token: Option<SecretString>,
    /// The file or the variable that declares it.
    pub place: Arc<str>,
}

impl Declared {
    #[must_use]
    pub fn new(config: &Config, file: Option<&Path>, hasher: &KeyHasher) -> Self {
        let place: Arc<str> = file
            .map_or("the configuration".into(), |file| {
                file.display().to_string()
            })
            .into();
        let keys = config.keys.iter().filter_map(|key| key_record(key, hasher));
        let accounts = config.accounts.iter();
        Self {
            keys: keys.collect(),
            accounts: accounts
                .map(|account| DeclaredAccount::new(account, Arc::clone(&place)))
                .collect(),
            place,
        }
    }

    /// As [`Declared::new`], and the account of `ANTHROPIC_API_KEY` when there is no other, declared or stored.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn of_loaded(
        loaded: &Loaded,
        accounts: &dyn AccountStore,
        hasher: &KeyHasher,
    ) -> Result<Self, StoreError> {
        let mut declared = Self::new(&loaded.config, loaded.file.as_deref(), hasher);
        if let Some(account) = &loaded.env_account
            && accounts.list().await?.is_empty()
        {
            declared.or_env_account(account);
        }
        Ok(declared)
    }

    /// Adds the account of `ANTHROPIC_API_KEY` when no other is declared.
    pub fn or_env_account(&mut self, account: &config::Account) {
        if self.accounts.is_empty() {
            let place = "the environment (ANTHROPIC_API_KEY)".into();
            self.accounts.push(DeclaredAccount::new(account, place));
        }
    }

    /// After a reload: the way of an account to its upstream stays the same one while its settings do, so that its
    /// connections stay, too.
    #[must_use]
    pub fn keeping(mut self, old: &Self) -> Self {
        for account in &mut self.accounts {
            let before = old
                .accounts
                .iter()
                .find(|a| a.record.id == account.record.id);
            if let Some(before) = before
                && is_same_way(&before.secrets.reach, &account.secrets.reach)
            {
                account.secrets.reach = Arc::clone(&before.secrets.reach);
            }
        }
        self
    }

    /// What of this is in the store too: one name, or one secret, would then stand for two rows.
    ///
    /// # Errors
    /// What to do about the first.
    pub fn check_against<'a>(
        &self,
        keys: impl Iterator<Item = &'a KeyRecord> + Clone,
        accounts: impl IntoIterator<Item = &'a str>,
    ) -> Result<(), String> {
        for key in &self.keys {
            let (name, place) = (&key.name, &self.place);
            if keys.clone().any(|k| k.name == *name && k.id != key.id) {
                return Err(format!(
                    "key {name} of {place} is also in the store; choose another name there"
                ));
            }
            if let Some(other) = keys
                .clone()
                .find(|k| k.id != key.id && share_a_secret(k, key))
            {
                let other = &other.name;
                return Err(format!(
                    "key {name} of {place} has the secret of the stored key {other}; give it its own"
                ));
            }
        }
        for stored in accounts {
            if self.account(stored).is_some() {
                return Err(format!(
                    "account {stored} of {} is also in the store; choose another name there",
                    self.place
                ));
            }
        }
        Ok(())
    }

    #[must_use]
    pub fn key(&self, name: &str) -> Option<&KeyRecord> {
        self.keys.iter().find(|key| key.name == name)
    }

    #[must_use]
    pub fn account(&self, name: &str) -> Option<&DeclaredAccount> {
        self.accounts
            .iter()
            .find(|account| account.record.name == name)
    }

    pub(super) fn refuse_key(&self, name: &str) -> Result<(), OpError> {
        match self.key(name) {
            Some(_) => Err(is_declared("key", name, &self.place)),
            None => Ok(()),
        }
    }

    pub(super) fn refuse_account(&self, name: &str) -> Result<(), OpError> {
        match self.account(name) {
            Some(account) => Err(is_declared("account", name, &account.place)),
            None => Ok(()),
        }
    }
}

/// Do both keys know one secret, in use or in the time after a rotation?
fn share_a_secret(one: &KeyRecord, other: &KeyRecord) -> bool {
    one.hashes().any(|hash| other.hashes().any(|h| h == hash))
}

fn is_same_way(one: &Reach, other: &Reach) -> bool {
    let proxy = |reach: &Reach| {
        reach
            .proxy
            .as_ref()
            .map(|url| url.expose_secret().to_owned())
    };
    proxy(one) == proxy(other) && one.ca_pem == other.ca_pem
}

fn is_declared(what: &str, name: &str, place: &str) -> OpError {
    let message = format!("{what} {name} is declared in {place}; change it there");
    OpError::new(ErrorCode::Declared, message)
}

impl DeclaredAccount {
    #[must_use]
    pub fn new(account: &config::Account, place: Arc<str>) -> Self {
        Self {
            record: account.record(),
            secrets: account.secrets(),
            refresh_token: account.refresh_token(),
            place,
        }
    }

    /// What its actor starts from; `token` for one that is not running yet.
    #[must_use]
    pub fn seed(&self, token: Option<TokenSeed>, state: Option<AccountState>) -> AccountSeed {
        AccountSeed {
            record: self.record.clone(),
            secrets: self.secrets.clone(),
            token,
            state,
        }
    }
}

fn key_record(key: &config::Key, hasher: &KeyHasher) -> Option<KeyRecord> {
    let secret = key.secret.as_ref()?.expose();
    let hash = hasher.hash(secret.as_bytes());
    let expires = key.expires.map(|at| at.as_millisecond());
    Some(KeyRecord {
        hash,
        prefix: display_prefix(secret, &hash),
        owner: key.owner.as_deref().map(Into::into),
        group: key.group.as_deref().map(Into::into),
        tags: key.tags.clone(),
        note: key.note.clone(),
        addresses: key.addresses.clone(),
        priority: key.priority,
        endpoints: match &key.endpoints {
            config::Endpoints::Default => key::Endpoints::Default,
            config::Endpoints::All => key::Endpoints::All,
            config::Endpoints::Paths(paths) => key::Endpoints::Only(paths.clone()),
        },
        resources: match key.resources {
            config::Resources::Own => ResourceScope::Own,
            config::Resources::All => ResourceScope::All,
        },
        limits: key.limits.0.clone(),
        rules: ModelRules {
            allow: key.models.clone().unwrap_or_default(),
            deny: key.deny_models.clone(),
        },
        binding: AccountBinding {
            accounts: key.accounts.clone().unwrap_or_default(),
            groups: key.account_groups.clone().unwrap_or_default(),
            tags: key.account_tags.clone().unwrap_or_default(),
        },
        expires_ms: expires.map(|at| u64::try_from(at).unwrap_or_default()),
        ..KeyRecord::new(KeyId::declared(&key.name), key.name.clone(), 0)
    })
}

#[cfg(test)]
mod tests;
