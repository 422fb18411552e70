//! The master key of the running gateway follows the configuration, and what it seals follows it in the background.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::runtime::Handle;
use troupe_storage::crypt::MasterKeys;

use crate::config::secrets::Secrets;
use crate::config::{Config, Section};
use crate::ops::Operations;
use crate::ops::open::next_keys;
use crate::ops::reseal::Resealer;

pub(super) struct MasterKeySection {
    resealer: Resealer,
    /// What is in force.
    secrets: ArcSwap<Secrets>,
    cwd: PathBuf,
    io: Handle,
}

/// A change: the section and the keys that it names.
pub(super) struct Change(Secrets, MasterKeys);

impl MasterKeySection {
    /// Goes on with a change of key that an earlier process began.
    pub(super) fn start(
        operations: &Operations,
        secrets: &Secrets,
        cwd: PathBuf,
        io: Handle,
    ) -> Self {
        let section = Self {
            resealer: Resealer::new(operations),
            secrets: ArcSwap::from_pointee(secrets.clone()),
            cwd,
            io,
        };
        section.reseal();
        section
    }

    fn reseal(&self) {
        self.io.spawn(self.resealer.clone().until_done());
    }
}

impl Section for MasterKeySection {
    type Prepared = Option<Change>;

    fn name(&self) -> &'static str {
        "secrets"
    }

    /// The key's file is only needed when the section changes.
    fn prepare(&self, new: &Config) -> Result<Option<Change>, String> {
        if **self.secrets.load() == new.secrets {
            return Ok(None);
        }
        let keys = next_keys(new, &self.cwd, self.resealer.vault());
        keys.map(|keys| Some(Change(new.secrets.clone(), keys)))
            .map_err(|error| error.to_string())
    }

    fn commit(&self, change: Option<Change>) {
        if let Some(Change(secrets, keys)) = change {
            self.resealer.vault().rotate(&keys);
            self.secrets.store(Arc::new(secrets));
            self.reseal();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use troupe_storage::crypt::{MasterKey, bound_to};

    use super::*;
    use crate::ops::tests::operations;

    #[tokio::test(start_paused = true)]
    async fn a_new_key_is_taken_over_and_everything_is_sealed_under_it() {
        let folder = tempfile::tempdir().unwrap();
        let new = MasterKey::load_or_create(&folder.path().join("new.key")).unwrap();
        let ops = operations().await;
        let old = ops.vault.key_id();
        let mut config = Config::default();
        let start = &config.secrets.clone();
        let cwd = folder.path().to_owned();
        let section = MasterKeySection::start(&ops, start, cwd, Handle::current());
        assert!(
            section.prepare(&config).unwrap().is_none(),
            "no file is read"
        );
        config.secrets.key_file = "new.key".into();
        let refusal = section.prepare(&config).err().unwrap();
        assert!(refusal.contains(&old), "{refusal}");
        assert_eq!(ops.vault.key_id(), old);

        let keys = MasterKeys {
            current: new.clone(),
            previous: Vec::new(),
        };
        section.commit(Some(Change(config.secrets.clone(), keys)));
        assert_eq!(ops.vault.key_id(), new.key_id());
        let bound = async {
            let meta = ops.stores.meta.as_ref();
            while bound_to(meta).await.unwrap() != Some(new.key_id()) {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        let within = Duration::from_secs(600);
        tokio::time::timeout(within, bound).await.unwrap();
        assert!(section.prepare(&config).unwrap().is_none());
    }
}
