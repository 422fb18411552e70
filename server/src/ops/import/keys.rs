//! One key of an import.

use serde_json::Number;
use troupe_core::event::EventKind;
use troupe_core::key::{HashScheme, KeyRecord};
use troupe_core::port::Expect;
use troupe_core::{KeyHash, KeyId};
use troupe_storage::crypt::{display_prefix, plain_hash};

use super::super::audit::{told_change, told_key};
use super::super::keys::{KeyRights, check_secret};
use super::super::secret_json::SecretText;
use super::super::{ErrorCode, OpError, Operations, fields, limits, now_ms};
use super::{ImportKey, ImportOutcome, Imported, ImportedItem, What, free_name, told};

/// The caller holds the lock of changes; `keys` are those that stand.
pub(super) async fn import(
    ops: &Operations,
    keys: &mut Vec<KeyRecord>,
    item: ImportKey,
    dry_run: bool,
) -> ImportedItem {
    let (name, source_id) = (item.name.clone(), item.source_id.clone());
    let result = run(ops, keys, item, dry_run).await;
    told(What::Key, name, source_id, result)
}

async fn run(
    ops: &Operations,
    keys: &mut Vec<KeyRecord>,
    item: ImportKey,
    dry_run: bool,
) -> Imported {
    fields::check_name("a key", &item.name)?;
    // Its hash changes with its first use; where it came from does not.
    let id = KeyId::declared(&format!("import:{}", item.source_id));
    if let Some(known) = keys.iter().find(|key| key.id == id) {
        let revoked = known
            .revoked_ms
            .map(|_| "it was revoked here, and stays so".to_owned());
        let notes = revoked.into_iter().collect();
        return Ok((known.name.clone(), ImportOutcome::Unchanged, notes));
    }
    let mut notes = Vec::new();
    let declared = ops.declared.load_full();
    let lives = |name: &str| {
        let mut living = keys.iter().filter(|key| key.revoked_ms.is_none());
        living.any(|key| key.name == name) || declared.key(name).is_some()
    };
    let name = free_name(&item.name, lives);
    if name != item.name {
        notes.push(format!("the name {} is taken here", item.name));
    }
    let now_ms = now_ms();
    let mut record = KeyRecord::new(id, name.clone(), now_ms);
    hash(ops, &mut record, &item)?;
    let everywhere = || keys.iter().chain(&declared.keys);
    if let Some(other) = everywhere().find(|key| is_same(ops, key, &record, &item)) {
        let message = format!("the key {} has its secret already", other.name);
        return Err(OpError::new(ErrorCode::Conflict, message));
    }
    let rights = KeyRights {
        owner: item.owner,
        group: item.group,
        models: item.models,
        ..KeyRights::default()
    };
    rights.apply(&mut record, now_ms)?;
    record.expires_ms = item.expires_ms;
    record.enabled = item.enabled;
    if item.limits.is_empty() {
        record.limits = ops.plan().new_keys.clone();
    }
    for (name, value) in item.limits {
        limit(&mut record, name, value, &mut notes);
    }
    if !dry_run {
        let event = ops.event(EventKind::KeyCreated {
            id,
            name: name.clone(),
        });
        let event = told_change(event, None, Some(told_key(&record)));
        record = ops.put_key(record, Expect::Absent, event).await?;
    }
    keys.push(record);
    Ok((name, ImportOutcome::Added, notes))
}

/// Ours of a secret that is known; of one that is known by its SHA-256 alone, that.
fn hash(ops: &Operations, record: &mut KeyRecord, item: &ImportKey) -> Result<(), OpError> {
    match (&item.secret, &item.sha256) {
        (Some(secret), None) => {
            check_secret(secret.expose())?;
            record.hash = ops.hasher.hash(secret.expose().as_bytes());
            record.prefix = display_prefix(secret.expose(), &record.hash);
        }
        (None, Some(digits)) => {
            let hash = of_hex(digits);
            record.hash =
                hash.ok_or_else(|| OpError::invalid("a key's sha256 has 64 hexadecimal digits"))?;
            record.scheme = HashScheme::Sha256;
            // Not of the plain hash, which people are not shown a part of.
            record.prefix = display_prefix("", &ops.hasher.hash(&record.hash.0));
        }
        _ => return Err(OpError::invalid("a key has either a secret or its sha256")),
    }
    Ok(())
}

/// Does `key` stand for the same secret? Of two different hashes that is known only with the secret.
fn is_same(ops: &Operations, key: &KeyRecord, new: &KeyRecord, item: &ImportKey) -> bool {
    let plain = |secret: &SecretText| match key.scheme {
        HashScheme::Sha256 => key.hash == plain_hash(secret.expose().as_bytes()),
        HashScheme::HmacSha256 => key.hash == ops.hasher.hash(secret.expose().as_bytes()),
    };
    key.hash == new.hash || item.secret.as_ref().is_some_and(plain)
}

fn limit(record: &mut KeyRecord, name: String, value: Number, notes: &mut Vec<String>) {
    let one = std::iter::once((name.clone(), value.clone().into())).collect();
    match limits::apply(record.limits.clone(), &one, record.created_ms) {
        Ok(limits) => record.limits = limits,
        Err(error) => notes.push(format!(
            "its limit {name}={value} does not come along ({}), so that the key may do more here than at its source",
            error.message
        )),
    }
}

fn of_hex(digits: &SecretText) -> Option<KeyHash> {
    let digits = digits.expose();
    if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let mut hash = [0; 32];
    for (byte, at) in hash.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()?;
    }
    Some(KeyHash(hash))
}
