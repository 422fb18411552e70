//! Requests that wait for room at any account.
//!
//! Invariant: room that appears while somebody waits wakes one of them; one that cannot use it, or leaves some, wakes the
//! next, until each has seen it once. So nobody waits beside an account that could take it, and an account that is never
//! full wakes nobody.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// Who waits, and how often there was room.
#[derive(Debug, Default)]
pub struct Waiting {
    count: AtomicUsize,
    /// How often room appeared while somebody waited.
    news: AtomicU64,
    notify: Notify,
}

/// One that waits; leaving is dropping it.
#[derive(Debug)]
pub struct Waiter<'a> {
    waiting: &'a Waiting,
    /// The last news that it has passed on, or came after.
    seen: Cell<u64>,
    /// It was woken, and has told nobody.
    woken: Cell<bool>,
}

impl Waiting {
    /// There is room at an account that had none: a slot was given back, or the account is open again.
    pub(crate) fn room(&self) {
        if self.count.load(Ordering::SeqCst) > 0 {
            self.news.fetch_add(1, Ordering::SeqCst);
            self.notify.notify_one();
        }
    }

    /// Must be called before the last look at the slots, so that nothing is missed between.
    #[must_use]
    pub fn enter(&self) -> Waiter<'_> {
        self.count.fetch_add(1, Ordering::SeqCst);
        Waiter {
            waiting: self,
            seen: Cell::new(self.news.load(Ordering::SeqCst)),
            woken: Cell::new(false),
        }
    }

    /// How many wait.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}

impl Waiter<'_> {
    /// The next room; to be enabled before a look at the slots. Dropped after it was woken, it wakes another.
    pub fn next(&self) -> Notified<'_> {
        self.waiting.notify.notified()
    }

    /// It was woken: it looks, and then has its share or passes on.
    pub fn woken(&self) {
        self.woken.set(true);
    }

    /// It looked and could not use what there was: the next may.
    pub fn pass_on(&self) {
        if !self.woken.replace(false) {
            return;
        }
        let news = self.waiting.news.load(Ordering::SeqCst);
        if news != self.seen.replace(news) {
            self.waiting.notify.notify_one();
        }
    }

    /// It has its share; `more` is left where it took it.
    pub fn served(&self, more: bool) {
        self.woken.set(false);
        if more {
            self.waiting.notify.notify_one();
        }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.waiting.count.fetch_sub(1, Ordering::SeqCst);
        self.pass_on();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::{Context, Poll, Waker};

    use troupe_core::gate::{SlotGuard, Slots};

    use super::*;

    /// Whoever waits for these slots, one poll at a time.
    struct Crowd {
        waiting: Arc<Waiting>,
        looks: AtomicUsize,
    }

    /// As the pipeline waits.
    async fn wait(crowd: &Crowd, slots: &Arc<Slots>) -> SlotGuard {
        let waiter = crowd.waiting.enter();
        loop {
            let mut next = std::pin::pin!(waiter.next());
            next.as_mut().enable();
            crowd.looks.fetch_add(1, Ordering::Relaxed);
            if let Some(slot) = slots.try_take() {
                waiter.served(slots.has_room());
                return slot;
            }
            waiter.pass_on();
            next.await;
            waiter.woken();
        }
    }

    /// Polls all until nobody moves; gives the slots of those that have one.
    fn settle<F: Future<Output = SlotGuard>>(
        waiters: &mut Vec<std::pin::Pin<Box<F>>>,
        rounds: usize,
    ) -> Vec<SlotGuard> {
        let mut served = Vec::new();
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..rounds {
            waiters.retain_mut(|waiter| match waiter.as_mut().poll(&mut context) {
                Poll::Ready(slot) => {
                    served.push(slot);
                    false
                }
                Poll::Pending => true,
            });
        }
        served
    }

    fn crowd(slots: &[&Arc<Slots>]) -> Crowd {
        let waiting = Arc::new(Waiting::default());
        for slots in slots {
            let waiting = Arc::clone(&waiting);
            slots.on_room(move || waiting.room());
        }
        Crowd {
            waiting,
            looks: AtomicUsize::new(0),
        }
    }

    #[test]
    fn every_slot_is_taken_while_somebody_waits_for_it() {
        let (one, other) = (Slots::new(Some(3)), Slots::new(Some(1)));
        let crowd = crowd(&[&one, &other]);
        let ours: Vec<_> = (0..3).filter_map(|_| one.try_take()).collect();
        let theirs = other.try_take();
        // Those who want the other stand in front of those who want the first.
        let mut others: Vec<_> = (0..4).map(|_| Box::pin(wait(&crowd, &other))).collect();
        assert!(settle(&mut others, 1).is_empty());
        let mut waiters: Vec<_> = (0..4).map(|_| Box::pin(wait(&crowd, &one))).collect();
        assert!(settle(&mut waiters, 1).is_empty());
        assert_eq!(crowd.waiting.count(), 8);
        // All three at once: only the first of them says that there is room.
        drop(ours);
        let mut served = Vec::new();
        for _ in 0..8 {
            assert!(settle(&mut others, 1).is_empty());
            served.extend(settle(&mut waiters, 1));
        }
        assert_eq!((served.len(), one.in_use()), (3, 3));
        drop(theirs);
        for _ in 0..8 {
            assert!(settle(&mut waiters, 1).is_empty());
            served.extend(settle(&mut others, 1));
        }
        assert_eq!((served.len(), other.in_use()), (4, 1));
        assert_eq!(crowd.waiting.count(), 4);
    }

    #[test]
    fn a_slot_that_is_used_up_disturbs_nobody_else() {
        let slots = Slots::new(Some(1));
        let crowd = crowd(&[&slots]);
        let mut held = slots.try_take();
        let mut waiters: Vec<_> = (0..100).map(|_| Box::pin(wait(&crowd, &slots))).collect();
        settle(&mut waiters, 1);
        for _ in 0..50 {
            drop(held.take());
            held = settle(&mut waiters, 2).pop();
            assert!(held.is_some());
        }
        assert_eq!(crowd.looks.load(Ordering::Relaxed), 150);
    }

    #[test]
    fn one_that_leaves_as_it_is_woken_wakes_another() {
        let slots = Slots::new(Some(1));
        let crowd = crowd(&[&slots]);
        let held = slots.try_take();
        let mut waiters: Vec<_> = (0..2).map(|_| Box::pin(wait(&crowd, &slots))).collect();
        settle(&mut waiters, 1);
        drop(held);
        drop(waiters.remove(0));
        assert_eq!(settle(&mut waiters, 1).len(), 1);
        assert_eq!(crowd.waiting.count(), 0);
    }

    #[test]
    fn news_that_nobody_can_use_come_to_rest() {
        let slots = Slots::new(Some(1));
        let crowd = crowd(&[&slots]);
        let _held = slots.try_take();
        let mut waiters: Vec<_> = (0..10).map(|_| Box::pin(wait(&crowd, &slots))).collect();
        settle(&mut waiters, 1);
        crowd.waiting.room();
        settle(&mut waiters, 50);
        let looks = crowd.looks.load(Ordering::Relaxed);
        assert!((20..=22).contains(&looks), "each looked once more: {looks}");
    }
}
