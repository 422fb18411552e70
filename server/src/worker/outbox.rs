//! What happened on this worker, told in batches: rows to the recorder and the metrics, settlements to keys, reports to
//! accounts.
//!
//! Invariant: everything put in is told once, within [`ROWS_AFTER`] or at [`BATCH`] rows, and at the latest when the worker
//! ends. A report of a fault is told at once, and one that the next request should see within [`NEWS_AFTER`]. One that
//! changes nothing that the next request looks at may wait for others of its account, [`LATER`] or until [`MANY`] wait: in
//! a large pool each would be a message to another actor. Each message wakes another thread, which costs a lone request
//! more than all its bookkeeping.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use troupe_actors::account::ActiveAccount;
use troupe_actors::quota::ActiveQuota;
use troupe_core::account::{AccountTell, Report, Verdict, Window};
use troupe_core::quota::{QuotaTell, Settlement};
use troupe_core::record::RequestRecord;
use troupe_core::recorder::RecorderTell;

use crate::bodies::Taken;
use crate::gateway::Gateway;

const BATCH: usize = 100;
const ROWS_AFTER: Duration = Duration::from_millis(50);
const NEWS_AFTER: Duration = Duration::from_millis(3);
const LATER: Duration = Duration::from_millis(250);
const MANY: usize = 2_048;
/// Windows that are so near to what is known change no choice (parts per million).
const NEAR_PPM: u32 = 10_000;
const NEAR_MS: u64 = 5_000;

/// One worker's outbox.
#[derive(Debug)]
pub struct Outbox {
    inner: Rc<Inner>,
}

#[derive(Debug)]
struct Inner {
    gateway: Arc<Gateway>,
    rows: RefCell<Vec<RequestRecord>>,
    bodies: RefCell<Vec<Taken>>,
    settled: RefCell<Vec<(Arc<ActiveQuota>, Settlement)>>,
    reports: RefCell<Vec<(Arc<ActiveAccount>, Report)>>,
    /// Those that may wait.
    later: RefCell<Vec<(Arc<ActiveAccount>, Report)>>,
    /// Which of the three have a timer.
    rows_due: Cell<bool>,
    reports_due: Cell<bool>,
    later_due: Cell<bool>,
}

impl Outbox {
    #[must_use]
    pub fn new(gateway: Arc<Gateway>) -> Self {
        Self {
            inner: Rc::new(Inner {
                gateway,
                rows: RefCell::default(),
                bodies: RefCell::default(),
                settled: RefCell::default(),
                reports: RefCell::default(),
                later: RefCell::default(),
                rows_due: Cell::new(false),
                reports_due: Cell::new(false),
                later_due: Cell::new(false),
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
            self.inner.flush_rows();
        } else {
            self.schedule_rows();
        }
    }

    /// What was captured of a finished request, whose row follows: flushed with it.
    pub fn bodies(&self, taken: Taken) {
        self.inner.bodies.borrow_mut().push(taken);
    }

    /// What a finished request owes its key; recorded beside its row, so flushed with it.
    pub fn settle(&self, key: Arc<ActiveQuota>, settlement: Settlement) {
        self.inner.settled.borrow_mut().push((key, settlement));
        self.schedule_rows();
    }

    /// What an attempt told about an account.
    pub fn report(&self, account: Arc<ActiveAccount>, report: Report) {
        if !matches!(
            report.verdict,
            Verdict::Success | Verdict::RequestFault | Verdict::Unknown
        ) {
            account.handle.tell(AccountTell::Reports(vec![report]));
        } else if is_news(&account, &report) {
            self.inner.reports.borrow_mut().push((account, report));
            self.schedule(|inner| &inner.reports_due, NEWS_AFTER, Inner::flush_reports);
        } else {
            let mut later = self.inner.later.borrow_mut();
            later.push((account, report));
            let many = later.len() >= MANY;
            drop(later);
            if many {
                self.inner.flush_later();
            } else {
                self.schedule(|inner| &inner.later_due, LATER, Inner::flush_later);
            }
        }
    }

    fn schedule_rows(&self) {
        self.schedule(|inner| &inner.rows_due, ROWS_AFTER, Inner::flush_rows);
    }

    /// Flushes after a while, unless that is to be done already.
    fn schedule(&self, due: fn(&Inner) -> &Cell<bool>, after: Duration, flush: fn(&Inner)) {
        if due(&self.inner).replace(true) {
            return;
        }
        let inner = Rc::clone(&self.inner);
        actix_web::rt::spawn(async move {
            tokio::time::sleep(after).await;
            due(&inner).set(false);
            flush(&inner);
        });
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.inner.flush_rows();
        self.inner.flush_reports();
        self.inner.flush_later();
    }
}

impl Inner {
    fn flush_reports(&self) {
        tell_reports(self.reports.take());
    }

    fn flush_later(&self) {
        tell_reports(self.later.take());
    }

    fn flush_rows(&self) {
        for (key, batch) in grouped(self.settled.take()) {
            key.handle.tell(QuotaTell::Settle(batch));
        }
        let rows = self.rows.take();
        if !rows.is_empty() {
            self.gateway.telemetry.observe(&rows);
            let told = match self.gateway.plan.load().log {
                true => RecorderTell::Rows(rows),
                false => RecorderTell::Uses(rows),
            };
            self.gateway.directory.recorder().handle.tell(told);
        }
        for taken in self.bodies.take() {
            self.gateway.bodies.put(taken);
        }
    }
}

fn tell_reports(reports: Vec<(Arc<ActiveAccount>, Report)>) {
    for (account, batch) in grouped(reports) {
        account.handle.tell(AccountTell::Reports(batch));
    }
}

/// Does the next request look at what this changes: a pause that is over, or a window that is not as it was known?
fn is_news(account: &ActiveAccount, report: &Report) -> bool {
    let view = account.view.load();
    let Some(lane) = view.lane(report.auth) else {
        return false;
    };
    let is_known = |seen: &Window| {
        lane.windows.iter().any(|known| {
            known.name == seen.name
                && known.model == seen.model
                && known.reset_ms.abs_diff(seen.reset_ms) <= NEAR_MS
                && known.used_ppm.abs_diff(seen.used_ppm) < NEAR_PPM
        })
    };
    !lane.cooldowns.is_empty() || !report.windows.iter().all(is_known)
}

/// Entries by the one they are for; of each, in order.
fn grouped<T, U>(mut entries: Vec<(Arc<T>, U)>) -> Vec<(Arc<T>, Vec<U>)> {
    // Stable: entries of one keep their order.
    entries.sort_by_key(|(to, _)| Arc::as_ptr(to).addr());
    let mut groups: Vec<(Arc<T>, Vec<U>)> = Vec::new();
    for (to, entry) in entries {
        match groups.last_mut() {
            Some((last, batch)) if Arc::ptr_eq(last, &to) => batch.push(entry),
            _ => groups.push((to, vec![entry])),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_grouped_and_keep_their_order() {
        let (a, b) = (Arc::new('a'), Arc::new('b'));
        let entries = [(&a, 1), (&b, 2), (&a, 3), (&b, 4), (&a, 5)];
        let entries = entries.map(|(to, entry)| (Arc::clone(to), entry)).to_vec();
        let mut groups = grouped(entries);
        groups.sort_by_key(|(to, _)| **to);
        assert_eq!(groups, [(a, vec![1, 3, 5]), (b, vec![2, 4])]);
        assert!(grouped::<char, u8>(Vec::new()).is_empty());
    }
}
