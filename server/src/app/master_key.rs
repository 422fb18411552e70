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
