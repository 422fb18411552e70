//! What limits have charged, on sled.
//!
//! Invariant: a `save` is one batch and one flush, however many rows it has; `fold` never lowers a count.

use std::collections::BTreeMap;

use ::sled::Batch;
use troupe_core::LimitId;
use troupe_core::port::{PortFuture, QuotaRow, QuotaStore, StoreError};

use super::engine::Engine;
use super::transact::{failed, perhaps};
use super::trees::{QUOTAS, Trees};
use crate::codec::{decode, encode};
use crate::rules::window_ended;

const ROW: &str = "quota row";
/// Rows that one `prune` drops at most.
const PRUNED: usize = 10_000;
/// Rows of one batch of a `fold`, which need not be one step.
const FOLDED: usize = 1_000;

pub(super) fn place(limit: LimitId, start_ms: u64) -> [u8; 24] {
    let mut place = [0; 24];
    place[..16].copy_from_slice(limit.0.as_bytes());
    place[16..].copy_from_slice(&start_ms.to_be_bytes());
    place
}

impl QuotaStore for Engine {
    fn load(&self, limits: Vec<LimitId>, now_ms: u64) -> PortFuture<'_, Vec<QuotaRow>> {
        Box::pin(self.read(move |trees| {
            let mut rows = Vec::new();
            for limit in &limits {
                for bytes in trees.quotas.scan_prefix(limit.0.as_bytes()).values() {
                    let row: QuotaRow = decode(ROW, &bytes.map_err(failed)?)?;
                    if !window_ended(&row, now_ms) {
                        rows.push(row);
                    }
                }
            }
            Ok(rows)
        }))
    }

    fn save(&self, rows: Vec<QuotaRow>) -> PortFuture<'_, ()> {
        Box::pin(self.write(QUOTAS, move |trees| put(trees, &rows)))
    }

    fn prune(&self, now_ms: u64) -> PortFuture<'_, usize> {
        Box::pin(self.write(QUOTAS, move |trees| prune(trees, now_ms)))
    }
}

pub(super) fn put(t: &Trees, rows: &[QuotaRow]) -> Result<(), StoreError> {
    let mut batch = Batch::default();
    for row in rows {
        batch.insert(&place(row.limit, row.start_ms), encode(row)?);
    }
    t.quotas.apply_batch(batch).map_err(perhaps)
}

/// Takes over what the last process left in its counters, durable on return. The larger count stays, so that doing it
/// twice is doing it once, and a page that the power took back with a row that was saved since does no harm.
pub(super) fn fold(t: &Trees, left: &[QuotaRow]) -> Result<(), StoreError> {
    let mut larger: BTreeMap<[u8; 24], QuotaRow> = BTreeMap::new();
    for row in left {
        let kept = larger.entry(place(row.limit, row.start_ms)).or_insert(*row);
        kept.charged = kept.charged.max(row.charged);
    }
    let mut rows = Vec::with_capacity(larger.len());
    for (place, row) in larger {
        let stored = t.quotas.get(place).map_err(failed)?;
        let stored: Option<QuotaRow> = stored.map(|bytes| decode(ROW, &bytes)).transpose()?;
        if stored.is_none_or(|stored| stored.charged < row.charged) {
            rows.push(row);
        }
    }
    if rows.is_empty() {
        return Ok(());
    }
    rows.chunks(FOLDED).try_for_each(|rows| put(t, rows))?;
    t.flusher.durable()
}

fn prune(t: &Trees, now_ms: u64) -> Result<usize, StoreError> {
    let mut gone = 0;
    for found in &t.quotas {
        let (place, bytes) = found.map_err(failed)?;
        let row: QuotaRow = decode(ROW, &bytes)?;
        if window_ended(&row, now_ms) {
            // Not when it was saved anew meanwhile.
            let swapped = t
                .quotas
                .compare_and_swap(place, Some(bytes), None::<&[u8]>)
                .map_err(perhaps)?;
            gone += usize::from(swapped.is_ok());
        }
        if gone == PRUNED {
            break;
        }
    }
    Ok(gone)
}
