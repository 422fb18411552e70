//! One limit in one window.
//!
//! ```text
//!  0        used      charged        taken                 capacity
//!  ├─────────┼──────────┼──────────────┼──────────────────────┤
//!  │ facts   │ at stake │ reserved     │ free                 │
//! ```
//! `used` is what upstreams have told. `charged` is what stays if the process dies now: facts, and what running requests
//! are using that nobody has told yet; it is the durable one. `taken` is everything that others may not have.
//!
//! A counter that has reached the end of its numbers stays there: nobody uses so much, and who says so makes no room.
//!
//! Invariant: `take` never lets `taken` pass the capacity; `used` ≤ `charged` ≤ `taken` at rest.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed, Ordering::SeqCst};

use super::period::Span;
use crate::id::LimitId;
use crate::port::Counter;

/// The counters of one limit in one window.
pub struct Cell {
    pub id: LimitId,
    pub span: Span,
    taken: AtomicU64,
    used: AtomicU64,
    /// Holds that have units of it.
    open: AtomicU64,
    charged: Arc<dyn Counter>,
}

impl std::fmt::Debug for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (used, charged, taken) = (self.used(), self.charged(), self.taken());
        write!(f, "Cell({} {used}/{charged}/{taken})", self.span.start_ms)
    }
}

impl Cell {
    /// `charged` holds what was used of it so far.
    #[must_use]
    pub fn new(id: LimitId, span: Span, charged: Arc<dyn Counter>) -> Self {
        let so_far = charged.value().load(Relaxed);
        Self {
            id,
            span,
            taken: so_far.into(),
            used: so_far.into(),
            open: 0.into(),
            charged,
        }
    }

    /// Of what runs at once nothing stays when the process dies.
    #[must_use]
    pub fn of_slots(id: LimitId) -> Self {
        Self::unsaved(id, Span::ALWAYS, 0)
    }

    /// One that only shows what was charged.
    #[must_use]
    pub fn unsaved(id: LimitId, span: Span, charged: u64) -> Self {
        Self::new(id, span, Arc::new(Unsaved(charged.into())))
    }

    #[must_use]
    pub fn used(&self) -> u64 {
        self.used.load(Relaxed)
    }

    #[must_use]
    pub fn charged(&self) -> u64 {
        self.charged.value().load(Relaxed)
    }

    #[must_use]
    pub fn taken(&self) -> u64 {
        self.taken.load(Relaxed)
    }

    #[must_use]
    pub fn open(&self) -> u64 {
        self.open.load(Relaxed)
    }

    /// Takes `units` if they are free.
    pub(super) fn take(&self, units: u64, capacity: u64) -> bool {
        // Sequentially consistent with `Gate::waiting`: whoever gives back sees who waits, or is seen by them.
        let taken = self.taken.fetch_update(SeqCst, SeqCst, |taken| {
            taken.checked_add(units).filter(|sum| *sum <= capacity)
        });
        taken.is_ok()
    }

    /// Takes `units` that are used already, or that nobody refuses.
    pub(super) fn take_anyway(&self, units: u64) {
        add(&self.taken, units);
    }

    pub(super) fn give_back(&self, units: u64) {
        if units > 0 {
            sub(&self.taken, units);
        }
    }

    /// Has nobody anything of it, and never had?
    pub(crate) fn is_unused(&self) -> bool {
        self.taken() == 0 && self.charged() == 0 && self.open() == 0
    }

    pub(super) fn enter(&self) {
        self.open.fetch_add(1, Relaxed);
    }

    pub(super) fn leave(&self) {
        sub(&self.open, 1);
    }

    /// Facts change from `before` to `now`.
    pub(super) fn use_units(&self, before: u64, now: u64) {
        shift(&self.used, before, now);
    }

    /// What stays if the process dies changes from `before` to `now`.
    pub(super) fn charge(&self, before: u64, now: u64) {
        shift(self.charged.value(), before, now);
    }
}

#[derive(Default)]
struct Unsaved(AtomicU64);

impl Counter for Unsaved {
    fn value(&self) -> &AtomicU64 {
        &self.0
    }
}

fn shift(counter: &AtomicU64, before: u64, now: u64) {
    if now > before {
        add(counter, now - before);
    } else if now < before {
        sub(counter, before - now);
    }
}

fn add(counter: &AtomicU64, units: u64) {
    let added = |value: u64| Some(value.saturating_add(units));
    let _ = counter.fetch_update(SeqCst, SeqCst, added);
}

fn sub(counter: &AtomicU64, units: u64) {
    let taken = |value: u64| (value < u64::MAX).then(|| value.saturating_sub(units));
    let _ = counter.fetch_update(SeqCst, SeqCst, taken);
}
