//! What happened on this worker, told in batches: rows to the recorder and the metrics, settlements to keys, reports to
//! accounts.
//!
//! Invariant: everything put in is told once, within [`FLUSH_AFTER`] or at [`BATCH`] entries, and at the latest when the
//! worker ends. A report of a fault is told at once: the next request must see it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use troupe_actors::account::ActiveAccount;
use troupe_actors::key::ActiveKey;
use troupe_core::account::{AccountTell, Report, Verdict};
use troupe_core::key::{KeyTell, Settlement};
use troupe_core::record::RequestRecord;
use troupe_core::recorder::RecorderTell;

use crate::gateway::Gateway;

const BATCH: usize = 100;
const FLUSH_AFTER: Duration = Duration::from_millis(3);

/// One worker's outbox.
#[derive(Debug)]
pub struct Outbox {
    inner: Rc<Inner>,
}

#[derive(Debug)]
struct Inner {
    gateway: Arc<Gateway>,
    rows: RefCell<Vec<RequestRecord>>,
    settled: RefCell<Vec<(Arc<ActiveKey>, Settlement)>>,
    reports: RefCell<Vec<(Arc<ActiveAccount>, Report)>>,
    scheduled: Cell<bool>,
}

impl Outbox {
    #[must_use]
    pub fn new(gateway: Arc<Gateway>) -> Self {
        Self {
            inner: Rc::new(Inner {
                gateway,
                rows: RefCell::default(),
                settled: RefCell::default(),
                reports: RefCell::default(),
                scheduled: Cell::new(false),
            }),
        }
    }

    /// A finished request's row.
    pub fn record(&self, row: RequestRecord) {
        let mut rows = self.inner.rows.borrow_mut();
        rows.push(row);
        let full = rows.len() >= BATCH;
        drop(rows);
        if full {
            self.inner.flush();
        } else {
            self.schedule();
        }
    }

    /// What a finished request owes its key; recorded beside its row, so flushed with it.
    pub fn settle(&self, key: Arc<ActiveKey>, settlement: Settlement) {
        self.inner.settled.borrow_mut().push((key, settlement));
        self.schedule();
    }

    /// What an attempt told about an account.
    pub fn report(&self, account: Arc<ActiveAccount>, report: Report) {
        if matches!(
            report.verdict,
            Verdict::Success | Verdict::RequestFault | Verdict::Unknown
        ) {
            self.inner.reports.borrow_mut().push((account, report));
            self.schedule();
        } else {
            account.handle.tell(AccountTell::Reports(vec![report]));
        }
    }

    fn schedule(&self) {
        if self.inner.scheduled.replace(true) {
            return;
        }
        let inner = Rc::clone(&self.inner);
        actix_web::rt::spawn(async move {
            tokio::time::sleep(FLUSH_AFTER).await;
            inner.scheduled.set(false);
            inner.flush();
        });
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.inner.flush();
    }
}

impl Inner {
    fn flush(&self) {
        for (key, batch) in grouped(self.settled.take()) {
            key.handle.tell(KeyTell::Settle(batch));
        }
        for (account, batch) in grouped(self.reports.take()) {
            account.handle.tell(AccountTell::Reports(batch));
        }
        let rows = self.rows.take();
        if !rows.is_empty() {
            self.gateway.telemetry.observe(&rows);
            self.gateway
                .directory
                .recorder()
                .handle
                .tell(RecorderTell::Rows(rows));
        }
    }
}

/// Entries by the one they are for; of each, in order.
fn grouped<T, U>(mut entries: Vec<(Arc<T>, U)>) -> Vec<(Arc<T>, Vec<U>)> {
    let mut groups = Vec::new();
    while let Some((first, _)) = entries.first() {
        let to = Arc::clone(first);
        let batch = entries
            .extract_if(.., |(other, _)| Arc::ptr_eq(other, &to))
            .map(|(_, entry)| entry)
            .collect();
        groups.push((to, batch));
    }
    groups
}
