//! Ways through a day's rows, from the newest back: the order of time, and behind each value that is indexed.
//!
//! A lane is a range of one index that is written so that no other index has its order: a planner that knows nothing yet
//! of the day's rows, or something that is no longer so, takes it all the same. Several lanes together (a key each) are
//! one way: merged, the first n rows of all are the first n of the merge.
//!
//! Invariant: a way passes every row that matches the filter it was made from.

use sqlx::types::Uuid;
use sqlx::{Postgres, QueryBuilder};
use troupe_core::log::{LogFilter, StatusFilter};
use troupe_core::record::{Outcome, Route};

use super::columns::{bits, searchable};

/// More keys than that are looked for in the order of time.
const KEYS: usize = 16;

/// Rows below this one: the order of pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub at_ms: i64,
    pub id: Uuid,
}

/// Which rows of a day: those below a place, from a time on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    pub below: Place,
    /// Included.
    pub from_ms: i64,
}

/// Lanes that are read together.
pub(super) type Way = Vec<Lane>;

#[derive(Clone, Debug)]
pub(super) struct Lane {
    behind: Option<(&'static str, Value)>,
    /// Of the index, when it has not all rows.
    only: Option<&'static str>,
}

#[derive(Clone, Debug)]
enum Value {
    Text(String),
    Big(i64),
    Int(i32),
    Id(Uuid),
    Bool(bool),
}

impl Lane {
    fn behind(column: &'static str, value: Value, only: &'static str) -> Self {
        Self {
            behind: Some((column, value)),
            only: Some(only),
        }
    }

    fn only(only: Option<&'static str>) -> Self {
        Self { behind: None, only }
    }

    /// Adds ` from … where … order by …`: the rows of one part, the newest first.
    pub fn push(&self, sql: &mut QueryBuilder<Postgres>, part: &str, reach: Reach) {
        sql.push(format_args!(" from {part} where "));
        if let Some(only) = self.only {
            sql.push(format_args!("{only} and "));
        }
        match &self.behind {
            None => {
                sql.push("(at_ms, id) < (");
                push_place(sql, reach.below);
                sql.push(") and at_ms >= ").push_bind(reach.from_ms);
                sql.push(" order by at_ms desc, id desc");
            }
            Some((column, value)) => {
                sql.push(format_args!("({column}, at_ms, id) < ("));
                value.push(sql);
                sql.push(", ");
                push_place(sql, reach.below);
                sql.push(format_args!(") and ({column}, at_ms) >= ("));
                value.push(sql);
                sql.push(", ").push_bind(reach.from_ms);
                // With `column = value` the order of time alone would do, and be taken.
                sql.push(format_args!(
                    ") order by {column} desc, at_ms desc, id desc"
                ));
            }
        }
    }
}

fn push_place(sql: &mut QueryBuilder<Postgres>, place: Place) {
    sql.push_bind(place.at_ms).push(", ").push_bind(place.id);
}

impl Value {
    fn push(&self, sql: &mut QueryBuilder<Postgres>) {
        match self {
            Self::Text(text) => sql.push_bind(text.clone()),
            Self::Big(number) => sql.push_bind(*number),
            Self::Int(number) => sql.push_bind(*number),
            Self::Id(id) => sql.push_bind(*id),
            Self::Bool(is) => sql.push_bind(*is),
        };
    }
}

/// Ways that pass all rows that match; at least one.
pub(super) fn ways(filter: &LogFilter) -> Vec<Way> {
    let mut ways = Vec::new();
    if let Some(id) = &filter.upstream_request_id {
        let id = Value::Text(searchable(id));
        let only = "upstream_request_id is not null";
        return vec![vec![Lane::behind("upstream_request_id", id, only)]];
    }
    if let Some(session) = filter.session {
        let session = Value::Big(bits(session));
        ways.push(vec![Lane::behind(
            "session",
            session,
            "session is not null",
        )]);
    }
    if (1..=KEYS).contains(&filter.keys.len()) {
        let mut keys = filter.keys.clone();
        keys.sort_unstable();
        keys.dedup();
        let lane =
            |key: troupe_core::KeyId| Lane::behind("key", Value::Id(key.0), "key is not null");
        ways.push(keys.into_iter().map(lane).collect());
    }
    if let Some(account) = &filter.account {
        let served = Value::Text(searchable(account));
        ways.push(vec![
            Lane::behind("account", served, "account is not null"),
            Lane::only(Some("tried is not null")),
        ]);
    }
    for (column, value, only) in [
        ("owner", &filter.owner, "owner is not null"),
        ("key_group", &filter.group, "key_group is not null"),
        ("model", &filter.model, "model is not null"),
    ] {
        if let Some(value) = value {
            let value = Value::Text(searchable(value));
            ways.push(vec![Lane::behind(column, value, only)]);
        }
    }
    ways.extend(ways_of_what_is_rare(filter));
    if ways.is_empty() {
        ways.push(vec![Lane::only(None)]);
    }
    ways
}

/// Values that nearly all rows have are not indexed.
fn ways_of_what_is_rare(filter: &LogFilter) -> Vec<Way> {
    let mut ways = Vec::new();
    match filter.status {
        None | Some(StatusFilter::Exact(200) | StatusFilter::Class(2)) => {}
        Some(StatusFilter::Exact(status)) => {
            let status = Value::Int(status.into());
            ways.push(vec![Lane::behind("status", status, "status <> 200")]);
        }
        Some(StatusFilter::Class(class)) => {
            let class = Value::Int(class.into());
            let only = "(status / 100) <> 2";
            ways.push(vec![Lane::behind("(status / 100)", class, only)]);
        }
    }
    if let Some(route) = filter.route.filter(|route| *route != Route::Messages) {
        let route = Value::Text(route.as_str().to_owned());
        ways.push(vec![Lane::behind("route", route, "route <> 'messages'")]);
    }
    if let Some(outcome) = filter.outcome.filter(|o| *o != Outcome::Completed) {
        let outcome = Value::Text(outcome.as_str().to_owned());
        ways.push(vec![Lane::behind(
            "outcome",
            outcome,
            "outcome <> 'completed'",
        )]);
    }
    if let Some(stream) = filter.stream {
        ways.push(vec![Lane::behind("stream", Value::Bool(stream), "true")]);
    }
    if filter.error.is_some() {
        ways.push(vec![Lane::only(Some("error is not null"))]);
    }
    ways
}
