//! Keys in the directory.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use troupe_core::key::{HashScheme, KeyRecord};
use troupe_core::quota::{LimitPolicy, QuotaRecord, QuotaTell};
use troupe_core::{KeyHash, KeyId};

use super::{Directory, KeyMap};
use crate::key::KeyEntry;
use crate::quota::ActiveQuota;
use crate::shell::Gone;

/// Why a key's actor cannot run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inactive {
    /// It panicked too often; an operator must look.
    Quarantined,
}

impl Directory {
    /// The key with this hash, made as the gateway itself makes them; a lock-free read.
    #[must_use]
    pub fn key(&self, hash: &KeyHash) -> Option<Arc<KeyEntry>> {
        self.key_by(hash, HashScheme::HmacSha256)
    }

    /// The key with this hash, made as another gateway made it.
    #[must_use]
    pub fn foreign_key(&self, hash: &KeyHash) -> Option<Arc<KeyEntry>> {
        self.key_by(hash, HashScheme::Sha256)
    }

    /// Are there keys that another gateway hashed?
    #[must_use]
    pub fn has_foreign_keys(&self) -> bool {
        self.keys.load().foreign
    }

    /// Of the two secrets that a key has after a rotation, the old one is known until its end.
    fn key_by(&self, hash: &KeyHash, scheme: HashScheme) -> Option<Arc<KeyEntry>> {
        let keys = self.keys.load();
        let found = keys.by_hash.get(hash)?;
        let unix_ms = || self.tree.clock.now().unix_ms;
        let accepted = found.record().accepts(hash, scheme, unix_ms);
        accepted.then(|| Arc::clone(found))
    }

    #[must_use]
    pub fn key_by_id(&self, id: KeyId) -> Option<Arc<KeyEntry>> {
        self.keys.load().by_id.get(&id).cloned()
    }

    /// All keys, in no order.
    #[must_use]
    pub fn keys(&self) -> Vec<Arc<KeyEntry>> {
        self.keys.load().by_id.values().cloned().collect()
    }

    /// Publishes `records` and forgets `gone`, in one swap; running actors are told.
    pub fn put_keys(&self, records: Vec<KeyRecord>, gone: &[KeyId]) {
        let _changing = self.change();
        let policy = self.limit_policy();
        let mut by_id: HashMap<KeyId, Arc<KeyEntry>> = self.keys.load().by_id.clone();
        for id in gone {
            if let Some(entry) = by_id.remove(id) {
                let revoked = KeyRecord {
                    enabled: false,
                    ..KeyRecord::clone(&entry.record())
                };
                publish(&entry, revoked, &policy);
            }
        }
        for record in records {
            match by_id.get(&record.id) {
                Some(entry) => publish(entry, record, &policy),
                None => {
                    by_id.insert(record.id, KeyEntry::new(record));
                }
            }
        }
        let (mut by_hash, mut foreign) = (HashMap::default(), false);
        for entry in by_id.values() {
            let record = entry.record();
            by_hash.extend(record.hashes().map(|hash| (hash, Arc::clone(entry))));
            foreign |= record.has_foreign_hash();
        }
        self.keys.store(Arc::new(KeyMap {
            by_hash,
            by_id,
            foreign,
        }));
    }

    /// The running actor of a key, started if need be.
    ///
    /// # Errors
    /// [`Inactive`].
    pub fn activate_key(
        self: &Arc<Self>,
        entry: &Arc<KeyEntry>,
    ) -> Result<Arc<ActiveQuota>, Inactive> {
        if let Some(active) = entry.running() {
            return Ok(active);
        }
        let _activating = entry
            .activating
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(active) = entry.running() {
            return Ok(active);
        }
        if entry.quarantined.load(Ordering::SeqCst) {
            return Err(Inactive::Quarantined);
        }
        let active = Arc::new(self.start_key(entry));
        entry.active.store(Some(Arc::clone(&active)));
        Ok(active)
    }

    fn start_key(self: &Arc<Self>, entry: &Arc<KeyEntry>) -> ActiveQuota {
        let (of, directory) = (Arc::clone(entry), Arc::downgrade(self));
        let first = self.limit_policy();
        let record = move || {
            let policy = directory
                .upgrade()
                .map(|directory| directory.limit_policy());
            let policy = policy.unwrap_or_else(|| Arc::clone(&first));
            Arc::new(QuotaRecord::of_key(&of.record(), &policy))
        };
        let entry = Arc::clone(entry);
        self.start_quota(record, move |how, gate| {
            if how == Gone::Quarantined {
                entry.quarantined.store(true, Ordering::SeqCst);
            }
            entry.forget(gate);
        })
    }
}

fn publish(entry: &KeyEntry, record: KeyRecord, policy: &LimitPolicy) {
    let record = Arc::new(record);
    entry.set_record(Arc::clone(&record));
    if let Some(active) = entry.active() {
        let quota = QuotaRecord::of_key(&record, policy);
        active.handle.tell(QuotaTell::Update(Arc::new(quota)));
    }
}
