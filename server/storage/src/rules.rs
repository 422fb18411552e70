//! What a put may do and what a load gives, decided once for all backends: versions, live names, hashes, order.
//!
//! Invariant: pure; a backend looks up who holds the name and the hash, and applies the answer in the same transaction.

use std::collections::BTreeMap;

use troupe_core::account::{AccountRecord, TokenRow};
use troupe_core::key::KeyRecord;
use troupe_core::port::{Expect, QuotaRow, SessionRow, StoreError};
use troupe_core::{AccountId, KeyHash, KeyId};

/// Rows of the outbox that are kept; the oldest goes when a new one comes.
pub(crate) const EVENTS_KEPT: u64 = 100_000;

/// An admitted write of a key.
#[derive(Debug)]
pub(crate) struct KeyWrite {
    /// With its new version.
    pub record: KeyRecord,
    /// A name that the row held and gives up.
    pub free_name: Option<String>,
    /// Does the row hold its name from now on?
    pub live: bool,
    /// Hashes that the row held and gives up.
    pub free_hashes: Vec<KeyHash>,
}

/// An admitted write of an account.
#[derive(Debug)]
pub(crate) struct AccountWrite {
    /// With its new version.
    pub record: AccountRecord,
    /// A name that the row held and gives up.
    pub free_name: Option<String>,
}

/// `old` is the row of that id; `name_of` is who holds the record's name now, `holders` who hold its hashes (see
/// [`KeyRecord::hashes`]; nobody's are left out).
pub(crate) fn put_key(
    mut record: KeyRecord,
    expect: Expect,
    old: Option<&KeyRecord>,
    name_of: Option<KeyId>,
    holders: &[KeyId],
) -> Result<KeyWrite, StoreError> {
    record.version = next_version("key", expect, old.map(|old| old.version))?;
    let live = record.revoked_ms.is_none();
    if live && name_of.is_some_and(|id| id != record.id) {
        return Err(taken("key", &record.name));
    }
    if holders.iter().any(|id| *id != record.id) {
        return Err(StoreError::Conflict("another key has this secret".into()));
    }
    let free_name = old
        .filter(|old| old.revoked_ms.is_none() && !(live && old.name == record.name))
        .map(|old| old.name.clone());
    let held = old.into_iter().flat_map(KeyRecord::hashes);
    let free_hashes = held
        .filter(|held| record.hashes().all(|hash| hash != *held))
        .collect();
    Ok(KeyWrite {
        record,
        free_name,
        live,
        free_hashes,
    })
}

/// `old` is the row of that id; `name_of` is who holds the record's name now.
pub(crate) fn put_account(
    mut record: AccountRecord,
    expect: Expect,
    old: Option<&AccountRecord>,
    name_of: Option<AccountId>,
) -> Result<AccountWrite, StoreError> {
    record.version = next_version("account", expect, old.map(|old| old.version))?;
    if name_of.is_some_and(|id| id != record.id) {
        return Err(taken("account", &record.name));
    }
    let free_name = old
        .filter(|old| old.name != record.name)
        .map(|old| old.name.clone());
    Ok(AccountWrite { record, free_name })
}

/// With its new version. `old` is the row of that account.
pub(crate) fn put_token(
    mut row: TokenRow,
    expect: Expect,
    old: Option<&TokenRow>,
) -> Result<TokenRow, StoreError> {
    row.version = next_version("token", expect, old.map(|old| old.version))?;
    Ok(row)
}

/// Of the rows that have not ended, the `limit` that end last, the latest first. Holds no more rows than that.
pub(crate) fn last_to_end(
    rows: impl Iterator<Item = Result<SessionRow, StoreError>>,
    now_ms: u64,
    limit: usize,
) -> Result<Vec<SessionRow>, StoreError> {
    let mut kept = BTreeMap::new();
    for row in rows {
        let row = row?;
        if row.until_ms > now_ms {
            kept.insert(session_order(&row), row);
            if kept.len() > limit {
                kept.pop_first();
            }
        }
    }
    Ok(kept.into_values().rev().collect())
}

/// May a line of the audit trail be appended? `Ok(false)`: it is there already. `last` is the number of that node's
/// anchor, `stands` the hash of the line of that number, when there is one.
pub(crate) fn append_audit(
    seq: u64,
    hash: &str,
    last: Option<u64>,
    stands: Option<&str>,
) -> Result<bool, StoreError> {
    match (last, stands) {
        (_, Some(stands)) if stands == hash => Ok(false),
        (_, Some(_)) => Err(StoreError::Conflict(format!(
            "line {seq} of the audit trail is another one in the store"
        ))),
        (None, None) => Ok(true),
        // It was here and is retired.
        (Some(last), None) if seq <= last => Ok(false),
        (Some(last), None) if seq - 1 == last => Ok(true),
        (Some(last), None) => Err(StoreError::Conflict(format!(
            "line {seq} of the audit trail does not follow on {last}, the store's last"
        ))),
    }
}

/// By end; unique, because a session has one row.
pub(crate) fn session_order(row: &SessionRow) -> (u64, KeyId, u64) {
    (row.until_ms, row.session.key, row.session.session)
}

/// The end is the first moment after the window.
pub(crate) fn window_ended(row: &QuotaRow, now_ms: u64) -> bool {
    row.end_ms <= now_ms
}

pub(crate) fn no_account() -> StoreError {
    StoreError::Conflict("there is no such account".into())
}

pub(crate) fn other_fact(name: &str) -> StoreError {
    StoreError::Conflict(format!("the store's {name} is another by now"))
}

fn taken(what: &str, name: &str) -> StoreError {
    StoreError::Conflict(format!("the {what} name {name:?} is taken"))
}

fn next_version(what: &str, expect: Expect, found: Option<u64>) -> Result<u64, StoreError> {
    match (expect, found) {
        (Expect::Absent, None) => Ok(1),
        (Expect::Absent, Some(_)) => {
            Err(StoreError::Conflict(format!("this {what} exists already")))
        }
        (Expect::Version(_), None) => Err(StoreError::Conflict(format!("there is no such {what}"))),
        (Expect::Version(wanted), Some(found)) if wanted == found => Ok(found.saturating_add(1)),
        (Expect::Version(wanted), Some(found)) => Err(StoreError::Conflict(format!(
            "the {what} has changed meanwhile (version {found}, not {wanted})"
        ))),
    }
}
