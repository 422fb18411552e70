//! A store of rows and the mapped file beside it, in memory.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, Weak};

use crate::id::LimitId;
use crate::port::{CellRows, Counter, QuotaRow};

type Window = (LimitId, u64);

/// What survives the end of a process.
#[derive(Default)]
pub(super) struct Disk {
    pub store: Mutex<BTreeMap<Window, QuotaRow>>,
    mapped: Mutex<Vec<(QuotaRow, Weak<Row>)>>,
}

struct Row(AtomicU64);

impl Counter for Row {
    fn value(&self) -> &AtomicU64 {
        &self.0
    }
}

impl CellRows for Disk {
    fn open(&self, limit: LimitId, start_ms: u64, end_ms: u64, charged: u64) -> Arc<dyn Counter> {
        let row = Arc::new(Row(charged.into()));
        let named = QuotaRow {
            limit,
            start_ms,
            end_ms,
            charged,
        };
        let mut mapped = self.mapped.lock().unwrap();
        mapped.retain(|(_, row)| row.strong_count() > 0);
        mapped.push((named, Arc::downgrade(&row)));
        row
    }

    fn in_use(&self) -> usize {
        let mapped = self.mapped.lock().unwrap();
        mapped
            .iter()
            .filter(|(_, row)| row.strong_count() > 0)
            .count()
    }

    fn is_durable(&self) -> bool {
        true
    }
}

impl Disk {
    pub fn load(&self, limits: &[LimitId], unix_ms: u64) -> Vec<QuotaRow> {
        let store = self.store.lock().unwrap();
        let rows = store.values().copied();
        rows.filter(|row| limits.contains(&row.limit) && row.end_ms > unix_ms)
            .collect()
    }

    pub fn save(&self, rows: &[QuotaRow]) {
        let mut store = self.store.lock().unwrap();
        store.extend(rows.iter().map(|row| ((row.limit, row.start_ms), *row)));
    }

    /// What the next process does first: of the file and the store the larger counts.
    pub fn fold(&self) {
        let mut store = self.store.lock().unwrap();
        for (row, counter) in self.mapped.lock().unwrap().drain(..) {
            let Some(counter) = counter.upgrade() else {
                continue;
            };
            let charged = counter.0.load(SeqCst);
            let entry = store.entry((row.limit, row.start_ms)).or_insert(row);
            entry.charged = entry.charged.max(charged);
        }
    }
}
