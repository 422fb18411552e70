//! Changes that the store committed, into the trail.
//!
//! Invariant: an event becomes a line once: the line carries its number, and the number of the last one is read back from
//! the trail itself. Before anything is changed it is known whether the store is the one that the trail tells of. Events
//! that are gone are told as lost.

use serde_json::json;
use troupe_core::AccountId;
use troupe_core::audit::AuditStatus;
use troupe_core::port::{StoreError, Stores};
use troupe_storage::audit::Entry;

use super::{Audit, AuditError, STORE_CHANGED, event, now_ms};

/// Events that are read at once.
const PAGE: usize = 200;

type NameOf = Box<dyn Fn(AccountId) -> Option<String> + Send + Sync>;

pub(super) struct Outbox {
    stores: Stores,
    name: NameOf,
    /// The store's last event when the trail was started, where the trail could not be compared with it at once.
    last: Option<u64>,
}

impl From<StoreError> for AuditError {
    fn from(error: StoreError) -> Self {
        Self::Store(error.to_string())
    }
}

impl Outbox {
    pub fn new(stores: Stores) -> Self {
        Self {
            stores,
            name: Box::new(|_| None),
            last: None,
        }
    }

    pub fn name_accounts(&mut self, name: NameOf) {
        self.name = name;
    }

    /// Tells everything that was committed before this call.
    pub async fn catch_up(&mut self, audit: &Audit) -> Result<(), AuditError> {
        self.compare(audit).await?;
        audit.unbroken()?;
        loop {
            let told = audit.told();
            let events = self.stores.events.after(told, PAGE).await?;
            let Some((first, _)) = events.first() else {
                return Ok(());
            };
            let mut lines: Vec<_> = lost(told, *first).into_iter().collect();
            let told = |(seq, event): &(u64, _)| event::entry(*seq, event, &self.name);
            lines.extend(events.iter().map(told));
            audit.append(lines, false).await?;
            if events.len() < PAGE {
                return Ok(());
            }
        }
    }

    /// A store that does not have the last event that was told is another one, or an older copy: its numbers mean other
    /// events. Telling goes on behind the last one that it had at the start, and a line says so.
    ///
    /// # Errors
    /// The store does not answer, or the trail is not open; what the store had at the start is kept.
    pub async fn compare(&mut self, audit: &Audit) -> Result<(), AuditError> {
        if audit.0.state.is_compared() {
            return Ok(());
        }
        let told = audit.told();
        let has_it = audit.unbroken().is_ok() && self.last.is_none() && self.has(told).await?;
        if !has_it {
            let last = match self.last {
                Some(last) => last,
                None => *self.last.insert(last_event(&self.stores).await?),
            };
            audit.unbroken()?;
            let told = audit.told();
            if last < told {
                tell_another(audit, told, last).await?;
            }
        }
        audit.0.state.compared();
        Ok(())
    }

    async fn has(&self, event: u64) -> Result<bool, StoreError> {
        let Some(before) = event.checked_sub(1) else {
            return Ok(true);
        };
        let found = self.stores.events.after(before, 1).await?;
        Ok(!found.is_empty())
    }
}

async fn tell_another(audit: &Audit, told: u64, last: u64) -> Result<(), AuditError> {
    tracing::error!(
        told,
        last,
        "the store is another one than the audit trail told of"
    );
    let mut line = Entry::new(now_ms(), "system", STORE_CHANGED, "store");
    line.event = Some(last);
    line.before = Some(json!({ "last_event": told }));
    line.after = Some(json!({ "last_event": last }));
    audit.append(vec![line], false).await
}

/// Of the whole outbox, in as many questions as a number has digits.
async fn last_event(stores: &Stores) -> Result<u64, StoreError> {
    // As far as every store can count.
    let (mut low, mut high) = (0, i64::MAX.unsigned_abs());
    while low < high {
        let middle = low + (high - low) / 2;
        match stores.events.after(middle, 1).await?.first() {
            Some((seq, _)) => low = *seq,
            None => high = middle,
        }
    }
    Ok(low)
}

/// A line for events between the last that was told and the first that is there.
fn lost(told: u64, first: u64) -> Option<Entry> {
    let (from, to) = (told.saturating_add(1), first.checked_sub(1)?);
    if to < from {
        return None;
    }
    tracing::error!(
        from,
        to,
        "events are gone that the audit trail did not tell"
    );
    let mut line = Entry::new(now_ms(), "system", "trail.events_lost", "store");
    line.status = Some(AuditStatus::Failed);
    line.event = Some(to);
    line.after = Some(json!({ "from": from, "to": to }));
    Some(line)
}
