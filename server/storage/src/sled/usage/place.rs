//! Keys of usage as places, and which rows are worth reading.
//!
//! Invariant: a row that a filter matches is never passed over; what is read is judged by the row itself.

use memchr::memmem;
use troupe_core::usage::{Named, UsageFilter, UsageKey};
use uuid::Uuid;

/// Every part of the key, each with its length, behind the day.
pub(in crate::sled) fn place(key: &UsageKey) -> Vec<u8> {
    let mut place = key.day.to_be_bytes().to_vec();
    let ids = [key.key.map(|id| id.0), key.account.map(|id| id.0)];
    let texts = [&key.owner, &key.group, &key.model];
    let texts = texts.map(|text| text.as_deref().map(str::as_bytes));
    let parts = ids
        .iter()
        .map(|id| id.as_ref().map(|id| &id.as_bytes()[..]));
    for part in parts.chain(texts) {
        // One more than the length, so that an empty one is not none.
        let length = part.map_or(0, |part| part.len() + 1);
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        place.extend(length.to_be_bytes());
        place.extend(part.unwrap_or_default());
    }
    place
}

/// Parts of a place behind its day, in the order in which they were put.
struct Parts<'a>(&'a [u8]);

impl<'a> Parts<'a> {
    fn of(place: &'a [u8]) -> Self {
        Self(place.get(size_of::<u32>()..).unwrap_or_default())
    }

    /// `None`, when there is none or it is not there.
    fn take(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (part, rest) = rest.split_at_checked(length.checked_sub(1)?)?;
        self.0 = rest;
        Some(part)
    }
}

/// May this row match? A row has its names in it.
pub(super) fn may_match(filter: &UsageFilter, place: &[u8], row: &[u8]) -> bool {
    if *filter == UsageFilter::default() {
        return true;
    }
    let mut parts = Parts::of(place);
    let (key, account) = (parts.take(), parts.take());
    let mut text = |wanted: &Option<std::sync::Arc<str>>| {
        let part = parts.take();
        let wanted = wanted.as_deref().map(str::as_bytes);
        wanted.is_none_or(|wanted| part == Some(wanted))
    };
    text(&filter.owner)
        && text(&filter.group)
        && text(&filter.model)
        && of_named(filter.key.as_ref(), |id| id.0, key, row)
        && of_named(filter.account.as_ref(), |id| id.0, account, row)
}

fn of_named<Id>(
    wanted: Option<&Named<Id>>,
    uuid: impl Fn(&Id) -> Uuid,
    part: Option<&[u8]>,
    row: &[u8],
) -> bool {
    wanted.is_none_or(|wanted| {
        let mut ids = wanted.ids.iter();
        ids.any(|id| part == Some(&uuid(id).as_bytes()[..]))
            || memmem::find(row, wanted.name.as_bytes()).is_some()
    })
}

#[cfg(test)]
mod tests {
    use troupe_core::usage::UsageRow;
    use troupe_core::{AccountId, KeyId};

    use super::*;
    use crate::codec::encode;

    fn rows() -> Vec<UsageRow> {
        let mut rows = Vec::new();
        let text = |text: Option<&str>| text.map(Into::into);
        for key in [None, Some("k"), Some("l")] {
            for account in [None, Some("a"), Some("b")] {
                for part in [None, Some(""), Some("ann"), Some("bob")] {
                    let place = UsageKey {
                        day: 7,
                        key: key.map(KeyId::declared),
                        account: account.map(AccountId::declared),
                        owner: text(part),
                        group: text(key),
                        model: text(account),
                    };
                    rows.push(UsageRow {
                        key_name: text(key),
                        account_name: text(account),
                        ..UsageRow::empty(place)
                    });
                }
            }
        }
        rows
    }

    fn filters() -> Vec<UsageFilter> {
        let any = UsageFilter::default;
        let mut filters = vec![any()];
        for text in ["", "ann", "k", "a", "nobody"] {
            let text = || Some(text.into());
            filters.extend([
                UsageFilter {
                    owner: text(),
                    ..any()
                },
                UsageFilter {
                    group: text(),
                    ..any()
                },
                UsageFilter {
                    owner: text(),
                    model: text(),
                    ..any()
                },
            ]);
        }
        for (name, id) in [("k", "none"), ("x", "l"), ("a", "a"), ("", "b"), ("x", "y")] {
            let key = Named {
                name: name.into(),
                ids: vec![KeyId::declared(id)],
            };
            let account = Named {
                name: name.into(),
                ids: vec![AccountId::declared(id)],
            };
            filters.extend([
                UsageFilter {
                    key: Some(key),
                    ..any()
                },
                UsageFilter {
                    account: Some(account),
                    ..any()
                },
            ]);
        }
        filters
    }

    #[test]
    fn what_matches_is_read_and_little_else() {
        let (mut all, mut read) = (0, 0);
        for filter in filters() {
            for row in rows() {
                let bytes = encode(&row).unwrap();
                let may = may_match(&filter, &place(&row.key), &bytes);
                if filter.matches(&row) {
                    assert!(may, "{filter:?} {row:?}");
                }
                all += 1;
                read += usize::from(may);
            }
        }
        assert!(2 * read < all, "{read} rows of {all}");
    }
}
