//! Gates: what lets a request through without asking anybody.
//!
//! A gate is an immutable view (swapped whole by its actor) beside long-lived shared counters that are never copied:
//! [`Slots`] (how many may be inside) and [`Entry`] (is the actor still there, and who still owes it something).
//! A request debits the counters itself and holds a guard that gives back.
//!
//! Invariant: a gate never refuses. A failed debit changes nothing and sends the caller to the actor, which alone
//! refuses, queues or refills. Nothing is taken without a guard whose drop gives it back.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// No limit on slots.
pub const UNLIMITED: u32 = u32::MAX;

type Notify = Box<dyn Fn() + Send + Sync>;

/// A counted number of places, taken and given back by atomics.
#[derive(Default)]
pub struct Slots {
    limit: AtomicU32,
    in_use: AtomicU32,
    waiting: AtomicU32,
    freed: OnceLock<Notify>,
    /// Called when there is room again where there was none, whoever waits.
    room: OnceLock<Notify>,
}

impl std::fmt::Debug for Slots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slots")
            .field("limit", &self.limit())
            .field("in_use", &self.in_use())
            .field("waiting", &self.waiting.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}

impl Slots {
    /// `None` is no limit.
    #[must_use]
    pub fn new(limit: Option<u32>) -> Arc<Self> {
        let slots = Self::default();
        slots.set_limit(limit);
        Arc::new(slots)
    }

    /// Takes effect for the next debit; those inside stay.
    pub fn set_limit(&self, limit: Option<u32>) {
        let limit = limit.unwrap_or(UNLIMITED);
        let before = self.limit.swap(limit, Ordering::SeqCst);
        let used = self.in_use.load(Ordering::SeqCst);
        if used >= before && used < limit {
            self.tell_of_room();
        }
    }

    /// Called whenever a slot is given back while somebody waits. Set once, by the shell.
    pub fn on_freed(&self, notify: impl Fn() + Send + Sync + 'static) {
        let _ = self.freed.set(Box::new(notify));
    }

    /// Called when all slots were taken and one is free again, for those who wait for a slot of any of several owners:
    /// whoever takes one and leaves another free tells the next. Set once.
    pub fn on_room(&self, notify: impl Fn() + Send + Sync + 'static) {
        let _ = self.room.set(Box::new(notify));
    }

    fn tell_of_room(&self) {
        if let Some(notify) = self.room.get() {
            notify();
        }
    }

    /// Is one free?
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.in_use.load(Ordering::SeqCst) < self.limit.load(Ordering::SeqCst)
    }

    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit.load(Ordering::Relaxed)
    }

    #[must_use]
    pub fn in_use(&self) -> u32 {
        self.in_use.load(Ordering::Relaxed)
    }

    /// The request's debit: fails when full or when somebody waits in the actor's queue (nobody jumps it).
    #[must_use]
    pub fn try_take(self: &Arc<Self>) -> Option<SlotGuard> {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            return None;
        }
        self.take_from_queue()
    }

    /// The actor's debit, on behalf of the head of its queue.
    #[must_use]
    pub fn take_from_queue(self: &Arc<Self>) -> Option<SlotGuard> {
        let limit = self.limit.load(Ordering::SeqCst);
        self.in_use
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |used| {
                (used < limit).then_some(used + 1)
            })
            .ok()
            .map(|_| SlotGuard {
                slots: Arc::clone(self),
            })
    }

    /// How many wait in the actor's queue. The actor sets it *before* it tries once more, so no wake-up is lost.
    pub fn set_waiting(&self, waiting: usize) {
        self.waiting
            .store(u32::try_from(waiting).unwrap_or(u32::MAX), Ordering::SeqCst);
    }
}

/// One slot; given back on drop.
#[derive(Debug)]
pub struct SlotGuard {
    slots: Arc<Slots>,
}

impl Drop for SlotGuard {
    fn drop(&mut self) {
        let before = self.slots.in_use.fetch_sub(1, Ordering::SeqCst);
        if self.slots.waiting.load(Ordering::SeqCst) > 0
            && let Some(notify) = self.slots.freed.get()
        {
            notify();
        }
        if before == self.slots.limit.load(Ordering::SeqCst) {
            self.slots.tell_of_room();
        }
    }
}

const CLOSED: u64 = 1 << 63;

/// Who is inside, and whether the door is still open: lets an idle actor leave without losing a message.
#[derive(Debug, Default)]
pub struct Entry {
    state: AtomicU64,
    touched_ms: AtomicU64,
}

impl Entry {
    #[must_use]
    pub fn new(now_mono_ms: u64) -> Arc<Self> {
        Arc::new(Self {
            state: AtomicU64::new(0),
            touched_ms: AtomicU64::new(now_mono_ms),
        })
    }

    /// `None` when the actor has been passivated: look it up again.
    #[must_use]
    pub fn enter(self: &Arc<Self>, now_mono_ms: u64) -> Option<EntryGuard> {
        let before = self.state.fetch_add(1, Ordering::SeqCst);
        if before & CLOSED != 0 {
            self.state.fetch_sub(1, Ordering::SeqCst);
            return None;
        }
        self.touched_ms.store(now_mono_ms, Ordering::Relaxed);
        Some(EntryGuard {
            entry: Arc::clone(self),
        })
    }

    /// Closes the door if nobody is inside and nothing is owed. Once closed it stays closed.
    #[must_use]
    pub fn try_close(&self) -> bool {
        self.state
            .compare_exchange(0, CLOSED, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok()
    }

    /// Closes the door to newcomers whatever is inside (quarantine, removal).
    pub fn close(&self) {
        self.state.fetch_or(CLOSED, Ordering::SeqCst);
    }

    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state.load(Ordering::SeqCst) & CLOSED != 0
    }

    /// When somebody entered last, on the monotonic clock.
    #[must_use]
    pub fn touched_ms(&self) -> u64 {
        self.touched_ms.load(Ordering::Relaxed)
    }

    #[must_use]
    pub fn inside(&self) -> u64 {
        self.state.load(Ordering::Relaxed) & !CLOSED
    }
}

/// Presence of one request (or of its unsettled account); given back on drop.
#[derive(Debug)]
pub struct EntryGuard {
    entry: Arc<Entry>,
}

impl Drop for EntryGuard {
    fn drop(&mut self) {
        self.entry.state.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_never_admit_over_the_limit_from_many_threads() {
        let slots = Slots::new(Some(7));
        let most = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..5_000 {
                        if let Some(guard) = slots.try_take() {
                            most.fetch_max(slots.in_use(), Ordering::Relaxed);
                            drop(guard);
                        }
                    }
                });
            }
        });
        assert!(most.load(Ordering::Relaxed) <= 7);
        assert_eq!(slots.in_use(), 0);
    }

    #[test]
    fn nobody_jumps_the_queue_and_a_freed_slot_wakes_it() {
        let slots = Slots::new(Some(1));
        let woken = Arc::new(AtomicU32::new(0));
        let seen = Arc::clone(&woken);
        slots.on_freed(move || {
            seen.fetch_add(1, Ordering::Relaxed);
        });
        let first = slots.try_take();
        slots.set_waiting(1);
        drop(first);
        assert_eq!(woken.load(Ordering::Relaxed), 1);
        assert!(slots.try_take().is_none());
        assert!(slots.take_from_queue().is_some());
    }

    #[test]
    fn room_is_told_of_where_there_was_none() {
        let slots = Slots::new(Some(2));
        let told = Arc::new(AtomicU32::new(0));
        let seen = Arc::clone(&told);
        slots.on_room(move || {
            seen.fetch_add(1, Ordering::Relaxed);
        });
        let told = || told.load(Ordering::Relaxed);
        drop(slots.try_take());
        assert_eq!(told(), 0, "it was not full");
        let [first, second] = [slots.try_take(), slots.try_take()];
        assert!(!slots.has_room());
        drop(first);
        assert!(slots.has_room());
        drop(second);
        assert_eq!(told(), 1);
        let _both = [slots.try_take(), slots.try_take()];
        slots.set_limit(Some(3));
        assert_eq!(told(), 2);
        slots.set_limit(None);
        assert_eq!(told(), 2);
    }

    #[test]
    fn a_lower_limit_lets_those_inside_finish() {
        let slots = Slots::new(Some(2));
        let guards = [slots.try_take(), slots.try_take()];
        slots.set_limit(Some(1));
        assert_eq!(slots.in_use(), 2);
        drop(guards);
        let _one = slots.try_take();
        assert!(slots.try_take().is_none());
    }

    #[test]
    fn a_door_closes_only_when_nobody_is_inside() {
        let entry = Entry::new(0);
        let guard = entry.enter(5);
        assert!(!entry.try_close());
        drop(guard);
        assert!(entry.try_close());
        assert!(entry.enter(6).is_none());
        assert_eq!(entry.inside(), 0);
        assert_eq!(entry.touched_ms(), 5);
    }
}
