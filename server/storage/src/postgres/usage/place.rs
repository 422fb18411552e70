//! Keys of usage as places, and rows as columns.
//!
//! Invariant: two keys have one place only when they are one.

use sha2::{Digest, Sha256};
use sqlx::types::Uuid;
use troupe_core::port::StoreError;
use troupe_core::usage::{UsageKey, UsageRow};

use crate::codec::encode;
use crate::postgres::log::searchable;

/// SHA-256 over every part of the key, each with its length.
pub(super) fn place(key: &UsageKey) -> Vec<u8> {
    let mut hash = Sha256::new();
    hash.update(key.day.to_be_bytes());
    for id in [key.key.map(|id| id.0), key.account.map(|id| id.0)] {
        part(&mut hash, id.as_ref().map(|id| &id.as_bytes()[..]));
    }
    for text in [&key.owner, &key.group, &key.model] {
        part(&mut hash, text.as_deref().map(str::as_bytes));
    }
    hash.finalize().to_vec()
}

fn part(hash: &mut Sha256, part: Option<&[u8]>) {
    // One more than the length, so that an empty one is not none.
    let length = part.map_or(0, |part| part.len() as u64 + 1);
    hash.update(length.to_be_bytes());
    hash.update(part.unwrap_or_default());
}

type Texts = Vec<Option<String>>;

/// One array for each column.
#[derive(Debug, Default)]
pub(super) struct Columns {
    pub day: Vec<i64>,
    pub place: Vec<Vec<u8>>,
    pub key: Vec<Option<Uuid>>,
    pub key_name: Texts,
    pub account: Vec<Option<Uuid>>,
    pub account_name: Texts,
    pub owner: Texts,
    pub group: Texts,
    pub model: Texts,
    pub row: Vec<Vec<u8>>,
}

impl Columns {
    /// # Errors
    /// `Unavailable`: the row cannot be encoded.
    pub fn push(&mut self, row: &UsageRow) -> Result<(), StoreError> {
        let text = |text: &Option<std::sync::Arc<str>>| text.as_deref().map(searchable);
        self.row.push(encode(row)?);
        self.day.push(row.key.day.into());
        self.place.push(place(&row.key));
        self.key.push(row.key.key.map(|key| key.0));
        self.key_name.push(text(&row.key_name));
        self.account.push(row.key.account.map(|account| account.0));
        self.account_name.push(text(&row.account_name));
        self.owner.push(text(&row.key.owner));
        self.group.push(text(&row.key.group));
        self.model.push(text(&row.key.model));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn parts_do_not_run_into_each_other() {
        let key = |owner: Option<&str>, group: Option<&str>, model: Option<&str>| UsageKey {
            owner: owner.map(Into::into),
            group: group.map(Into::into),
            model: model.map(Into::into),
            ..UsageKey::default()
        };
        let places: HashSet<_> = [
            key(None, None, None),
            key(Some(""), None, None),
            key(None, Some(""), None),
            key(Some("ab"), Some("c"), None),
            key(Some("a"), Some("bc"), None),
            key(Some("a"), None, Some("bc")),
            UsageKey {
                day: 1,
                ..UsageKey::default()
            },
        ]
        .iter()
        .map(place)
        .collect();
        assert_eq!(places.len(), 7);
        assert!(places.iter().all(|place| place.len() == 32));
    }
}
