//! A new secret for a key; the old one ends at once, or after a time in which both work.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use troupe_core::event::EventKind;

use super::super::{ErrorCode, OpError, Operation, Operations, fields, now_ms, secret_json};
use super::create::secret_not_shown;
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
    /// How long the old secret still works, such as `24h`; it ends at once when this is left out. One that was still
    /// in such a time ends in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace: Option<String>,
}

impl Operation for RotateKey {
    type Outcome = KeyWithSecret;
    const NAME: &'static str = "key.rotate";

    fn when_unknown(&self) -> Option<String> {
        secret_not_shown(&self.name, self.secret.as_ref())
    }

    async fn run(self, ops: &Operations) -> Result<KeyWithSecret, OpError> {
        let told_as = |id, name| EventKind::KeyRotated { id, name };
        let grace = self.grace.as_deref();
        let until = grace.map(|grace| fields::after("grace", grace, now_ms()));
        let until_ms = until.transpose()?;
        let mut given = None;
        let stored = ops
            .change_key(&self.name, told_as, |key| {
                let (secret, new) = ops.new_secret(key, self.secret.as_ref())?;
                key.rotate(new, until_ms);
                given = Some(secret);
                Ok(())
            })
            .await?;
        Ok(KeyWithSecret {
            key: KeyInfo::new(&stored, false, now_ms()),
            secret: given.ok_or_else(|| OpError::new(ErrorCode::Internal, "no secret was made"))?,
        })
    }
}
