//! Secrets: the master key, the vault that seals credentials under it, and the hash that keys are known by.
//!
//! ```text
//! master key (file, 0600) ──▶ Vault ──▶ sealed credentials of accounts (associated data = id of the row)
//!                               └─────▶ sealed pepper (made once) ──▶ KeyHasher ──▶ HMAC of gateway keys
//! ```
//! A change of master key: the new one seals, the old one opens until everything was sealed anew, and only then the store
//! is bound to the new one.
//!
//! Invariant: nothing here has a secret in its `Debug` or in an error; key material is wiped when dropped.

pub mod aad;
mod hasher;
mod master;
mod secret;
mod vault;

use troupe_core::port::{MetaStore, StoreError};

pub use hasher::{KeyHasher, plain_hash};
pub use master::{KeyFileError, MasterKey, MasterKeys};
pub use secret::{SecretError, check_brought, check_generated, display_prefix, generate_secret};
pub use vault::Vault;

const MASTER_KEY_ID: &str = "master_key_id";

/// Why something was not sealed, opened or hashed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CryptError {
    #[error(
        "the store belongs to master key {store}, this process has {ours}; give it the right secrets.key_file, or name the old key's file in secrets.previous_key_files"
    )]
    OtherStore { store: String, ours: String },
    #[error("sealed under master key {sealed}, this process has {ours}")]
    OtherKey { sealed: String, ours: String },
    #[error("sealed in format {0}, which this version does not know")]
    Format(u8),
    #[error("a sealed value is cut, changed, or belongs to another row")]
    Damaged,
    #[error("the system gives no random bytes")]
    NoRandom,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What the master key gives access to.
#[derive(Clone, Debug)]
pub struct Keyring {
    pub vault: Vault,
    pub hasher: KeyHasher,
}

impl Keyring {
    /// [`Keyring::open_with`] one key.
    ///
    /// # Errors
    /// As there.
    pub async fn open(meta: &dyn MetaStore, master: &MasterKey) -> Result<Self, CryptError> {
        Self::open_with(meta, &master.clone().into()).await
    }

    /// Binds a new store to the current master key and makes its pepper; on a store that has them, checks and opens
    /// them. A store of a previous key stays bound to that until [`hand_over`].
    ///
    /// # Errors
    /// `OtherStore` when the store belongs to a master key that is not given: refuse to start.
    pub async fn open_with(meta: &dyn MetaStore, keys: &MasterKeys) -> Result<Self, CryptError> {
        let ours = keys.current.key_id();
        let stands = meta
            .put_if_absent(MASTER_KEY_ID, ours.clone().into_bytes())
            .await?;
        let store = String::from_utf8_lossy(&stands).into_owned();
        if !keys.has(&store) {
            return Err(CryptError::OtherStore { store, ours });
        }
        let vault = Vault::with(keys);
        let hasher = KeyHasher::open(meta, &vault).await?;
        Ok(Self { vault, hasher })
    }
}

/// The master key that a store is bound to; `None` for a new store.
///
/// # Errors
/// `Store`.
pub async fn bound_to(meta: &dyn MetaStore) -> Result<Option<String>, CryptError> {
    let stands = meta.get(MASTER_KEY_ID).await?;
    Ok(stands.map(|id| String::from_utf8_lossy(&id).into_owned()))
}

/// Binds the store to master key `to`, once every box in it is sealed under that.
///
/// # Errors
/// `Store`; of two that do it at once, one gets `Conflict`.
pub async fn hand_over(meta: &dyn MetaStore, from: String, to: String) -> Result<(), CryptError> {
    let (from, to) = (from.into_bytes(), to.into_bytes());
    Ok(meta.replace(MASTER_KEY_ID, from, to).await?)
}

fn random<const N: usize>() -> Result<zeroize::Zeroizing<[u8; N]>, CryptError> {
    let mut bytes = zeroize::Zeroizing::new([0; N]);
    getrandom::fill(bytes.as_mut()).map_err(|_| CryptError::NoRandom)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn master(digit: &str) -> MasterKey {
        MasterKey::parse(&digit.repeat(64)).unwrap()
    }

    #[tokio::test]
    async fn a_store_belongs_to_one_master_key_and_keeps_its_pepper() {
        let backend = crate::open("memory:", Path::new("")).unwrap();
        let meta = backend.stores.meta.as_ref();
        let first = Keyring::open(meta, &master("1")).await.unwrap();
        let again = Keyring::open(meta, &master("1")).await.unwrap();
        assert_eq!(first.hasher.hash(b"secret"), again.hasher.hash(b"secret"));
        let refusal = Keyring::open(meta, &master("2")).await.unwrap_err();
        let (store, ours) = (master("1").key_id(), master("2").key_id());
        assert_eq!(refusal, CryptError::OtherStore { store, ours });
    }

    #[tokio::test]
    async fn a_store_is_handed_over_to_the_next_master_key() {
        let backend = crate::open("memory:", Path::new("")).unwrap();
        let meta = backend.stores.meta.as_ref();
        let first = Keyring::open(meta, &master("1")).await.unwrap();
        let both = MasterKeys {
            current: master("2"),
            previous: vec![master("1")],
        };
        let ring = Keyring::open_with(meta, &both).await.unwrap();
        let (old, new) = (master("1").key_id(), master("2").key_id());
        assert_eq!(bound_to(meta).await.unwrap(), Some(old.clone()));
        assert!(KeyHasher::reseal_pepper(meta, &ring.vault).await.unwrap());
        assert!(!KeyHasher::reseal_pepper(meta, &ring.vault).await.unwrap());
        hand_over(meta, old.clone(), new.clone()).await.unwrap();
        assert!(hand_over(meta, old, new).await.is_err());
        let alone = Keyring::open(meta, &master("2")).await.unwrap();
        assert_eq!(first.hasher.hash(b"secret"), alone.hasher.hash(b"secret"));
        assert!(Keyring::open(meta, &master("1")).await.is_err());
    }

    #[tokio::test]
    async fn two_stores_have_two_peppers() {
        let mut hashes = Vec::new();
        for _ in 0..2 {
            let backend = crate::open("memory:", Path::new("")).unwrap();
            let ring = Keyring::open(backend.stores.meta.as_ref(), &master("1"))
                .await
                .unwrap();
            hashes.push(ring.hasher.hash(b"secret"));
        }
        assert_ne!(hashes[0], hashes[1]);
    }
}
