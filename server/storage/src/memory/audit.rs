//! The audit trail's mirror in memory. Invariant: bounded; the oldest lines go first, anchors stay.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use troupe_core::audit::{AuditAnchor, AuditRow, AuditSearch};
use troupe_core::port::{AuditStore, PortFuture, StoreError};

use super::Memory;
use crate::rules::append_audit;

/// Lines that are kept.
const LINES: usize = 100_000;

/// By node and number, and in the order of time.
#[derive(Default)]
pub(super) struct Lines {
    rows: BTreeMap<(Arc<str>, u64), AuditRow>,
    times: BTreeSet<(u64, Arc<str>, u64)>,
    anchors: BTreeMap<Arc<str>, AuditAnchor>,
}

impl Lines {
    fn append(&mut self, rows: Vec<AuditRow>) -> Result<(), StoreError> {
        // All or none: first what is new, then the writes.
        let mut last = BTreeMap::new();
        let mut fresh: Vec<AuditRow> = Vec::new();
        for row in rows {
            let stored = || self.anchors.get(&row.node).map(|anchor| anchor.seq);
            let before = last.get(&row.node).copied().or_else(stored);
            let stands = self.rows.get(&(Arc::clone(&row.node), row.seq));
            let twin = fresh
                .iter()
                .rev()
                .find(|new| new.seq == row.seq && new.node == row.node);
            let stands = twin.or(stands).map(|stands| &*stands.hash);
            if append_audit(row.seq, &row.hash, before, stands)? {
                last.insert(Arc::clone(&row.node), row.seq);
                fresh.push(row);
            }
        }
        for row in fresh {
            let AuditRow {
                node, seq, hash, ..
            } = row.clone();
            self.times.insert((row.at_ms, Arc::clone(&node), seq));
            self.anchors.insert(
                Arc::clone(&node),
                AuditAnchor {
                    node: Arc::clone(&node),
                    seq,
                    hash,
                },
            );
            self.rows.insert((node, seq), row);
            if self.rows.len() > LINES {
                self.drop_oldest();
            }
        }
        Ok(())
    }

    fn drop_oldest(&mut self) {
        if let Some((_, node, seq)) = self.times.pop_first() {
            self.rows.remove(&(node, seq));
        }
    }

    fn search(&self, search: AuditSearch) -> Vec<AuditRow> {
        let end = search.before.unwrap_or_else(|| (u64::MAX, "".into(), 0));
        let places = self.times.range(..end).rev();
        places
            .filter_map(|(_, node, seq)| self.rows.get(&(Arc::clone(node), *seq)))
            .filter(|row| search.filter.matches(row))
            .take(search.limit)
            .cloned()
            .collect()
    }

    fn retain(&mut self, oldest_ms: u64) -> usize {
        let mut gone = 0;
        while self.times.first().is_some_and(|first| first.0 < oldest_ms) {
            self.drop_oldest();
            gone += 1;
        }
        gone
    }
}

impl AuditStore for Memory {
    fn append(&self, rows: Vec<AuditRow>) -> PortFuture<'_, ()> {
        Box::pin(async move { self.with(|state| state.audit.append(rows)) })
    }

    fn anchor(&self, node: Arc<str>) -> PortFuture<'_, Option<AuditAnchor>> {
        Box::pin(async move { Ok(self.with(|state| state.audit.anchors.get(&node).cloned())) })
    }

    fn search(&self, search: AuditSearch) -> PortFuture<'_, Vec<AuditRow>> {
        Box::pin(async move { Ok(self.with(|state| state.audit.search(search))) })
    }

    fn retain(&self, oldest_ms: u64) -> PortFuture<'_, usize> {
        Box::pin(async move { Ok(self.with(|state| state.audit.retain(oldest_ms))) })
    }
}
