//! From a configuration to what seals and hashes: the master key, and those before it.
//!
//! Invariant: a key file is made for a new store only: beside one that was sealed with another key it would be of no use,
//! and might be taken for the right one. Nothing starts on a store with boxes that no given key opens.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};

use troupe_core::account::AccountRecord;
use troupe_core::port::{StoreError, Stores};
use troupe_storage::crypt::{
    CryptError, KeyFileError, KeyHasher, Keyring, MasterKey, MasterKeys, Vault, bound_to,
};

use crate::config::Config;

/// Why there is nothing to seal with.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    #[error("secrets.key: {0}")]
    Key(KeyFileError),
    #[error("secrets.key_file: {0}")]
    KeyFile(KeyFileError),
    #[error("secrets.previous_key_files: {0}")]
    PreviousKeyFile(KeyFileError),
    #[error("secrets.key_file: {} is missing, and what this store holds is sealed with it; restore it from a backup", .0.display())]
    Missing(PathBuf),
    #[error("secrets.key_file: {path} is missing; make the new master key first: (umask 077; openssl rand -hex 32 > {path})", path = .0.display())]
    NotMade(PathBuf),
    #[error("{}; name the file of each in secrets.previous_key_files", needed(.0))]
    Needed(BTreeMap<String, usize>),
    #[error(
        "master key {0} is in force and would be lost; name its file in secrets.previous_key_files"
    )]
    Dropped(String),
    #[error(transparent)]
    Store(#[from] CryptError),
}

impl From<StoreError> for KeyringError {
    fn from(error: StoreError) -> Self {
        Self::Store(error.into())
    }
}

/// By the ids of the missing keys: how many boxes need each.
fn needed(by_key: &BTreeMap<String, usize>) -> String {
    let mut text = String::from("what this store holds cannot all be opened:");
    for (nth, (key, count)) in by_key.iter().enumerate() {
        let comma = if nth == 0 { "" } else { "," };
        let noun = if *count == 1 {
            "secret is"
        } else {
            "secrets are"
        };
        let _ = write!(text, "{comma} {count} {noun} sealed under master key {key}");
    }
    text
}

/// The keyring of a store.
///
/// # Errors
/// [`KeyringError`].
pub async fn keyring(
    config: &Config,
    cwd: &Path,
    stores: &Stores,
) -> Result<Keyring, KeyringError> {
    let meta = stores.meta.as_ref();
    let previous = previous(config, cwd)?;
    let current = match bound_to(meta).await? {
        None => current(config, cwd, MasterKey::load_or_create)?,
        Some(id) => current(config, cwd, MasterKey::load).map_err(|error| match error {
            KeyringError::Missing(path) if previous.iter().any(|key| key.key_id() == id) => {
                KeyringError::NotMade(path)
            }
            error => error,
        })?,
    };
    let keys = MasterKeys { current, previous };
    check(stores, &Vault::with(&keys)).await?;
    Ok(Keyring::open_with(meta, &keys).await?)
}

/// The master keys that a new configuration gives to a running gateway, for [`Vault::rotate`]. Makes no file.
///
/// # Errors
/// A key cannot be read, or the one in force is no longer among them.
pub fn next_keys(config: &Config, cwd: &Path, vault: &Vault) -> Result<MasterKeys, KeyringError> {
    let current = current(config, cwd, MasterKey::load).map_err(|error| match error {
        KeyringError::Missing(path) => KeyringError::NotMade(path),
        error => error,
    })?;
    let previous = previous(config, cwd)?;
    let (keys, in_force) = (MasterKeys { current, previous }, vault.key_id());
    if keys.has(&in_force) {
        Ok(keys)
    } else {
        Err(KeyringError::Dropped(in_force))
    }
}

/// The master keys that a configuration gives. Makes no file.
///
/// # Errors
/// A key cannot be read.
pub fn master_keys(config: &Config, cwd: &Path) -> Result<MasterKeys, KeyringError> {
    Ok(MasterKeys {
        current: current(config, cwd, MasterKey::load)?,
        previous: previous(config, cwd)?,
    })
}

fn current(
    config: &Config,
    cwd: &Path,
    load: fn(&Path) -> Result<MasterKey, KeyFileError>,
) -> Result<MasterKey, KeyringError> {
    if let Some(key) = &config.secrets.key {
        return MasterKey::parse(key.expose()).map_err(KeyringError::Key);
    }
    load(&cwd.join(&config.secrets.key_file)).map_err(|error| match error {
        KeyFileError::Io { source, path } if source.kind() == io::ErrorKind::NotFound => {
            KeyringError::Missing(path)
        }
        error => KeyringError::KeyFile(error),
    })
}

fn previous(config: &Config, cwd: &Path) -> Result<Vec<MasterKey>, KeyringError> {
    let files = config.secrets.previous_key_files.iter();
    files
        .map(|file| MasterKey::load(&cwd.join(file)).map_err(KeyringError::PreviousKeyFile))
        .collect()
}

/// The boxes of an account's own row.
fn boxes(record: &AccountRecord) -> impl Iterator<Item = &[u8]> {
    let api_key = std::iter::once(&record.sealed);
    api_key.chain(record.secrets.values()).map(Vec::as_slice)
}

/// Is every box of the store under a key that `vault` has?
async fn check(stores: &Stores, vault: &Vault) -> Result<(), KeyringError> {
    let mut by_key = BTreeMap::new();
    let mut look = |sealed: &[u8]| {
        if let Some(key) = vault.missing_key(sealed) {
            *by_key.entry(key).or_insert(0) += 1;
        }
    };
    if let Some(pepper) = KeyHasher::sealed_pepper(stores.meta.as_ref()).await? {
        look(&pepper);
    }
    for record in stores.accounts.list().await? {
        boxes(&record).for_each(&mut look);
    }
    for row in stores.accounts.tokens().await? {
        look(&row.sealed);
    }
    if by_key.is_empty() {
        Ok(())
    } else {
        Err(KeyringError::Needed(by_key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(key_file: &str, previous: &[&str]) -> Config {
        let mut config = Config::default();
        config.secrets.key_file = key_file.into();
        config.secrets.previous_key_files = previous.iter().map(PathBuf::from).collect();
        config
    }

    #[tokio::test]
    async fn a_lost_master_key_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let stores = troupe_storage::open("memory:", folder.path())
            .unwrap()
            .stores;
        let config = config("master.key", &[]);
        let path = folder.path().join("master.key");
        keyring(&config, folder.path(), &stores).await.unwrap();
        std::fs::remove_file(&path).unwrap();
        let refusal = keyring(&config, folder.path(), &stores).await.unwrap_err();
        assert!(refusal.to_string().contains("restore it"), "{refusal}");
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn another_master_key_needs_the_previous_one_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let stores = troupe_storage::open("memory:", folder.path())
            .unwrap()
            .stores;
        let open = async |config| keyring(&config, folder.path(), &stores).await;
        let old = open(config("old.key", &[])).await.unwrap();
        let refusal = open(config("new.key", &["old.key"])).await.unwrap_err();
        assert!(refusal.to_string().contains("make the new"), "{refusal}");
        MasterKey::load_or_create(&folder.path().join("new.key")).unwrap();
        let refusal = open(config("new.key", &[])).await.unwrap_err().to_string();
        let told = format!("1 secret is sealed under master key {}", old.vault.key_id());
        assert!(refusal.contains(&told), "{refusal}");
        let both = open(config("new.key", &["old.key"])).await.unwrap();
        assert_eq!(both.hasher.hash(b"secret"), old.hasher.hash(b"secret"));
        let refusal = open(config("new.key", &["none.key"])).await.unwrap_err();
        assert!(
            refusal.to_string().contains("previous_key_files"),
            "{refusal}"
        );
        open(config("old.key", &[])).await.unwrap();
    }

    #[tokio::test]
    async fn a_reload_keeps_the_key_in_force() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let old = MasterKey::load_or_create(&path("old.key")).unwrap();
        let vault = Vault::new(&old);
        let next =
            |key: &str, previous: &[&str]| next_keys(&config(key, previous), folder.path(), &vault);
        let refusal = next("new.key", &["old.key"]).unwrap_err();
        assert!(matches!(refusal, KeyringError::NotMade(_)), "{refusal}");
        assert!(!path("new.key").exists());
        let new = MasterKey::load_or_create(&path("new.key")).unwrap();
        let refusal = next("new.key", &[]).unwrap_err();
        assert!(refusal.to_string().contains(&old.key_id()), "{refusal}");
        let keys = next("new.key", &["old.key"]).unwrap();
        assert_eq!(keys.current.key_id(), new.key_id());
        vault.rotate(&keys);
        assert_eq!(vault.key_id(), new.key_id());
        next("new.key", &[]).unwrap();
    }
}
