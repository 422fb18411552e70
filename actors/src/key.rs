//! Keys: the quota of one is activated on first use and passivated when idle.

use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};
use troupe_core::gate::Entry;
use troupe_core::key::KeyRecord;

use crate::quota::ActiveQuota;

/// A key as the directory knows it; lives as long as the key is declared or stored.
#[derive(Debug)]
pub struct KeyEntry {
    record: ArcSwap<KeyRecord>,
    pub(crate) active: ArcSwapOption<ActiveQuota>,
    /// One activation at a time; never held by a request that finds the key active.
    pub(crate) activating: std::sync::Mutex<()>,
    pub(crate) quarantined: std::sync::atomic::AtomicBool,
}

impl KeyEntry {
    pub(crate) fn new(record: KeyRecord) -> Arc<Self> {
        Arc::new(Self {
            record: ArcSwap::from_pointee(record),
            active: ArcSwapOption::empty(),
            activating: std::sync::Mutex::new(()),
            quarantined: false.into(),
        })
    }

    /// The record as last published.
    #[must_use]
    pub fn record(&self) -> arc_swap::Guard<Arc<KeyRecord>> {
        self.record.load()
    }

    pub(crate) fn set_record(&self, record: Arc<KeyRecord>) {
        self.record.store(record);
    }

    /// The running actor, if the key is in use.
    #[must_use]
    pub fn active(&self) -> Option<Arc<ActiveQuota>> {
        self.active.load_full()
    }

    /// The running actor whose gate is open.
    pub(crate) fn running(&self) -> Option<Arc<ActiveQuota>> {
        self.active().filter(|active| !active.entry.is_closed())
    }

    /// Forgets the actor behind `gate`, unless another one has taken its place.
    pub(crate) fn forget(&self, gate: &Arc<Entry>) {
        let current = self.active.load();
        if current
            .as_ref()
            .is_some_and(|active| Arc::ptr_eq(&active.entry, gate))
        {
            self.active.compare_and_swap(&current, None);
        }
    }
}
