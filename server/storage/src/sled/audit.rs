//! The audit trail's mirror on sled: lines by node and number, an index by time, and each node's anchor in `meta`.
//!
//! Invariant: lines, their index and the anchor are written in one transaction.

use std::sync::Arc;

use ::sled::Transactional;
use ::sled::transaction::TransactionalTree;
use troupe_core::audit::{AuditAnchor, AuditRow, AuditSearch};
use troupe_core::port::{AuditStore, PortFuture, StoreError};

use super::engine::Engine;
use super::transact::{Step, abort, failed, outcome, perhaps};
use super::trees::{AUDIT, Trees};
use crate::codec::{decode, encode};
use crate::rules::append_audit;

const ROW: &str = "audit row";
const ANCHOR: &str = "audit anchor";
/// Lines that are dropped at once.
const DROPPED: usize = 1_000;
const TIME_BYTES: usize = size_of::<u64>();

impl AuditStore for Engine {
    fn append(&self, rows: Vec<AuditRow>) -> PortFuture<'_, ()> {
        Box::pin(self.write(AUDIT, move |t| {
            let trees = (&t.audit, &t.audit_times, &t.meta);
            outcome(trees.transaction(|(audit, times, meta)| {
                rows.iter()
                    .try_for_each(|row| append(audit, times, meta, row))
            }))
        }))
    }

    fn anchor(&self, node: Arc<str>) -> PortFuture<'_, Option<AuditAnchor>> {
        Box::pin(self.read(move |trees| {
            let found = trees.meta.get(anchor_name(&node)).map_err(failed)?;
            let anchor = found.map(|bytes| decode(ANCHOR, &bytes)).transpose()?;
            if anchor.is_some() {
                trees.flusher.durable()?;
            }
            Ok(anchor)
        }))
    }

    fn search(&self, search: AuditSearch) -> PortFuture<'_, Vec<AuditRow>> {
        Box::pin(self.read(move |trees| found(trees, &search)))
    }

    fn retain(&self, oldest_ms: u64) -> PortFuture<'_, usize> {
        Box::pin(self.write(AUDIT, move |trees| retain(trees, oldest_ms)))
    }
}

/// Before a node's name, among the facts.
pub(super) const ANCHOR_PREFIX: &str = "audit_anchor:";

pub(super) fn anchor_name(node: &str) -> String {
    format!("{ANCHOR_PREFIX}{node}")
}

pub(super) fn place(node: &str, seq: u64) -> Vec<u8> {
    [node.as_bytes(), &[0], &seq.to_be_bytes()].concat()
}

pub(super) fn timed(at_ms: u64, node: &str, seq: u64) -> Vec<u8> {
    [&at_ms.to_be_bytes()[..], &place(node, seq)].concat()
}

fn append(
    audit: &TransactionalTree,
    times: &TransactionalTree,
    meta: &TransactionalTree,
    row: &AuditRow,
) -> Step<()> {
    let (name, place) = (anchor_name(&row.node), place(&row.node, row.seq));
    let anchor = meta
        .get(&name)?
        .map(|bytes| decode::<AuditAnchor>(ANCHOR, &bytes));
    let last = abort(anchor.transpose())?.map(|anchor| anchor.seq);
    let stands = audit
        .get(&place)?
        .map(|bytes| decode::<AuditRow>(ROW, &bytes));
    let stands = abort(stands.transpose())?.map(|row| row.hash);
    if !abort(append_audit(row.seq, &row.hash, last, stands.as_deref()))? {
        return Ok(());
    }
    let anchor = AuditAnchor {
        node: Arc::clone(&row.node),
        seq: row.seq,
        hash: Arc::clone(&row.hash),
    };
    audit.insert(place, abort(encode(row))?)?;
    times.insert(timed(row.at_ms, &row.node, row.seq), &[])?;
    meta.insert(name.as_bytes(), abort(encode(&anchor))?)?;
    Ok(())
}

fn found(t: &Trees, search: &AuditSearch) -> Result<Vec<AuditRow>, StoreError> {
    let end = match &search.before {
        Some((at_ms, node, seq)) => timed(*at_ms, node, *seq),
        None => vec![u8::MAX; TIME_BYTES + 1],
    };
    let mut rows = Vec::new();
    for time in t.audit_times.range(..end).keys().rev() {
        if rows.len() >= search.limit {
            break;
        }
        let time = time.map_err(failed)?;
        let place = time.get(TIME_BYTES..).unwrap_or_default();
        // It may be retired meanwhile.
        let Some(bytes) = t.audit.get(place).map_err(failed)? else {
            continue;
        };
        let row: AuditRow = decode(ROW, &bytes)?;
        if search.filter.matches(&row) {
            rows.push(row);
        }
    }
    Ok(rows)
}

fn retain(t: &Trees, oldest_ms: u64) -> Result<usize, StoreError> {
    let mut gone = 0;
    loop {
        let old = t.audit_times.range(..oldest_ms.to_be_bytes()).keys();
        let old: Vec<_> = old
            .take(DROPPED)
            .collect::<Result<_, _>>()
            .map_err(failed)?;
        if old.is_empty() {
            return Ok(gone);
        }
        for time in old {
            t.audit
                .remove(time.get(TIME_BYTES..).unwrap_or_default())
                .map_err(perhaps)?;
            t.audit_times.remove(time).map_err(perhaps)?;
            gone += 1;
        }
    }
}
