//! What ids are called, and which ids a name means.
//!
//! Invariant: what is gone keeps its last name, which rows of usage know; of each id those of the last day that it was
//! seen on are asked, so that few rows are read.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use troupe_core::usage::{Named, SeriesOf, UsageBy, UsageFilter, UsageQuery, UsageRow};
use troupe_core::{AccountId, KeyId};
use uuid::Uuid;

use super::super::{OpError, Operations};
use super::line::UsageLine;
use super::points::{self, Seen};
use super::times::Points;

struct Name {
    name: String,
    gone: bool,
}

pub(super) struct Names {
    keys: HashMap<KeyId, Name>,
    accounts: HashMap<AccountId, Name>,
    /// Of those that neither has.
    last: HashMap<Uuid, Arc<str>>,
}

impl Names {
    pub(super) async fn read(ops: &Operations) -> Result<Self, OpError> {
        let declared = ops.declared.load_full();
        let stored = ops.stores.keys.list().await?;
        let keys = stored.iter().chain(&declared.keys).map(|key| {
            let (name, gone) = (key.name.clone(), key.revoked_ms.is_some());
            (key.id, Name { name, gone })
        });
        let stored = ops.stores.accounts.list().await?;
        let of_file = declared.accounts.iter().map(|account| &account.record);
        let accounts = stored.iter().chain(of_file).map(|account| {
            let name = account.name.clone();
            (account.id, Name { name, gone: false })
        });
        Ok(Self {
            keys: keys.collect(),
            accounts: accounts.collect(),
            last: HashMap::new(),
        })
    }

    /// Every key that is called so, or was when it was revoked.
    pub(super) fn keys_named(&self, name: &str) -> Named<KeyId> {
        named(&self.keys, name)
    }

    pub(super) fn accounts_named(&self, name: &str) -> Named<AccountId> {
        named(&self.accounts, name)
    }

    /// Ids as series have them: those known to have the name, and those that are gone and had it on these days.
    pub(super) async fn values_named(
        &mut self,
        ops: &Operations,
        of: SeriesOf,
        name: &str,
        days: Points,
    ) -> Result<Vec<Arc<str>>, OpError> {
        let mut ids: Vec<Uuid> = match of {
            SeriesOf::Key => named(&self.keys, name).ids.iter().map(|id| id.0).collect(),
            _ => named(&self.accounts, name)
                .ids
                .iter()
                .map(|id| id.0)
                .collect(),
        };
        let seen = points::by_value(ops, days, of).await?;
        let gone = self.recall(ops, of, &seen).await?;
        let had_it = |id: &&Uuid| self.last.get(*id).is_some_and(|last| **last == *name);
        ids.extend(gone.iter().filter(had_it));
        Ok(ids.iter().map(|id| id.to_string().into()).collect())
    }

    /// Looks up what those that are gone were called; returns their ids.
    pub(super) async fn recall(
        &mut self,
        ops: &Operations,
        of: SeriesOf,
        seen: &HashMap<Arc<str>, Seen>,
    ) -> Result<Vec<Uuid>, OpError> {
        let by = match of {
            SeriesOf::Key => UsageBy::Key,
            SeriesOf::Account => UsageBy::Account,
            _ => return Ok(Vec::new()),
        };
        let mut days: BTreeMap<(u32, u32), Vec<Uuid>> = BTreeMap::new();
        let (mut first, mut last) = (u32::MAX, 0);
        for (value, seen) in seen {
            if let Some(id) = self.unknown(by, value) {
                let day = seen.last_day;
                days.entry((day, day)).or_default().push(id);
                (first, last) = (first.min(seen.first_day), last.max(day));
            }
        }
        let gone: Vec<Uuid> = days.values().flatten().copied().collect();
        for (days, ids) in days {
            self.recall_on(ops, by, days, ids).await?;
        }
        // Their last rows may have been counted when their names were not known any more.
        let nameless = gone.iter().filter(|id| !self.last.contains_key(id));
        let nameless: Vec<_> = nameless.copied().collect();
        if !nameless.is_empty() {
            self.recall_on(ops, by, (first, last), nameless).await?;
        }
        Ok(gone)
    }

    fn unknown(&self, by: UsageBy, value: &str) -> Option<Uuid> {
        let id = Uuid::parse_str(value).ok()?;
        let is_known = match by {
            UsageBy::Key => self.keys.contains_key(&KeyId(id)),
            _ => self.accounts.contains_key(&AccountId(id)),
        };
        (!is_known).then_some(id)
    }

    async fn recall_on(
        &mut self,
        ops: &Operations,
        by: UsageBy,
        (from_day, to_day): (u32, u32),
        ids: Vec<Uuid>,
    ) -> Result<(), OpError> {
        let name: Arc<str> = "".into();
        let wanted: HashSet<Uuid> = ids.iter().copied().collect();
        let filter = match by {
            UsageBy::Key => UsageFilter {
                key: Some(Named {
                    name,
                    ids: ids.into_iter().map(KeyId).collect(),
                }),
                ..UsageFilter::default()
            },
            _ => UsageFilter {
                account: Some(Named {
                    name,
                    ids: ids.into_iter().map(AccountId).collect(),
                }),
                ..UsageFilter::default()
            },
        };
        let query = UsageQuery {
            by,
            from_day,
            to_day,
            filter,
        };
        for row in ops.stores.usage.query(query).await? {
            let (id, name) = match by {
                UsageBy::Key => (row.key.key.map(|id| id.0), row.key_name),
                _ => (row.key.account.map(|id| id.0), row.account_name),
            };
            if let (Some(id), Some(name)) = (id, name)
                && wanted.contains(&id)
            {
                self.last.insert(id, name);
            }
        }
        Ok(())
    }

    pub(super) fn key(&self, id: KeyId, row: &UsageRow) -> UsageLine {
        line(
            self.keys.get(&id),
            row.key_name.as_deref(),
            id.0.to_string(),
        )
    }

    pub(super) fn account(&self, id: AccountId, row: &UsageRow) -> UsageLine {
        let last = row.account_name.as_deref();
        line(self.accounts.get(&id), last, id.0.to_string())
    }

    /// A line of what a series is of, without figures.
    pub(super) fn value(&self, of: SeriesOf, value: &str) -> UsageLine {
        let id = Uuid::parse_str(value).ok();
        let last = id.and_then(|id| self.last.get(&id)).map(|name| &**name);
        match (of, id) {
            (SeriesOf::Key, Some(id)) => line(self.keys.get(&KeyId(id)), last, id.to_string()),
            (SeriesOf::Account, Some(id)) => {
                line(self.accounts.get(&AccountId(id)), last, id.to_string())
            }
            _ => UsageLine {
                name: Some(value.to_owned()).filter(|value| !value.is_empty()),
                ..UsageLine::default()
            },
        }
    }
}

fn named<Id: Copy>(names: &HashMap<Id, Name>, wanted: &str) -> Named<Id> {
    let ids = names.iter().filter(|(_, known)| known.name == wanted);
    Named {
        name: wanted.into(),
        ids: ids.map(|(id, _)| *id).collect(),
    }
}

fn line(known: Option<&Name>, last: Option<&str>, id: String) -> UsageLine {
    let name = known.map(|known| known.name.as_str()).or(last);
    UsageLine {
        name: name.map(str::to_owned),
        id: Some(id),
        gone: known.is_none_or(|known| known.gone),
        ..UsageLine::default()
    }
}
