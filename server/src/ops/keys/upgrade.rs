//! A key that was imported by a plain hash gets ours, at its first use: only then is its secret seen.

use secrecy::{ExposeSecret, SecretString};
use troupe_core::KeyId;
use troupe_core::key::{HashScheme, KeyRecord};
use troupe_storage::crypt::{KeyHasher, display_prefix, plain_hash};

use super::super::{OpError, Operations};

/// Stores our hash of `secret` in place of the plain one; `false` when there was nothing to do. Two uses at once make one
/// change: the second finds it done.
///
/// # Errors
/// The secret is not the key's, or the store did not take it; the plain hash still serves then.
pub async fn upgrade(ops: &Operations, id: KeyId, secret: &SecretString) -> Result<bool, OpError> {
    ops.change_used_key(id, |key| rehash(key, &ops.hasher, secret.expose_secret()))
        .await
}

fn rehash(key: &mut KeyRecord, hasher: &KeyHasher, secret: &str) -> Result<bool, OpError> {
    if !key.has_foreign_hash() {
        return Ok(false);
    }
    let plain = plain_hash(secret.as_bytes());
    let own = (&mut key.scheme, &mut key.hash, &mut key.prefix);
    let old = key.previous.as_mut();
    let old = old.map(|old| (&mut old.scheme, &mut old.hash, &mut old.prefix));
    for (scheme, hash, prefix) in std::iter::once(own).chain(old) {
        if *scheme == HashScheme::Sha256 && *hash == plain {
            *hash = hasher.hash(secret.as_bytes());
            *scheme = HashScheme::HmacSha256;
            *prefix = display_prefix(secret, hash);
            return Ok(true);
        }
    }
    let message = "the secret is not the one that the key was imported with";
    Err(OpError::invalid(message))
}
