//! Keys on sled. Invariant: `key_names` holds the names of live rows, `key_hashes` every hash of all rows.

use ::sled::Transactional;
use troupe_core::KeyId;
use troupe_core::event::DomainEvent;
use troupe_core::key::{KeyRecord, KeyTotals};
use troupe_core::port::{Expect, KeyStore, PortFuture, StoreError};

use super::engine::Engine;
use super::transact::{abort, failed, holder, outcome, perhaps, push_events, put_row, row, rows};
use super::trees::{KEY_TOTALS, KEYS, Trees};
use crate::codec::{decode, encode};
use crate::rules;

const ROW: &str = "key row";

impl KeyStore for Engine {
    fn list(&self) -> PortFuture<'_, Vec<KeyRecord>> {
        Box::pin(self.read(|trees| {
            let mut found: Vec<KeyRecord> = rows(&trees.keys, ROW)?;
            found.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(found)
        }))
    }

    fn put(
        &self,
        record: KeyRecord,
        expect: Expect,
        event: DomainEvent,
    ) -> PortFuture<'_, KeyRecord> {
        Box::pin(self.write(KEYS, move |trees| put(trees, &record, expect, &event)))
    }

    fn totals(&self, id: KeyId) -> PortFuture<'_, KeyTotals> {
        Box::pin(self.read(move |trees| {
            let found = trees.key_totals.get(id.0.as_bytes()).map_err(failed)?;
            found.map_or(Ok(KeyTotals::default()), |bytes| {
                decode("key totals", &bytes)
            })
        }))
    }

    fn save_totals(&self, id: KeyId, totals: KeyTotals) -> PortFuture<'_, ()> {
        Box::pin(self.write(KEY_TOTALS, move |trees| {
            trees
                .key_totals
                .insert(id.0.as_bytes(), encode(&totals)?)
                .map_err(perhaps)?;
            Ok(())
        }))
    }
}

fn put(
    t: &Trees,
    record: &KeyRecord,
    expect: Expect,
    event: &DomainEvent,
) -> Result<KeyRecord, StoreError> {
    let all = (&t.keys, &t.key_names, &t.key_hashes, &t.meta, &t.outbox);
    outcome(all.transaction(|(keys, names, hashes, meta, outbox)| {
        let old: Option<KeyRecord> = row(keys, ROW, record.id.0)?;
        let name_of = holder(names, record.name.as_bytes())?.map(KeyId);
        let mut holders = Vec::new();
        for hash in record.hashes() {
            holders.extend(holder(hashes, &hash.0)?.map(KeyId));
        }
        let write = abort(rules::put_key(
            record.clone(),
            expect,
            old.as_ref(),
            name_of,
            &holders,
        ))?;
        if let Some(name) = &write.free_name {
            names.remove(name.as_bytes())?;
        }
        for hash in &write.free_hashes {
            hashes.remove(&hash.0)?;
        }
        let id = write.record.id.0;
        if write.live {
            names.insert(write.record.name.as_bytes(), id.as_bytes())?;
        }
        for hash in write.record.hashes() {
            hashes.insert(&hash.0, id.as_bytes())?;
        }
        put_row(keys, id, &write.record)?;
        push_events(meta, outbox, [event])?;
        Ok(write.record)
    }))
}
