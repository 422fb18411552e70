//! Lines that no request waits for.
//!
//! Invariant: bounded; what does not fit is counted by its action, and the count becomes a line: nothing is dropped
//! without a trace. Pushing never waits.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use tokio::sync::mpsc;
use troupe_storage::audit::Entry;

use super::lock;

/// Notes that may wait.
pub(super) const NOTES: usize = 1_024;
/// Actions that are counted apart; there are as many as the program has.
const ACTIONS: usize = 64;

#[derive(Clone, Debug)]
pub(super) struct Notes {
    to: mpsc::Sender<Entry>,
    over: Arc<Over>,
}

#[derive(Debug, Default)]
struct Over {
    total: AtomicU64,
    /// By action: how many, and since when (ms since the Unix epoch).
    counts: Mutex<BTreeMap<String, (u64, u64)>>,
}

pub(super) fn channel() -> (Notes, mpsc::Receiver<Entry>) {
    let (to, from) = mpsc::channel(NOTES);
    let over = Arc::default();
    (Notes { to, over }, from)
}

impl Notes {
    pub fn push(&self, entry: Entry) {
        if let Err(refused) = self.to.try_send(entry) {
            self.count(refused.into_inner());
        }
    }

    /// Makes a count of an entry that nobody can keep.
    pub fn count(&self, entry: Entry) {
        let times = entry.count.unwrap_or(1);
        self.over.total.fetch_add(times, Relaxed);
        let mut counts = lock(&self.over.counts);
        let action = if counts.len() < ACTIONS || counts.contains_key(&entry.action) {
            entry.action
        } else {
            "other".to_owned()
        };
        counts.entry(action).or_insert((0, entry.at_ms)).0 += times;
    }

    pub fn aggregated(&self) -> u64 {
        self.over.total.load(Relaxed)
    }

    /// The counts as lines; each is told once.
    pub fn counted(&self) -> Vec<Entry> {
        let counts = std::mem::take(&mut *lock(&self.over.counts));
        let line = |(action, (times, at_ms)): (String, (u64, u64))| Entry {
            count: Some(times),
            reason: Some("too many at once to be told one by one".into()),
            ..Entry::new(at_ms, "system", &action, "many")
        };
        counts.into_iter().map(line).collect()
    }
}
