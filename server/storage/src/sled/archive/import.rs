//! From rows to trees and their indexes.
//!
//! Invariant: a row is put at the place that the ports look at; the mark moves when the rows before it are written, and
//! both are on the disk when a step returns.

use std::collections::BTreeMap;
use std::path::Path;

use ::sled::{Batch, IVec};
use troupe_core::port::StoreError;

use super::super::audit::{anchor_name, place as audit_place, timed};
use super::super::transact::{LAST_EVENT, failed, perhaps};
use super::super::trees::Trees;
use super::super::usage::{LAST_BATCH, is_count, place as usage_place};
use super::super::{FORMAT_KEY, quotas, series, sessions};
use super::tables;
use crate::archive::port::{FILLING, Mark};
use crate::archive::row::{self, Row};
use crate::bodies::WholeBodies;
use crate::codec::encode;
use crate::log::WholeLog;

/// Counts of days that are written at once.
const COUNTED: usize = 1_000;

/// `None` when the store is neither empty nor marked; else how far it was filled.
pub(super) fn begin(t: &Trees, data_dir: &Path) -> Result<Option<Mark>, StoreError> {
    if let Some(mark) = t.meta.get(FILLING).map_err(failed)? {
        return Mark::decode(&mark).map(Some);
    }
    for (_, tree) in tables(t) {
        for place in tree.iter().keys() {
            if place.map_err(failed)? != FORMAT_KEY {
                return Ok(None);
            }
        }
    }
    let unavailable = |error| StoreError::Unavailable(format!("segments: {error}"));
    let log = WholeLog::open(data_dir).map_err(unavailable)?;
    let bodies = WholeBodies::open(data_dir).map_err(unavailable)?;
    if !log.is_empty() || !bodies.is_empty() {
        return Ok(None);
    }
    let mark = Mark::default();
    t.meta.insert(FILLING, mark.encode()).map_err(perhaps)?;
    Ok(Some(mark))
}

/// What is to be written to each tree, which are told apart by their names.
#[derive(Default)]
struct Batches(BTreeMap<IVec, (::sled::Tree, Batch)>);

impl Batches {
    fn insert(&mut self, tree: &::sled::Tree, place: impl Into<IVec>, value: impl Into<IVec>) {
        let named = self.0.entry(tree.name());
        let (_, batch) = named.or_insert_with(|| (tree.clone(), Batch::default()));
        batch.insert(place.into(), value.into());
    }

    fn apply(self) -> Result<(), StoreError> {
        let mut each = self.0.into_values();
        each.try_for_each(|(tree, batch)| tree.apply_batch(batch).map_err(perhaps))
    }
}

pub(super) fn put(t: &Trees, rows: &[Row], mark: &Mark) -> Result<(), StoreError> {
    let mut batches = Batches::default();
    for row in rows {
        place(t, row, &mut batches)?;
    }
    batches.apply()?;
    // Replayed after a crash in between: every row has its one place.
    t.meta.insert(FILLING, mark.encode()).map_err(perhaps)?;
    Ok(())
}

fn place(t: &Trees, row: &Row, to: &mut Batches) -> Result<(), StoreError> {
    match row {
        Row::Fact(fact) => to.insert(&t.meta, fact.name.as_bytes(), &fact.value[..]),
        Row::Counter(counter) => {
            let name = match counter.name.as_str() {
                row::LAST_EVENT => LAST_EVENT,
                row::LAST_BATCH => LAST_BATCH,
                _ => return Ok(()),
            };
            to.insert(&t.meta, name.as_bytes(), &counter.value.to_be_bytes());
        }
        Row::Account(row) => {
            let id = row.id.0.as_bytes();
            to.insert(&t.accounts, id, encode(row)?);
            to.insert(&t.account_names, row.name.as_bytes(), id);
        }
        Row::State(row) => to.insert(&t.account_states, row.id.0.as_bytes(), encode(row)?),
        Row::Token(row) => to.insert(&t.tokens, row.account.0.as_bytes(), encode(row)?),
        Row::Key(row) => {
            let id = row.id.0.as_bytes();
            to.insert(&t.keys, id, encode(row)?);
            if row.revoked_ms.is_none() {
                to.insert(&t.key_names, row.name.as_bytes(), id);
            }
            for hash in row.hashes() {
                to.insert(&t.key_hashes, &hash.0, id);
            }
        }
        Row::Totals(row) => {
            let totals = encode(&row.totals)?;
            to.insert(&t.key_totals, row.key.0.as_bytes(), totals);
        }
        Row::Session(row) => {
            let place = sessions::place(row.session);
            to.insert(&t.sessions, &place, encode(row)?);
        }
        Row::Quota(row) => {
            let place = quotas::place(row.limit, row.start_ms);
            to.insert(&t.quotas, &place, encode(row)?);
        }
        Row::Resource(row) => to.insert(&t.resources, row.resource.as_bytes(), encode(row)?),
        Row::Event(row) => to.insert(&t.outbox, &row.seq.to_be_bytes(), encode(&row.event)?),
        Row::Usage(row) => to.insert(&t.usage, usage_place(&row.key), encode(row)?),
        Row::Series(row) => {
            let key = &row.key;
            let place = series::place(key.grain, key.of, key.point, &key.value);
            to.insert(&t.series, place, encode(&row.sums)?);
        }
        Row::Audit(row) => {
            to.insert(&t.audit, audit_place(&row.node, row.seq), encode(row)?);
            let time = timed(row.at_ms, &row.node, row.seq);
            to.insert(&t.audit_times, time, &[]);
        }
        Row::Anchor(row) => to.insert(&t.meta, anchor_name(&row.node).as_bytes(), encode(row)?),
        Row::Request(_) | Row::Bodies(_) => {}
    }
    Ok(())
}

/// How many rows of usage each day has.
pub(super) fn count(t: &Trees) -> Result<(), StoreError> {
    let mut counts: BTreeMap<[u8; 4], usize> = BTreeMap::new();
    for place in t.usage.iter().keys() {
        let place = place.map_err(failed)?;
        if let Some((day, _)) = place.split_first_chunk::<4>()
            && !is_count(&place)
        {
            *counts.entry(*day).or_default() += 1;
        }
    }
    let counts: Vec<_> = counts.into_iter().collect();
    for counts in counts.chunks(COUNTED) {
        let mut batch = Batch::default();
        for (day, count) in counts {
            batch.insert(day, encode(count)?);
        }
        t.usage.apply_batch(batch).map_err(perhaps)?;
    }
    Ok(())
}

pub(super) fn finish(t: &Trees) -> Result<(), StoreError> {
    // Everything before is on the disk before the mark is gone.
    t.flusher.durable()?;
    t.meta.remove(FILLING).map_err(perhaps)?;
    Ok(())
}
