//! Changes that the store committed, into the trail.
//!
//! Invariant: an event becomes a line once: the line carries its number, and the number of the last one is read back from
//! the trail itself.

use troupe_core::AccountId;
use troupe_core::port::{StoreError, Stores};
use troupe_storage::audit::Entry;

use super::{Audit, AuditError, event, now_ms};

/// Events that are read at once.
const PAGE: usize = 200;

type NameOf = Box<dyn Fn(AccountId) -> Option<String> + Send + Sync>;

pub(super) struct Outbox {
    stores: Stores,
    name: NameOf,
    /// The store is the one that the trail tells of.
    is_checked: bool,
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
            is_checked: false,
        }
    }

    pub fn name_accounts(&mut self, name: NameOf) {
        self.name = name;
    }

    /// Tells everything that was committed before this call.
    pub async fn catch_up(&mut self, audit: &Audit) -> Result<(), AuditError> {
        audit.ready().map_err(|error| match error {
            AuditError::Broken(why) => AuditError::Late(why),
            other => other,
        })?;
        if !self.is_checked {
            self.check(audit).await?;
            self.is_checked = true;
        }
        loop {
            let events = self.stores.events.after(audit.told(), PAGE).await?;
            let lines: Vec<_> = events
                .iter()
                .map(|(seq, event)| event::entry(*seq, event, &self.name))
                .collect();
            if lines.is_empty() {
                return Ok(());
            }
            audit.append(lines, false).await?;
            if events.len() < PAGE {
                return Ok(());
            }
        }
    }

    /// A store that does not have the last event that was told is another one, or an older copy: its numbers mean other
    /// events. Telling goes on behind its last one, and a line says so.
    async fn check(&self, audit: &Audit) -> Result<(), AuditError> {
        let told = audit.told();
        let Some(before) = told.checked_sub(1) else {
            return Ok(());
        };
        let found = self.stores.events.after(before, 1).await?;
        if found.first().is_some_and(|(seq, _)| *seq >= told) {
            return Ok(());
        }
        let mut last = 0;
        loop {
            let page = self.stores.events.after(last, PAGE).await?;
            match page.last() {
                Some((seq, _)) => last = *seq,
                None => break,
            }
        }
        tracing::error!(
            told,
            last,
            "the store is another one than the audit trail told of"
        );
        let mut line = Entry::new(now_ms(), "system", "trail.store_changed", "store");
        line.event = Some(last);
        line.before = Some(serde_json::json!({ "last_event": told }));
        line.after = Some(serde_json::json!({ "last_event": last }));
        audit.append(vec![line], false).await
    }
}
