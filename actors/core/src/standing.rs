//! What an account's actor publishes beside its view, so that ranking a thousand accounts reads one cache line each.
//!
//! Ordering: every field is read and written relaxed and each is independent of the others. A reader may see some
//! fields of one publication and some of the next: a ranking is a preference, and whoever is chosen is asked at the
//! gate. The view is the truth: where `look` is set, it must be read before the account is a candidate.
//!
//! Invariant: nothing here admits a request; a stale standing costs an attempt at a gate, never a wrong answer.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

use crate::routing::Candidate;

/// One account's standing as plain values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StandingValues {
    /// Not a candidate before then (milliseconds since the Unix epoch): 0 is open, `u64::MAX` until something happens.
    pub closed_until_ms: u64,
    /// The second choice until then (milliseconds since the Unix epoch).
    pub avoided_until_ms: u64,
    /// The fullest window that counts for every model, in parts per million; 0 when unknown.
    pub utilisation_ppm: u32,
    pub weight: u32,
    /// The lowest goes first.
    pub priority: u32,
    /// The view must be read for each request: model rules, pauses of one model, a trial, several credentials, …
    pub look: bool,
}

impl Default for StandingValues {
    /// Open, of weight 1.
    fn default() -> Self {
        Self {
            closed_until_ms: 0,
            avoided_until_ms: 0,
            utilisation_ppm: 0,
            weight: 1,
            priority: 0,
            look: false,
        }
    }
}

/// The published standing. Alone in its cache line, so that one account's news does not slow the reading of another.
#[derive(Debug, Default)]
#[repr(align(64))]
pub struct Standing {
    closed_until_ms: AtomicU64,
    avoided_until_ms: AtomicU64,
    utilisation_ppm: AtomicU32,
    weight: AtomicU32,
    priority: AtomicU32,
    look: AtomicBool,
}

impl Standing {
    #[must_use]
    pub fn new(values: &StandingValues) -> Self {
        let standing = Self::default();
        standing.publish(values);
        standing
    }

    /// Called by the account's actor alone.
    pub fn publish(&self, values: &StandingValues) {
        self.closed_until_ms.store(values.closed_until_ms, Relaxed);
        self.avoided_until_ms
            .store(values.avoided_until_ms, Relaxed);
        self.utilisation_ppm.store(values.utilisation_ppm, Relaxed);
        self.weight.store(values.weight, Relaxed);
        self.priority.store(values.priority, Relaxed);
        self.look.store(values.look, Relaxed);
    }

    #[must_use]
    pub fn read(&self) -> StandingValues {
        StandingValues {
            closed_until_ms: self.closed_until_ms.load(Relaxed),
            avoided_until_ms: self.avoided_until_ms.load(Relaxed),
            utilisation_ppm: self.utilisation_ppm.load(Relaxed),
            weight: self.weight.load(Relaxed),
            priority: self.priority.load(Relaxed),
            look: self.look.load(Relaxed),
        }
    }

    /// Out of the question at `unix_ms`?
    #[must_use]
    pub fn is_closed(&self, unix_ms: u64) -> bool {
        self.closed_until_ms.load(Relaxed) > unix_ms
    }

    /// Must the view be read?
    #[must_use]
    pub fn look(&self) -> bool {
        self.look.load(Relaxed)
    }
}

impl StandingValues {
    /// What the ranking looks at, with the caller's index and the numbers of the account's slots.
    #[must_use]
    pub fn candidate(
        &self,
        index: usize,
        (in_use, limit): (u32, u32),
        preferred: bool,
        unix_ms: u64,
    ) -> Candidate {
        Candidate {
            index,
            in_use,
            limit,
            utilisation_ppm: self.utilisation_ppm,
            weight: self.weight,
            priority: self.priority,
            avoided: self.avoided_until_ms > unix_ms,
            preferred: preferred && in_use < limit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standing_fills_exactly_one_cache_line() {
        assert_eq!((size_of::<Standing>(), align_of::<Standing>()), (64, 64));
    }

    #[test]
    fn what_is_published_is_read() {
        let values = StandingValues {
            closed_until_ms: 5,
            avoided_until_ms: 6,
            utilisation_ppm: 7,
            weight: 8,
            priority: 9,
            look: true,
        };
        let standing = Standing::new(&StandingValues::default());
        assert_eq!(standing.read(), StandingValues::default());
        assert!(!standing.is_closed(0) && !standing.look());
        standing.publish(&values);
        assert_eq!(standing.read(), values);
        assert!(standing.is_closed(4) && !standing.is_closed(5) && standing.look());
    }

    #[test]
    fn a_full_account_holds_no_session() {
        let values = StandingValues {
            avoided_until_ms: 10,
            ..StandingValues::default()
        };
        let free = values.candidate(3, (1, 2), true, 10);
        assert!(free.preferred && !free.avoided && free.index == 3);
        let full = values.candidate(3, (2, 2), true, 9);
        assert!(!full.preferred && full.avoided);
    }
}
