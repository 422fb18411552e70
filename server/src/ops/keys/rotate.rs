//! A new secret for a key; the old one ends at once.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use troupe_core::event::EventKind;

use super::super::{ErrorCode, OpError, Operation, Operations, now_ms, secret_json};
use super::{KeyInfo, KeyWithSecret};

/// Keeps id, limits and usage; generates the secret unless one is brought.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RotateKey {
    pub name: String,
    #[serde(
        default,
        with = "secret_json::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub secret: Option<SecretString>,
}

impl Operation for RotateKey {
    type Outcome = KeyWithSecret;
    const NAME: &'static str = "key.rotate";

    async fn run(self, ops: &Operations) -> Result<KeyWithSecret, OpError> {
        let told_as = |id, name| EventKind::KeyRotated { id, name };
        let mut given = None;
        let stored = ops
            .change_key(&self.name, told_as, |key| {
                given = Some(ops.give_secret(key, self.secret.as_ref())?);
                Ok(())
            })
            .await?;
        Ok(KeyWithSecret {
            key: KeyInfo::new(&stored, false, now_ms()),
            secret: given.ok_or_else(|| OpError::new(ErrorCode::Internal, "no secret was made"))?,
        })
    }
}
