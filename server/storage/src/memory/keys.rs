//! Keys in memory. Invariant: `key_names` holds the names of live rows, `key_hashes` every hash of all rows.

use troupe_core::KeyId;
use troupe_core::event::DomainEvent;
use troupe_core::key::{KeyRecord, KeyTotals};
use troupe_core::port::{Expect, KeyStore, PortFuture};

use super::Memory;
use crate::rules;

impl KeyStore for Memory {
    fn list(&self) -> PortFuture<'_, Vec<KeyRecord>> {
        Box::pin(async move {
            let mut rows: Vec<_> = self.with(|state| state.keys.values().cloned().collect());
            rows.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(rows)
        })
    }

    fn put(
        &self,
        record: KeyRecord,
        expect: Expect,
        event: DomainEvent,
    ) -> PortFuture<'_, KeyRecord> {
        Box::pin(async move {
            self.with(|state| {
                let old = state.keys.get(&record.id);
                let name_of = state.key_names.get(&record.name).copied();
                let held = record.hashes();
                let holders: Vec<_> = held
                    .filter_map(|hash| state.key_hashes.get(&hash).copied())
                    .collect();
                let write = rules::put_key(record, expect, old, name_of, &holders)?;
                if let Some(name) = write.free_name {
                    state.key_names.remove(&name);
                }
                for hash in write.free_hashes {
                    state.key_hashes.remove(&hash);
                }
                let record = write.record;
                if write.live {
                    state.key_names.insert(record.name.clone(), record.id);
                }
                for hash in record.hashes() {
                    state.key_hashes.insert(hash, record.id);
                }
                state.keys.insert(record.id, record.clone());
                state.push_event(event);
                Ok(record)
            })
        })
    }

    fn totals(&self, id: KeyId) -> PortFuture<'_, KeyTotals> {
        Box::pin(async move {
            Ok(self.with(|state| state.key_totals.get(&id).copied().unwrap_or_default()))
        })
    }

    fn save_totals(&self, id: KeyId, totals: KeyTotals) -> PortFuture<'_, ()> {
        Box::pin(async move {
            self.with(|state| state.key_totals.insert(id, totals));
            Ok(())
        })
    }
}
