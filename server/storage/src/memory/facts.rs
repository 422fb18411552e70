//! Resources, meta and events in memory. Invariant: each is bounded, or fixed by the program.

use std::collections::hash_map::Entry;

use troupe_core::event::DomainEvent;
use troupe_core::port::{EventStore, MetaStore, PortFuture, ResourceOwner, ResourceStore};

use super::{Memory, RESOURCES};
use crate::rules;

impl ResourceStore for Memory {
    fn own(&self, owner: ResourceOwner) -> PortFuture<'_, ResourceOwner> {
        Box::pin(async move {
            Ok(self.with(|state| {
                match state.resources.entry(owner.resource.clone()) {
                    Entry::Occupied(stands) => return stands.get().clone(),
                    Entry::Vacant(free) => free.insert(owner.clone()),
                };
                state.resource_order.push_back(owner.resource.clone());
                if state.resource_order.len() > RESOURCES
                    && let Some(oldest) = state.resource_order.pop_front()
                {
                    state.resources.remove(&oldest);
                }
                owner
            }))
        })
    }

    fn owner(&self, resource: String) -> PortFuture<'_, Option<ResourceOwner>> {
        Box::pin(async move { Ok(self.with(|state| state.resources.get(&resource).cloned())) })
    }
}

impl MetaStore for Memory {
    fn get(&self, name: &'static str) -> PortFuture<'_, Option<Vec<u8>>> {
        Box::pin(async move { Ok(self.with(|state| state.meta.get(name).cloned())) })
    }

    fn put_if_absent(&self, name: &'static str, value: Vec<u8>) -> PortFuture<'_, Vec<u8>> {
        Box::pin(
            async move { Ok(self.with(|state| state.meta.entry(name).or_insert(value).clone())) },
        )
    }

    fn replace(&self, name: &'static str, old: Vec<u8>, new: Vec<u8>) -> PortFuture<'_, ()> {
        Box::pin(async move {
            self.with(|state| match state.meta.get_mut(name) {
                Some(stands) if *stands == old => {
                    *stands = new;
                    Ok(())
                }
                _ => Err(rules::other_fact(name)),
            })
        })
    }
}

impl EventStore for Memory {
    fn after(&self, after: u64, limit: usize) -> PortFuture<'_, Vec<(u64, DomainEvent)>> {
        Box::pin(async move {
            Ok(self.with(|state| {
                let start = state
                    .events
                    .partition_point(|(sequence, _)| *sequence <= after);
                state.events.range(start..).take(limit).cloned().collect()
            }))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::sample;

    #[tokio::test]
    async fn the_oldest_resource_goes_first() {
        let memory = Memory::default();
        for n in 0..=RESOURCES {
            memory
                .own(sample::owner(&format!("file_{n}"), "k"))
                .await
                .unwrap();
        }
        assert_eq!(memory.owner("file_0".into()).await.unwrap(), None);
        assert!(memory.owner("file_1".into()).await.unwrap().is_some());
    }
}
