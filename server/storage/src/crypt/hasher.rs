//! What a gateway key is known by: HMAC-SHA-256 under the pepper.
//!
//! Invariant: the pepper is made once per store and never changes; with another one no key would be known any more.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use troupe_core::KeyHash;
use troupe_core::port::MetaStore;
use zeroize::Zeroizing;

use super::{CryptError, Vault, random};

const PEPPER: &str = "pepper";

/// Hashes secrets; on every request's path, so the keyed state is prepared and copied.
#[derive(Clone)]
pub struct KeyHasher(Hmac<Sha256>);

impl fmt::Debug for KeyHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHasher(…)")
    }
}

impl KeyHasher {
    pub(super) async fn open(meta: &dyn MetaStore, vault: &Vault) -> Result<Self, CryptError> {
        let sealed = match meta.get(PEPPER).await? {
            Some(sealed) => sealed,
            None => {
                let pepper: Zeroizing<[u8; 32]> = random()?;
                let sealed = vault.seal(PEPPER.as_bytes(), pepper.as_ref())?;
                meta.put_if_absent(PEPPER, sealed).await?
            }
        };
        Self::new(&vault.open(PEPPER.as_bytes(), &sealed)?)
    }

    /// The pepper's box, where a store has one.
    ///
    /// # Errors
    /// `Store`.
    pub async fn sealed_pepper(meta: &dyn MetaStore) -> Result<Option<Vec<u8>>, CryptError> {
        Ok(meta.get(PEPPER).await?)
    }

    /// Seals the pepper under the vault's current key; it stays the same pepper. `false`: nothing was to be done.
    ///
    /// # Errors
    /// The pepper does not open, or the store does not answer; `Store(Conflict)` when another process did the same.
    pub async fn reseal_pepper(meta: &dyn MetaStore, vault: &Vault) -> Result<bool, CryptError> {
        let Some(old) = Self::sealed_pepper(meta).await? else {
            return Ok(false);
        };
        let Some(new) = vault.reseal(PEPPER.as_bytes(), &old)? else {
            return Ok(false);
        };
        meta.replace(PEPPER, old, new).await?;
        Ok(true)
    }

    fn new(pepper: &[u8]) -> Result<Self, CryptError> {
        Hmac::new_from_slice(pepper)
            .map(Self)
            .map_err(|_| CryptError::Damaged)
    }

    /// Two compressions of SHA-256 for secrets of usual length.
    #[must_use]
    pub fn hash(&self, secret: &[u8]) -> KeyHash {
        KeyHash(
            self.0
                .clone()
                .chain_update(secret)
                .finalize()
                .into_bytes()
                .into(),
        )
    }
}

/// How other gateways hash keys: plain SHA-256, without a pepper.
#[must_use]
pub fn plain_hash(secret: &[u8]) -> KeyHash {
    use sha2::Digest;
    KeyHash(sha2::Sha256::digest(secret).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_hmac_sha_256() {
        // RFC 4231, test case 2.
        let hasher = KeyHasher::new(b"Jefe").unwrap();
        let hash = hasher.hash(b"what do ya want for nothing?");
        assert_eq!(
            hash.0[..8],
            [0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e]
        );
        assert_eq!(hash, hasher.hash(b"what do ya want for nothing?"));
    }
}
