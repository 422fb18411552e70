//! Bodies in memory. Invariant: their bytes are bounded; the oldest go first.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use troupe_core::RequestId;
use troupe_core::bodies::StoredBodies;
use troupe_core::port::{BodyStore, PortFuture, StoreError};

use crate::log::day_of;

/// Packed bytes that are kept.
const MAX_BYTES: usize = 64 * 1024 * 1024;

pub(super) struct MemoryBodies {
    max_bytes: AtomicUsize,
    kept: Mutex<Kept>,
}

impl Default for MemoryBodies {
    fn default() -> Self {
        Self {
            max_bytes: AtomicUsize::new(MAX_BYTES),
            kept: Mutex::default(),
        }
    }
}

#[derive(Default)]
struct Kept {
    by_id: HashMap<RequestId, StoredBodies>,
    /// As they came.
    order: VecDeque<RequestId>,
    bytes: usize,
}

impl Kept {
    fn push(&mut self, bodies: StoredBodies, max_bytes: usize) {
        if self.by_id.contains_key(&bodies.id) {
            return;
        }
        self.bytes += bodies.packed.len();
        self.order.push_back(bodies.id);
        self.by_id.insert(bodies.id, bodies);
        while self.bytes > max_bytes
            && let Some(oldest) = self.order.pop_front()
            && let Some(gone) = self.by_id.remove(&oldest)
        {
            self.bytes -= gone.packed.len();
        }
    }

    /// How many days went.
    fn retain(&mut self, oldest_ms: u64) -> usize {
        let oldest = day_of(oldest_ms);
        let mut days = BTreeSet::new();
        self.by_id.retain(|_, bodies| {
            let day = day_of(bodies.at_ms);
            let stays = day >= oldest;
            if !stays {
                self.bytes -= bodies.packed.len();
                days.insert(day);
            }
            stays
        });
        self.order.retain(|id| self.by_id.contains_key(id));
        days.len()
    }
}

impl MemoryBodies {
    fn with<T>(&self, step: impl FnOnce(&mut Kept) -> T) -> T {
        step(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl BodyStore for MemoryBodies {
    fn append(&self, bodies: Vec<StoredBodies>) -> PortFuture<'_, ()> {
        Box::pin(async move {
            let bytes: usize = bodies.iter().map(|bodies| bodies.packed.len()).sum();
            let max_bytes = self.max_bytes.load(Ordering::Relaxed);
            if bytes > max_bytes {
                return Err(StoreError::Unavailable(format!(
                    "{bytes} bytes of bodies are more than the memory keeps"
                )));
            }
            self.with(|kept| {
                for bodies in bodies {
                    kept.push(bodies, max_bytes);
                }
            });
            Ok(())
        })
    }

    fn find(&self, id: RequestId) -> PortFuture<'_, Option<StoredBodies>> {
        Box::pin(async move { Ok(self.with(|kept| kept.by_id.get(&id).cloned())) })
    }

    /// Never above what this backend starts with: memory is not what the operator of a disk had in mind.
    fn bound(&self, max_bytes: u64) {
        let max_bytes = usize::try_from(max_bytes).unwrap_or(MAX_BYTES);
        self.max_bytes
            .store(max_bytes.min(MAX_BYTES), Ordering::Relaxed);
    }

    fn of_day(&self, at_ms: u64) -> PortFuture<'_, u64> {
        let of_day = move |kept: &mut Kept| {
            let all = kept.by_id.values();
            let of_day = all.filter(|bodies| day_of(bodies.at_ms) == day_of(at_ms));
            of_day.map(|bodies| bodies.packed.len() as u64).sum()
        };
        Box::pin(async move { Ok(self.with(of_day)) })
    }

    fn retain(&self, oldest_ms: u64) -> PortFuture<'_, usize> {
        Box::pin(async move { Ok(self.with(|kept| kept.retain(oldest_ms))) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::bodies::sample;

    #[tokio::test]
    async fn the_oldest_bodies_go_first_and_too_many_are_refused() {
        let memory = MemoryBodies::default();
        memory.bound(100);
        for n in 1..=3 {
            memory.append(vec![sample(n, 40)]).await.unwrap();
        }
        assert_eq!(memory.find(sample(1, 0).id).await.unwrap(), None);
        for n in 2..=3 {
            let kept = sample(n, 40);
            assert_eq!(memory.find(kept.id).await.unwrap(), Some(kept));
        }
        let refused = memory.append(vec![sample(4, 101)]).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))));
        assert_eq!(memory.with(|kept| (kept.bytes, kept.order.len())), (80, 2));
    }
}
