//! Resources, meta and the outbox on sled.
//!
//! Invariant: what `own`, `put_if_absent` and `after` tell is on the disk, also when another writer made it.

use ::sled::{IVec, Tree};
use troupe_core::event::DomainEvent;
use troupe_core::port::{
    EventStore, MetaStore, PortFuture, ResourceOwner, ResourceStore, StoreError,
};

use super::engine::Engine;
use super::transact::{failed, perhaps, sequence};
use super::trees::{META, RESOURCES};
use crate::codec::{decode, encode};
use crate::rules;

const OWNER_ROW: &str = "resource row";

/// `None`: ours was written; else what was there.
fn insert_if_absent(tree: &Tree, key: &[u8], value: &[u8]) -> Result<Option<IVec>, StoreError> {
    let swapped = tree
        .compare_and_swap(key, None::<&[u8]>, Some(value))
        .map_err(perhaps)?;
    Ok(swapped.err().and_then(|stands| stands.current))
}

impl ResourceStore for Engine {
    fn own(&self, owner: ResourceOwner) -> PortFuture<'_, ResourceOwner> {
        Box::pin(self.write(RESOURCES, move |trees| {
            let value = encode(&owner)?;
            match insert_if_absent(&trees.resources, owner.resource.as_bytes(), &value)? {
                Some(stands) => decode(OWNER_ROW, &stands),
                None => Ok(owner),
            }
        }))
    }

    fn owner(&self, resource: String) -> PortFuture<'_, Option<ResourceOwner>> {
        Box::pin(self.read(move |trees| {
            let found = trees.resources.get(resource.as_bytes()).map_err(failed)?;
            found.map(|bytes| decode(OWNER_ROW, &bytes)).transpose()
        }))
    }
}

impl MetaStore for Engine {
    fn get(&self, name: &'static str) -> PortFuture<'_, Option<Vec<u8>>> {
        Box::pin(self.read(move |trees| {
            Ok(trees
                .meta
                .get(name)
                .map_err(failed)?
                .map(|bytes| bytes.to_vec()))
        }))
    }

    fn put_if_absent(&self, name: &'static str, value: Vec<u8>) -> PortFuture<'_, Vec<u8>> {
        Box::pin(self.write(META, move |trees| {
            let stands = insert_if_absent(&trees.meta, name.as_bytes(), &value)?;
            Ok(stands.map_or(value, |bytes| bytes.to_vec()))
        }))
    }

    fn replace(&self, name: &'static str, old: Vec<u8>, new: Vec<u8>) -> PortFuture<'_, ()> {
        Box::pin(self.write(META, move |trees| {
            let swapped = trees
                .meta
                .compare_and_swap(name, Some(old), Some(new))
                .map_err(perhaps)?;
            swapped.map_err(|_| rules::other_fact(name))
        }))
    }
}

impl EventStore for Engine {
    fn after(&self, after: u64, limit: usize) -> PortFuture<'_, Vec<(u64, DomainEvent)>> {
        Box::pin(self.read(move |trees| {
            let Some(from) = after.checked_add(1) else {
                return Ok(Vec::new());
            };
            let found: Vec<_> = trees
                .outbox
                .range(from.to_be_bytes()..)
                .take(limit)
                .map(|row| {
                    let (key, value) = row.map_err(failed)?;
                    Ok((sequence(&key)?, decode("event", &value)?))
                })
                .collect::<Result<_, StoreError>>()?;
            if !found.is_empty() {
                trees.flusher.durable()?;
            }
            Ok(found)
        }))
    }
}
