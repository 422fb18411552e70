//! Counters that live and end with the process.
//!
//! Invariant: `in_use` is the number of counters that somebody holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use troupe_core::LimitId;
use troupe_core::port::{CellRows, Counter};

/// The counters of a store without files; clones share the count.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemoryCells(Arc<AtomicUsize>);

struct MemoryCounter {
    value: AtomicU64,
    in_use: Arc<AtomicUsize>,
}

impl MemoryCells {
    pub(crate) fn counter(&self, charged: u64) -> Arc<dyn Counter> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Arc::new(MemoryCounter {
            value: AtomicU64::new(charged),
            in_use: Arc::clone(&self.0),
        })
    }
}

impl CellRows for MemoryCells {
    fn open(&self, _: LimitId, _: u64, _: u64, charged: u64) -> Arc<dyn Counter> {
        self.counter(charged)
    }

    fn in_use(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn is_durable(&self) -> bool {
        false
    }
}

impl Counter for MemoryCounter {
    fn value(&self) -> &AtomicU64 {
        &self.value
    }
}

impl Drop for MemoryCounter {
    fn drop(&mut self) {
        self.in_use.fetch_sub(1, Ordering::Relaxed);
    }
}
