//! Whose a resource is: files, batches, containers belong to the account that made them and the key that asked for them.
//!
//! Invariant: a key learns nothing of another key's resources: they are "not found" for it; an id is stored with its
//! owner before the client sees it.

use std::sync::Arc;

use troupe_actors::key::KeyEntry;
use troupe_core::AccountId;
use troupe_core::key::ResourceScope;
use troupe_core::port::ResourceOwner;

use super::exchange::Exchange;
use crate::error::Problem;

/// Longest id that is looked up or stored, in bytes.
const MAX_ID: usize = 256;

/// The account that owns `ids`, if any is known.
///
/// # Errors
/// 404 when one is another key's, 400 when they are of two accounts, 503 when the store is away.
pub async fn account_of<'a>(
    exchange: &Exchange,
    entry: &KeyEntry,
    ids: impl IntoIterator<Item = &'a str>,
) -> Result<Option<AccountId>, Problem> {
    let mut bound = None;
    for id in ids {
        let Some(owner) = owner(exchange, id).await? else {
            continue;
        };
        check(entry, &owner)?;
        match bound {
            Some(account) if account != owner.account => {
                return Err(Problem::Invalid(
                    "the request names resources of two different accounts".into(),
                ));
            }
            _ => bound = Some(owner.account),
        }
    }
    Ok(bound)
}

/// Who owns `id`.
///
/// # Errors
/// 503 when the store is away.
pub async fn owner(exchange: &Exchange, id: &str) -> Result<Option<ResourceOwner>, Problem> {
    if id.len() > MAX_ID {
        return Ok(None);
    }
    let found = exchange
        .worker
        .gateway
        .stores
        .resources
        .owner(id.to_owned())
        .await;
    found.map_err(|error| Problem::Store(error.to_string()))
}

/// May this key see a resource of `owner`?
///
/// # Errors
/// 404, as if there were no such resource.
pub fn check(entry: &KeyEntry, owner: &ResourceOwner) -> Result<(), Problem> {
    let record = entry.record();
    if record.id == owner.key || record.resources == ResourceScope::All {
        Ok(())
    } else {
        Err(Problem::NotFound("no such resource".into()))
    }
}

/// Stores that `id` was made by this request's key on `account`.
///
/// # Errors
/// 503 when the store is away: the id must not be shown then.
pub async fn own(
    exchange: &Exchange,
    entry: &Arc<KeyEntry>,
    account: AccountId,
    id: String,
) -> Result<(), Problem> {
    if id.is_empty() || id.len() > MAX_ID {
        return Ok(());
    }
    let owner = ResourceOwner {
        resource: id,
        account,
        key: entry.record().id,
        created_ms: exchange.record.at_ms,
    };
    let stored = exchange.worker.gateway.stores.resources.own(owner).await;
    stored
        .map(drop)
        .map_err(|error| Problem::Store(error.to_string()))
}
