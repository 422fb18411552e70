//! What a key has used since it was made.
//!
//! Invariant: a settlement is counted once; totals are read before they are first saved.

use std::sync::{Arc, Mutex, PoisonError};

use super::message::QuotaEffect;
use crate::key::KeyTotals;
use crate::time::Now;

/// How long totals may be unsaved.
const SAVE_AFTER_MS: u64 = 1_000;

#[derive(Debug, Default)]
struct Sums {
    /// As read from the store; `None` until then, and nothing is saved before.
    base: Option<KeyTotals>,
    /// Used since this actor was activated.
    since: KeyTotals,
    saved: KeyTotals,
}

/// The shared part that survives a restart of the machine, and that readers look at.
#[derive(Clone, Debug, Default)]
pub struct KeyLedger(Arc<Mutex<Sums>>);

impl KeyLedger {
    fn sums(&self) -> std::sync::MutexGuard<'_, Sums> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything known so far; `None` while what was stored before is not read.
    #[must_use]
    pub fn totals(&self) -> Option<KeyTotals> {
        let sums = self.sums();
        let mut totals = sums.base?;
        totals.add(&sums.since);
        Some(totals)
    }

    fn unsaved(&self) -> bool {
        let sums = self.sums();
        sums.since != sums.saved
    }
}

/// When totals are read and written.
#[derive(Debug)]
pub(super) struct Totals {
    ledger: KeyLedger,
    busy: bool,
    save_at_ms: Option<u64>,
}

impl Totals {
    /// Of a machine before this one, nobody knows whether its last save was done.
    pub(super) fn new(ledger: KeyLedger, now: Now) -> Self {
        ledger.sums().saved = KeyTotals::default();
        Self {
            ledger,
            busy: false,
            save_at_ms: Some(now.mono_ms),
        }
    }

    pub(super) fn add<'a>(&mut self, now: Now, used: impl Iterator<Item = &'a KeyTotals>) {
        let mut sums = self.ledger.sums();
        used.for_each(|used| sums.since.add(used));
        drop(sums);
        self.save_at_ms.get_or_insert(now.mono_ms + SAVE_AFTER_MS);
    }

    /// What is waiting to be saved is due now.
    pub(super) fn hurry(&mut self, now: Now) {
        if self.save_at_ms.is_some() {
            self.save_at_ms = Some(now.mono_ms);
        }
    }

    /// Is nothing under way, and nothing to be saved?
    pub(super) fn is_quiet(&self) -> bool {
        !self.busy && self.save_at_ms.is_none()
    }

    pub(super) fn is_busy(&self) -> bool {
        self.busy
    }

    pub(super) fn deadline(&self) -> Option<u64> {
        self.save_at_ms.filter(|_| !self.busy)
    }

    /// The next call of the store, if one is due and none is under way.
    pub(super) fn next(&mut self, now: Now) -> Option<QuotaEffect> {
        if self.busy || self.save_at_ms.is_none_or(|at| at > now.mono_ms) {
            return None;
        }
        self.save_at_ms = None;
        let mut sums = self.ledger.sums();
        let effect = match sums.base {
            None => QuotaEffect::LoadTotals,
            Some(_) if sums.saved == sums.since => return None,
            Some(mut total) => {
                total.add(&sums.since);
                sums.saved = sums.since;
                QuotaEffect::SaveTotals(total)
            }
        };
        self.busy = true;
        Some(effect)
    }

    pub(super) fn loaded(&mut self, now: Now, totals: Option<KeyTotals>) {
        self.busy = false;
        let again = match totals {
            Some(totals) => {
                self.ledger.sums().base.get_or_insert(totals);
                self.ledger.unsaved()
            }
            None => true,
        };
        self.again(now, again);
    }

    pub(super) fn saved(&mut self, now: Now, ok: bool) {
        self.busy = false;
        if !ok {
            self.ledger.sums().saved = KeyTotals::default();
        }
        let again = self.ledger.unsaved();
        self.again(now, again);
    }

    fn again(&mut self, now: Now, again: bool) {
        if again {
            self.save_at_ms.get_or_insert(now.mono_ms + SAVE_AFTER_MS);
        }
    }
}
