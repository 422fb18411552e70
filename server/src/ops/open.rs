//! From a configuration to what seals and hashes.

use std::io;
use std::path::{Path, PathBuf};

use troupe_core::port::MetaStore;
use troupe_storage::crypt::{CryptError, KeyFileError, Keyring, MasterKey};

use crate::config::Config;

/// The value by which a store knows its master key; there once the store has had one.
const MASTER_KEY_ID: &str = "master_key_id";

/// Why there is nothing to seal with.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    #[error("secrets.key: {0}")]
    Key(KeyFileError),
    #[error("secrets.key_file: {0}")]
    KeyFile(KeyFileError),
    #[error("secrets.key_file: {} is missing, and what this store holds is sealed with it; restore it from a backup", .0.display())]
    Missing(PathBuf),
    #[error(transparent)]
    Store(#[from] CryptError),
}

/// The keyring of a store. The master key's file is made for a new store only: beside one that was sealed with another
/// key it would be of no use, and might be taken for the right one.
///
/// # Errors
/// [`KeyringError`].
pub async fn keyring(
    config: &Config,
    cwd: &Path,
    meta: &dyn MetaStore,
) -> Result<Keyring, KeyringError> {
    let master = match &config.secrets.key {
        Some(key) => MasterKey::parse(key.expose()).map_err(KeyringError::Key)?,
        None => {
            let path = cwd.join(&config.secrets.key_file);
            let sealed = meta.get(MASTER_KEY_ID).await.map_err(CryptError::Store)?;
            let loaded = match sealed {
                Some(_) => MasterKey::load(&path),
                None => MasterKey::load_or_create(&path),
            };
            match loaded {
                Err(KeyFileError::Io { source, path })
                    if source.kind() == io::ErrorKind::NotFound =>
                {
                    return Err(KeyringError::Missing(path));
                }
                loaded => loaded.map_err(KeyringError::KeyFile)?,
            }
        }
    };
    Ok(Keyring::open(meta, &master).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lost_master_key_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let backend = troupe_storage::open("memory:", folder.path()).unwrap();
        let meta = backend.stores.meta.as_ref();
        let mut config = Config::default();
        config.secrets.key_file = "master.key".into();
        let path = folder.path().join("master.key");
        keyring(&config, folder.path(), meta).await.unwrap();
        std::fs::remove_file(&path).unwrap();
        let refusal = keyring(&config, folder.path(), meta).await.unwrap_err();
        assert!(refusal.to_string().contains("restore it"), "{refusal}");
        assert!(!path.exists());
    }
}
