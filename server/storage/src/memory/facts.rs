//! Resources, meta, events and the request log in memory. Invariant: each is bounded, or fixed by the program.

use std::collections::BTreeSet;
use std::collections::hash_map::Entry;

use troupe_core::RequestId;
use troupe_core::event::DomainEvent;
use troupe_core::log::{LogPage, LogPosition, LogQuery};
use troupe_core::port::{
    EventStore, LogStore, MetaStore, PortFuture, ResourceOwner, ResourceStore,
};
use troupe_core::record::RequestRecord;

use super::{LOG_ROWS, Memory, RESOURCES, State};
use crate::log::day_of;
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

impl LogStore for Memory {
    fn append(&self, rows: Vec<RequestRecord>) -> PortFuture<'_, ()> {
        Box::pin(async move {
            self.with(|state| {
                for row in rows {
                    if state.log.len() == LOG_ROWS {
                        state.log.pop_front();
                    }
                    state.last_row += 1;
                    state.log.push_back((state.last_row, row));
                }
            });
            Ok(())
        })
    }

    fn retain(&self, oldest_ms: u64) -> PortFuture<'_, usize> {
        Box::pin(async move {
            let oldest = day_of(oldest_ms);
            let mut gone = BTreeSet::new();
            self.with(|state| {
                state.log.retain(|(_, row)| {
                    let day = day_of(row.at_ms);
                    day >= oldest || {
                        gone.insert(day);
                        false
                    }
                });
            });
            Ok(gone.len())
        })
    }

    fn find(&self, id: RequestId) -> PortFuture<'_, Option<RequestRecord>> {
        Box::pin(async move {
            Ok(self.with(|state| {
                let mut rows = state.log.iter().rev().map(|(_, row)| row);
                rows.find(|row| row.id == id).cloned()
            }))
        })
    }

    fn tail(&self, query: LogQuery) -> PortFuture<'_, LogPage> {
        Box::pin(async move { Ok(self.with(|state| page(state, &query))) })
    }
}

/// The one part of this log that a position names.
const ROWS: &str = "rows";

fn page(state: &State, query: &LogQuery) -> LogPage {
    let matches = |(_, row): &&(u64, RequestRecord)| query.filter.matches(row);
    let mut read_to = state.last_row;
    let mut page = LogPage::default();
    match &query.after {
        None => {
            let last = state.log.iter().rev().filter(matches).take(query.limit);
            page.rows = last.map(|(_, row)| row.clone()).collect();
            page.rows.reverse();
        }
        Some(after) => {
            let after = after.0.get(ROWS).copied().unwrap_or(0);
            let start = state.log.partition_point(|(number, _)| *number <= after);
            for (number, row) in state.log.range(start..).filter(matches) {
                if page.rows.len() >= query.limit {
                    page.cut = true;
                    break;
                }
                page.rows.push(row.clone());
                read_to = *number;
            }
            if !page.cut {
                read_to = state.last_row;
            }
        }
    }
    page.position = LogPosition([(ROWS.to_owned(), read_to)].into());
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::sample;

    #[tokio::test]
    async fn the_log_is_a_ring() {
        let memory = Memory::default();
        let rows = (0..LOG_ROWS as u64 + 3).map(sample::request).collect();
        memory.append(rows).await.unwrap();
        let (len, first) = memory.with(|state| (state.log.len(), state.log[0].1.at_ms));
        assert_eq!((len, first), (LOG_ROWS, 3));
    }

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
