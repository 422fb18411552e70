//! What all transactions share: typed rows, and the event that is written with the change.
//!
//! Invariant: sequence numbers of the outbox grow by one in commit order; a transaction that aborts leaves none.

use ::sled::transaction::{
    ConflictableTransactionError as Conflictable, TransactionError, TransactionalTree,
};
use ::sled::{Error, Tree};
use serde::Serialize;
use serde::de::DeserializeOwned;
use troupe_core::event::DomainEvent;
use troupe_core::port::StoreError;
use uuid::Uuid;

use crate::codec::{decode, encode};
use crate::rules::EVENTS_KEPT;

/// In `meta`: the last sequence number of the outbox, u64 big-endian.
pub(super) const LAST_EVENT: &str = "outbox_last";

pub(super) type Step<T> = Result<T, Conflictable<StoreError>>;

/// A read, or a single insert before its flush, failed.
pub(super) fn failed(error: Error) -> StoreError {
    match error {
        Error::Corruption { .. } => StoreError::Corrupt(error.to_string()),
        _ => StoreError::Unavailable(error.to_string()),
    }
}

/// A write failed in the middle.
pub(super) fn perhaps(error: Error) -> StoreError {
    match error {
        Error::Corruption { .. } => StoreError::Corrupt(error.to_string()),
        _ => StoreError::Unknown(error.to_string()),
    }
}

pub(super) fn outcome<T>(result: Result<T, TransactionError<StoreError>>) -> Result<T, StoreError> {
    result.map_err(|error| match error {
        TransactionError::Abort(refusal) => refusal,
        TransactionError::Storage(error) => perhaps(error),
    })
}

pub(super) fn abort<T>(result: Result<T, StoreError>) -> Step<T> {
    result.map_err(Conflictable::Abort)
}

/// The row of an id.
pub(super) fn row<T: DeserializeOwned>(
    tree: &TransactionalTree,
    what: &str,
    id: Uuid,
) -> Step<Option<T>> {
    let found = tree.get(id.as_bytes())?;
    abort(found.map(|bytes| decode(what, &bytes)).transpose())
}

pub(super) fn put_row<T: Serialize>(tree: &TransactionalTree, id: Uuid, row: &T) -> Step<()> {
    tree.insert(id.as_bytes(), abort(encode(row))?)?;
    Ok(())
}

/// Who holds a name or a hash.
pub(super) fn holder(index: &TransactionalTree, key: &[u8]) -> Step<Option<Uuid>> {
    let found = index.get(key)?;
    abort(
        found
            .map(|bytes| Uuid::from_slice(&bytes))
            .transpose()
            .map_err(|_| StoreError::Corrupt("an index holds no id".into())),
    )
}

/// Appends events and drops as many of the oldest.
pub(super) fn push_events<'a>(
    meta: &TransactionalTree,
    outbox: &TransactionalTree,
    events: impl IntoIterator<Item = &'a DomainEvent>,
) -> Step<()> {
    for event in events {
        let last = meta.get(LAST_EVENT)?.map(|bytes| sequence(&bytes));
        let next = abort(last.transpose())?.unwrap_or(0) + 1;
        meta.insert(LAST_EVENT, &next.to_be_bytes())?;
        outbox.insert(&next.to_be_bytes(), abort(encode(event))?)?;
        if let Some(oldest) = next.checked_sub(EVENTS_KEPT) {
            outbox.remove(&oldest.to_be_bytes())?;
        }
    }
    Ok(())
}

pub(super) fn sequence(bytes: &[u8]) -> Result<u64, StoreError> {
    bytes
        .try_into()
        .map(u64::from_be_bytes)
        .map_err(|_| StoreError::Corrupt("a sequence number is not 8 bytes long".into()))
}

/// Every row of a tree.
pub(super) fn rows<T: DeserializeOwned>(tree: &Tree, what: &str) -> Result<Vec<T>, StoreError> {
    tree.iter()
        .values()
        .map(|value| decode(what, &value.map_err(failed)?))
        .collect()
}
