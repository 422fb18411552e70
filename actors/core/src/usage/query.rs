//! Questions to the store of usage, and how their answers are summed.
//!
//! Invariant: an answer has one row for each value of the dimension it is by, and at most [`MAX_GROUPS`] of them; every
//! row that matches is in one of them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{UsageKey, UsageRow};
use crate::id::{AccountId, KeyId};

/// Rows of one answer; what comes after them is counted as nobody's.
const MAX_GROUPS: usize = 100_000;

/// By what a report is summed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsageBy {
    Owner,
    Group,
    #[default]
    Key,
    Account,
    Model,
    Day,
}

impl UsageBy {
    pub const ALL: [Self; 6] = [
        Self::Owner,
        Self::Group,
        Self::Key,
        Self::Account,
        Self::Model,
        Self::Day,
    ];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Group => "group",
            Self::Key => "key",
            Self::Account => "account",
            Self::Model => "model",
            Self::Day => "day",
        }
    }

    /// The part of a key that this dimension tells.
    fn of(self, key: &UsageKey) -> UsageKey {
        let nothing = UsageKey::default();
        match self {
            Self::Owner => UsageKey {
                owner: key.owner.clone(),
                ..nothing
            },
            Self::Group => UsageKey {
                group: key.group.clone(),
                ..nothing
            },
            Self::Key => UsageKey {
                key: key.key,
                ..nothing
            },
            Self::Account => UsageKey {
                account: key.account,
                ..nothing
            },
            Self::Model => UsageKey {
                model: key.model.clone(),
                ..nothing
            },
            Self::Day => UsageKey {
                day: key.day,
                ..nothing
            },
        }
    }
}

impl fmt::Display for UsageBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Of one name: ids that have it or had it, and rows that were written when something had it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named<Id> {
    pub name: Arc<str>,
    pub ids: Vec<Id>,
}

impl<Id: PartialEq> Named<Id> {
    fn is(&self, id: Option<Id>, name: Option<&Arc<str>>) -> bool {
        id.is_some_and(|id| self.ids.contains(&id)) || name == Some(&self.name)
    }
}

/// Which rows; every part that is set must match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsageFilter {
    pub key: Option<Named<KeyId>>,
    pub account: Option<Named<AccountId>>,
    pub owner: Option<Arc<str>>,
    pub group: Option<Arc<str>>,
    pub model: Option<Arc<str>>,
}

impl UsageFilter {
    #[must_use]
    pub fn matches(&self, row: &UsageRow) -> bool {
        let text = |wanted: &Option<Arc<str>>, found: &Option<Arc<str>>| {
            wanted.is_none() || wanted == found
        };
        let (key, names) = (&row.key, (row.key_name.as_ref(), row.account_name.as_ref()));
        let of_key = self.key.as_ref().is_none_or(|k| k.is(key.key, names.0));
        let of_account = self.account.as_ref();
        of_key
            && of_account.is_none_or(|a| a.is(key.account, names.1))
            && text(&self.owner, &key.owner)
            && text(&self.group, &key.group)
            && text(&self.model, &key.model)
    }
}

/// What to sum.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsageQuery {
    pub by: UsageBy,
    /// The first and the last day (days since the Unix epoch), both included.
    pub from_day: u32,
    pub to_day: u32,
    pub filter: UsageFilter,
}

/// Sums rows as a query wants them.
#[derive(Debug)]
pub struct UsageGroups<'a> {
    query: &'a UsageQuery,
    groups: BTreeMap<UsageKey, UsageRow>,
}

impl<'a> UsageGroups<'a> {
    #[must_use]
    pub fn new(query: &'a UsageQuery) -> Self {
        Self {
            query,
            groups: BTreeMap::new(),
        }
    }

    /// Adds a row, if it matches. The names of the last row added are those told, so add the earlier days first.
    pub fn add(&mut self, row: &UsageRow) {
        let query = self.query;
        if !(query.from_day..=query.to_day).contains(&row.key.day) || !query.filter.matches(row) {
            return;
        }
        let mut of = query.by.of(&row.key);
        if self.groups.len() >= MAX_GROUPS && !self.groups.contains_key(&of) {
            of = UsageKey::default();
        }
        let group = self.groups.entry(of);
        group
            .or_insert_with_key(|key| UsageRow::empty(key.clone()))
            .merge(row);
    }

    /// One row each, in the order of their keys; a key has only the part that the query is by.
    #[must_use]
    pub fn finish(self) -> Vec<UsageRow> {
        self.groups.into_values().collect()
    }
}
