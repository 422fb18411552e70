//! A new key.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use troupe_core::KeyId;
use troupe_core::event::EventKind;
use troupe_core::key::KeyRecord;
use troupe_core::port::Expect;

use super::super::audit::{told_change, told_key};
use super::super::{ErrorCode, OpError, Operation, Operations, fields, now_ms, secret_json};
use super::{KeyInfo, KeyRights};

/// Creates a key; its secret is generated unless one is brought, and without limits of its own it gets those of
/// `limits.new_keys`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct CreateKey {
    pub name: String,
    /// At least 20 visible characters.
    #[serde(
        default,
        with = "secret_json::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub secret: Option<SecretString>,
    #[serde(flatten)]
    pub rights: KeyRights,
}

/// A key and, this once, its secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeyWithSecret {
    pub key: KeyInfo,
    #[serde(with = "secret_json::required")]
    pub secret: SecretString,
}

/// What to do about a secret that was made and is lost with the outcome; one that was brought is known.
pub(super) fn secret_not_shown(name: &str, brought: Option<&SecretString>) -> Option<String> {
    let made = brought.is_none();
    made.then(|| {
        format!("the secret is not shown any more: make a new one with `troupe key rotate {name}`")
    })
}

impl Operation for CreateKey {
    type Outcome = KeyWithSecret;
    const NAME: &'static str = "key.create";

    fn when_unknown(&self) -> Option<String> {
        secret_not_shown(&self.name, self.secret.as_ref())
    }

    async fn run(self, ops: &Operations) -> Result<KeyWithSecret, OpError> {
        fields::check_name("a key", &self.name)?;
        let now_ms = now_ms();
        let mut record = KeyRecord::new(KeyId(uuid::Uuid::now_v7()), self.name, now_ms);
        if self.rights.limits.is_empty() {
            record.limits = ops.plan().new_keys.clone();
        }
        self.rights.apply(&mut record, now_ms)?;
        let _changing = ops.change().await;
        ops.check_free(&record.name).await?;
        let (secret, stored) = ops.new_secret(&record, self.secret.as_ref())?;
        record.rotate(stored, None);
        let (id, name) = (record.id, record.name.clone());
        let event = ops.event(EventKind::KeyCreated { id, name });
        let event = told_change(event, None, Some(told_key(&record)));
        let stored = ops.put_key(record, Expect::Absent, event).await?;
        Ok(KeyWithSecret {
            key: KeyInfo::new(&stored, false, now_ms),
            secret,
        })
    }
}

impl Operations {
    async fn check_free(&self, name: &str) -> Result<(), OpError> {
        self.declared.load().refuse_key(name)?;
        let keys = self.stores.keys.list().await?;
        if keys
            .iter()
            .any(|key| key.name == name && key.revoked_ms.is_none())
        {
            let message = format!(
                "a key {name} exists already; take another name, or `troupe key rotate {name}` for a new secret"
            );
            return Err(OpError::new(ErrorCode::Conflict, message));
        }
        Ok(())
    }
}
