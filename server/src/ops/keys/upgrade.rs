//! A key that was imported by a plain hash gets ours, at its first use: only then is its secret seen.

use secrecy::{ExposeSecret, SecretString};
use troupe_core::KeyId;
use troupe_core::event::EventKind;
use troupe_core::key::{HashScheme, KeyRecord};
use troupe_core::port::Expect;
use troupe_storage::crypt::{display_prefix, plain_hash};

use super::super::{ErrorCode, OpError, Operations, now_ms};
use super::TRIES;

/// Stores our hash of `secret` in place of the plain one; `false` when there was nothing to do. Two uses at once make one
/// change: the second finds it done.
///
/// # Errors
/// The secret is not the key's, or the store did not take it; the plain hash still serves then.
pub async fn upgrade(ops: &Operations, id: KeyId, secret: &SecretString) -> Result<bool, OpError> {
    let ops = ops.acting_as("system");
    let _changing = ops.change().await;
    let mut last = None;
    for _ in 0..TRIES {
        let keys = ops.stores.keys.list().await?;
        let Some(mut key) = keys.into_iter().find(|key| key.id == id) else {
            return Ok(false);
        };
        if key.scheme != HashScheme::Sha256 || key.revoked_ms.is_some() {
            return Ok(false);
        }
        let text = secret.expose_secret();
        if plain_hash(text.as_bytes()) != key.hash {
            let message = "the secret is not the one that the key was imported with";
            return Err(OpError::invalid(message));
        }
        let version = key.version;
        key.hash = ops.hasher.hash(text.as_bytes());
        key.scheme = HashScheme::HmacSha256;
        key.prefix = display_prefix(text, &key.hash);
        key.updated_ms = now_ms();
        let event = ops.event(EventKind::KeyUpdated {
            id,
            name: key.name.clone(),
        });
        match ops.put_key(key, Expect::Version(version), event).await {
            Err(error) if error.code == ErrorCode::Conflict => last = Some(error),
            done => return done.map(|_: KeyRecord| true),
        }
    }
    Err(last.unwrap_or_else(|| OpError::new(ErrorCode::Internal, "the key was not tried")))
}
