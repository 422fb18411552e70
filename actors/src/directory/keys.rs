//! Keys in the directory.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use arc_swap::ArcSwap;
use troupe_core::gate::{Entry, Slots};
use troupe_core::key::{HashScheme, Key, KeyLedger, KeyRecord, KeyTell, KeyView};
use troupe_core::{KeyHash, KeyId};

use super::{Directory, KeyMap};
use crate::key::{ActiveKey, KeyEffects, KeyEntry};
use crate::shell::{Depth, Gone, Seed, spawn};
use crate::tree::Room;

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
        let mut by_id: HashMap<KeyId, Arc<KeyEntry>> = self.keys.load().by_id.clone();
        for id in gone {
            if let Some(entry) = by_id.remove(id) {
                let revoked = KeyRecord {
                    enabled: false,
                    ..KeyRecord::clone(&entry.record())
                };
                publish(&entry, revoked);
            }
        }
        for record in records {
            match by_id.get(&record.id) {
                Some(entry) => publish(entry, record),
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
    ) -> Result<Arc<ActiveKey>, Inactive> {
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

    fn start_key(self: &Arc<Self>, entry: &Arc<KeyEntry>) -> ActiveKey {
        let clock = self.tree.clock;
        let (gate, slots) = (Entry::new(clock.now().mono_ms), Slots::new(None));
        let record = Arc::clone(&entry.record());
        let ledger = KeyLedger::default();
        let view = Arc::new(ArcSwap::from_pointee(KeyView {
            record: Arc::clone(&record),
            totals: Default::default(),
            queued: 0,
        }));
        let build = {
            let (entry, slots, gate, idle) = (
                Arc::clone(entry),
                Arc::clone(&slots),
                Arc::clone(&gate),
                self.config.key_idle,
            );
            let idle_ms = u64::try_from(idle.as_millis()).unwrap_or(u64::MAX);
            move || {
                Key::new(
                    Arc::clone(&entry.record()),
                    Arc::clone(&slots),
                    Arc::clone(&gate),
                    ledger.clone(),
                    idle_ms,
                    clock.now(),
                )
            }
        };
        let on_gone = {
            let (entry, gate) = (Arc::clone(entry), Arc::clone(&gate));
            move |how| {
                gate.close();
                if how == Gone::Quarantined {
                    entry.quarantined.store(true, Ordering::SeqCst);
                }
                entry.forget(&gate);
            }
        };
        let published = Arc::clone(&view);
        let handle = spawn(
            &self.tree,
            Room::Ledger,
            Seed {
                name: "key",
                build: Box::new(build),
                publish: Box::new(move |v| published.store(Arc::new(v))),
                effects: Arc::new(KeyEffects {
                    store: Arc::clone(&self.stores.keys),
                    id: record.id,
                }),
                on_gone: Box::new(on_gone),
                depth: Depth::new(self.config.ask_bound),
                clock,
                io: self.tree.io.clone(),
                stats: Arc::clone(&self.tree.stats),
            },
        );
        let waker = handle.clone();
        slots.on_freed(move || waker.tell(KeyTell::SlotFreed));
        ActiveKey {
            entry: gate,
            slots,
            view,
            handle,
        }
    }
}

fn publish(entry: &KeyEntry, record: KeyRecord) {
    let record = Arc::new(record);
    entry.set_record(Arc::clone(&record));
    if let Some(active) = entry.active() {
        active.handle.tell(KeyTell::Update(record));
    }
}
