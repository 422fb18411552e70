//! Keys. Index: [`create`], [`list`], [`show`], [`update`], [`switch`] (disable, enable), [`capture`], [`rotate`], [`revoke`]. What can
//! be set: [`rights`]. What a key's use writes: [`first_use`], [`upgrade`].
//!
//! Invariant: of one name at most one key lives, declared ones included; a revoked key stays and never comes back.

mod capture;
mod create;
mod first_use;
mod info;
mod limits;
mod list;
mod revoke;
mod rights;
mod rotate;
mod show;
mod switch;
mod update;
mod upgrade;

use secrecy::{ExposeSecret, SecretString};
use troupe_core::KeyId;
use troupe_core::event::EventKind;
use troupe_core::key::{HashScheme, KeyRecord, StoredSecret};
use troupe_core::port::{Expect, StoreError};
use troupe_storage::crypt::{
    check_brought, check_generated, display_prefix, generate_secret, plain_hash,
};

pub use self::capture::CaptureKey;
pub use self::create::{CreateKey, KeyWithSecret};
pub use self::first_use::first_use;
pub use self::info::{KeyInfo, KeyUsage, OldSecret};
pub use self::limits::{ExplainLimits, Forecast, LimitLine, LimitsExplained};
pub use self::list::{KeyList, ListKeys};
pub use self::revoke::RevokeKey;
pub use self::rights::KeyRights;
pub use self::rotate::RotateKey;
pub use self::show::{ShowKey, ShownKey};
pub use self::switch::{DisableKey, EnableKey};
pub use self::update::UpdateKey;
pub use self::upgrade::upgrade;
use super::audit::{told_change, told_key};
pub use super::fields::Endpoints;
pub use super::limits::Limits;
use super::{ErrorCode, OpError, Operations, now_ms};

/// How often a change is tried on a row that another writer changes meanwhile.
const TRIES: usize = 3;

impl Operations {
    /// Reads the live key `name`, lets `change` work on it, stores it with its event and publishes it. `change` runs
    /// again when the row was changed by somebody else meanwhile.
    async fn change_key(
        &self,
        name: &str,
        told_as: fn(KeyId, String) -> EventKind,
        mut change: impl FnMut(&mut KeyRecord) -> Result<(), OpError> + Send,
    ) -> Result<KeyRecord, OpError> {
        let _changing = self.change().await;
        self.declared.load().refuse_key(name)?;
        let mut last = None;
        for _ in 0..TRIES {
            let mut record = self.stored_key(name).await?;
            let (id, version) = (record.id, record.version);
            let met = told_key(&record);
            change(&mut record)?;
            record.updated_ms = now_ms();
            let event = self.event(told_as(id, record.name.clone()));
            let event = told_change(event, Some(met), Some(told_key(&record)));
            match self.put_key(record, Expect::Version(version), event).await {
                Err(error) if error.code == ErrorCode::Conflict => last = Some(error),
                done => return done,
            }
        }
        Err(last.unwrap_or_else(|| not_found(name)))
    }

    /// What the use of a key means for its row: as [`Self::change_key`], by its id and by the gateway itself. `change`
    /// says whether there is anything to store, and so does the answer.
    async fn change_used_key(
        &self,
        id: KeyId,
        mut change: impl FnMut(&mut KeyRecord) -> Result<bool, OpError> + Send,
    ) -> Result<bool, OpError> {
        let ops = self.acting_as("system");
        let _changing = ops.change().await;
        let mut last = None;
        for _ in 0..TRIES {
            let keys = ops.stores.keys.list().await?;
            let live = keys
                .into_iter()
                .find(|key| key.id == id && key.revoked_ms.is_none());
            let Some(mut key) = live else {
                return Ok(false);
            };
            let met = told_key(&key);
            if !change(&mut key)? {
                return Ok(false);
            }
            key.updated_ms = now_ms();
            let (version, name) = (key.version, key.name.clone());
            let event = ops.event(EventKind::KeyUpdated { id, name });
            let event = told_change(event, Some(met), Some(told_key(&key)));
            match ops.put_key(key, Expect::Version(version), event).await {
                Err(error) if error.code == ErrorCode::Conflict => last = Some(error),
                done => return done.map(|_: KeyRecord| true),
            }
        }
        Err(last.unwrap_or_else(|| OpError::new(ErrorCode::Internal, "the key was not tried")))
    }

    /// Stores and publishes. Where the store cannot say whether it wrote, what stands there is published.
    pub(super) async fn put_key(
        &self,
        record: KeyRecord,
        expect: Expect,
        event: troupe_core::event::DomainEvent,
    ) -> Result<KeyRecord, OpError> {
        let id = record.id;
        match self.stores.keys.put(record, expect, event).await {
            Ok(stored) => {
                self.publish_key(stored.clone());
                Ok(stored)
            }
            Err(StoreError::Unknown(why)) => {
                let keys = self.stores.keys.list().await.unwrap_or_default();
                if let Some(stands) = keys.into_iter().find(|key| key.id == id) {
                    self.publish_key(stands);
                }
                Err(StoreError::Unknown(why).into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A revoked key leaves the directory; its record stays in the store.
    fn publish_key(&self, record: KeyRecord) {
        let Some(directory) = &self.directory else {
            return;
        };
        if record.revoked_ms.is_some() {
            directory.put_keys(Vec::new(), &[record.id]);
        } else {
            directory.put_keys(vec![record], &[]);
        }
    }

    /// The live key of that name in the store.
    async fn stored_key(&self, name: &str) -> Result<KeyRecord, OpError> {
        let keys = self.stores.keys.list().await?;
        let mut named: Vec<_> = keys.into_iter().filter(|key| key.name == name).collect();
        if let Some(live) = named.iter().position(|key| key.revoked_ms.is_none()) {
            return Ok(named.swap_remove(live));
        }
        Err(if named.is_empty() {
            not_found(name)
        } else {
            let message =
                format!("key {name} is revoked for good; make another with `troupe key create`");
            OpError::new(ErrorCode::NotFound, message)
        })
    }

    /// A secret for `key`, generated unless one is brought, and what is stored of it.
    fn new_secret(
        &self,
        key: &KeyRecord,
        brought: Option<&SecretString>,
    ) -> Result<(SecretString, StoredSecret), OpError> {
        let secret = match brought {
            Some(brought) => {
                check_secret(brought.expose_secret())?;
                brought.clone()
            }
            None => generate_secret()?,
        };
        let text = secret.expose_secret();
        let hash = self.hasher.hash(text.as_bytes());
        if [hash, plain_hash(text.as_bytes())].contains(&key.hash) {
            let message = "the key has this secret already; bring another, or let one be made";
            return Err(OpError::invalid(message));
        }
        let declared = self.declared.load();
        if declared.keys.iter().any(|other| other.hash == hash) {
            return Err(OpError::new(
                ErrorCode::Conflict,
                "another key has this secret",
            ));
        }
        let prefix = display_prefix(text, &hash);
        let scheme = HashScheme::HmacSha256;
        let stored = StoredSecret {
            hash,
            scheme,
            prefix,
        };
        Ok((secret, stored))
    }
}

pub(super) fn check_secret(secret: &str) -> Result<(), OpError> {
    check_brought(secret).map_err(|error| OpError::invalid(error.to_string()))?;
    if check_generated(secret) == Some(false) {
        return Err(OpError::invalid(
            "the secret looks like one of ours with a typing error in it; check it",
        ));
    }
    Ok(())
}

impl Operations {
    /// The live key of that name, stored or declared.
    pub(super) async fn key_named(&self, name: &str) -> Result<KeyRecord, OpError> {
        if let Some(declared) = self.declared.load().key(name) {
            return Ok(declared.clone());
        }
        self.stored_key(name).await
    }
}

fn not_found(name: &str) -> OpError {
    let message = format!("there is no key {name}; see `troupe key list`");
    OpError::new(ErrorCode::NotFound, message)
}
