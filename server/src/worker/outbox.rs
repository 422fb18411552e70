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
    pub fn report(&self, account: &ActiveAccount, report: Report) {
        let quiet = match report.verdict {
            Verdict::RequestFault | Verdict::Unknown => true,
            // Good news matters only to an account that had bad ones.
            Verdict::Success => account.view.load().cooldowns.is_empty(),
            _ => false,
        };
        if !quiet {
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
        let mut settled = self.settled.take();
        while let Some((key, settlement)) = settled.pop() {
            let mut batch = vec![settlement];
            batch.extend(
                settled
                    .extract_if(.., |(other, _)| Arc::ptr_eq(other, &key))
                    .map(|(_, s)| s),
            );
            key.handle.tell(KeyTell::Settle(batch));
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
