//! A filter as a condition on columns.
//!
//! Invariant: the condition holds for every row that the filter matches; the row itself decides, see `columns`.

use sqlx::{Postgres, QueryBuilder};
use troupe_core::log::{LogFilter, StatusFilter};

use super::columns::{SEPARATOR, bits, searchable, storable};
use crate::postgres::pool::big;

/// Adds the condition; it may be null for `false`.
pub(super) fn push(sql: &mut QueryBuilder<Postgres>, filter: &LogFilter) {
    sql.push("(true");
    if !filter.keys.is_empty() {
        let keys: Vec<_> = filter.keys.iter().map(|key| key.0).collect();
        sql.push(" and key = any(").push_bind(keys).push(")");
    }
    if let Some(account) = &filter.account {
        let name = searchable(account);
        let tried = format!("{SEPARATOR}{name}{SEPARATOR}");
        sql.push(" and (account = ").push_bind(name);
        sql.push(" or strpos(tried, ")
            .push_bind(tried)
            .push(") > 0)");
    }
    match filter.status {
        None => {}
        Some(StatusFilter::Exact(status)) => {
            sql.push(" and status = ").push_bind(i32::from(status));
        }
        Some(StatusFilter::Class(class)) => {
            sql.push(" and status / 100 = ").push_bind(i32::from(class));
        }
    }
    if filter.api_only {
        sql.push(" and not (route = 'other' and key is null and (status < 400 or status = 503))");
    }
    push_texts(sql, filter);
    push_numbers(sql, filter);
    sql.push(")");
}

fn push_texts(sql: &mut QueryBuilder<Postgres>, filter: &LogFilter) {
    for (column, wanted) in [
        ("owner", filter.owner.as_deref()),
        ("key_group", filter.group.as_deref()),
        ("model", filter.model.as_deref()),
        ("route", filter.route.map(|route| route.as_str())),
        ("outcome", filter.outcome.map(|outcome| outcome.as_str())),
        ("upstream_request_id", filter.upstream_request_id.as_deref()),
    ] {
        if let Some(wanted) = wanted {
            sql.push(format_args!(" and {column} = "));
            sql.push_bind(searchable(wanted));
        }
    }
    if let Some(error) = &filter.error {
        sql.push(" and strpos(error, ").push_bind(storable(error));
        sql.push(") > 0");
    }
}

fn push_numbers(sql: &mut QueryBuilder<Postgres>, filter: &LogFilter) {
    if let Some(session) = filter.session {
        sql.push(" and session = ").push_bind(bits(session));
    }
    if let Some(stream) = filter.stream {
        sql.push(" and stream = ").push_bind(stream);
    }
    if let Some(least) = filter.min_duration_us {
        sql.push(" and duration_us >= ").push_bind(big(least));
    }
    if let Some(least) = filter.min_cost_micro_usd {
        sql.push(" and cost_micro_usd >= ").push_bind(big(least));
    }
}
