//! Sums of days, as a query wants them.
//!
//! Invariant: some days are read at a time, the earlier first, so that what is held at once is bounded and the last names
//! are those told; columns only leave out rows, the row itself decides.

use sqlx::postgres::PgConnection;
use sqlx::{Postgres, QueryBuilder, Row as _};
use troupe_core::usage::{UsageFilter, UsageGroups, UsageQuery, UsageRow};

use super::ROW;
use crate::codec::decode;
use crate::postgres::fault::Fault;
use crate::postgres::log::searchable;

/// Rows that are read at once, unless a day has more.
const ROWS: i64 = 20_000;

pub(super) async fn report(
    connection: &mut PgConnection,
    query: &UsageQuery,
) -> Result<Vec<UsageRow>, Fault> {
    let mut groups = UsageGroups::new(query);
    for (from, to) in stretches(connection, query).await? {
        let mut sql = QueryBuilder::new("select \"row\" from usage_rows where day between ");
        sql.push_bind(from).push(" and ").push_bind(to);
        push(&mut sql, &query.filter);
        sql.push(" order by day");
        let rows = sql.build().persistent(false).fetch_all(&mut *connection);
        for row in rows.await? {
            groups.add(&decode(ROW, row.try_get(0)?)?);
        }
    }
    Ok(groups.finish())
}

/// Days that have rows, the earliest first.
pub(super) async fn days(connection: &mut PgConnection) -> Result<Vec<u32>, Fault> {
    let days: Vec<i64> =
        sqlx::query_scalar("select day from usage_days where rows > 0 order by day")
            .fetch_all(connection)
            .await?;
    let days = days
        .into_iter()
        .map(|day| u32::try_from(day).unwrap_or(u32::MAX));
    Ok(days.collect())
}

/// First and last days that are read together.
async fn stretches(
    connection: &mut PgConnection,
    query: &UsageQuery,
) -> Result<Vec<(i64, i64)>, sqlx::Error> {
    let days =
        sqlx::query("select day, rows from usage_days where day between $1 and $2 order by day")
            .bind(i64::from(query.from_day))
            .bind(i64::from(query.to_day))
            .fetch_all(connection)
            .await?;
    let mut stretches: Vec<(i64, i64)> = Vec::new();
    let mut held = ROWS;
    for row in days {
        let (day, rows): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        held = held.saturating_add(rows);
        match stretches.last_mut() {
            Some((_, last)) if held <= ROWS => *last = day,
            _ => {
                stretches.push((day, day));
                held = rows;
            }
        }
    }
    Ok(stretches)
}

fn push(sql: &mut QueryBuilder<Postgres>, filter: &UsageFilter) {
    if let Some(key) = &filter.key {
        let ids: Vec<_> = key.ids.iter().map(|id| id.0).collect();
        sql.push(" and (key = any(").push_bind(ids);
        sql.push(") or key_name = ")
            .push_bind(searchable(&key.name));
        sql.push(")");
    }
    if let Some(account) = &filter.account {
        let ids: Vec<_> = account.ids.iter().map(|id| id.0).collect();
        sql.push(" and (account = any(").push_bind(ids);
        sql.push(") or account_name = ")
            .push_bind(searchable(&account.name));
        sql.push(")");
    }
    for (column, wanted) in [
        ("owner", &filter.owner),
        ("key_group", &filter.group),
        ("model", &filter.model),
    ] {
        if let Some(wanted) = wanted {
            sql.push(format_args!(" and {column} = "));
            sql.push_bind(searchable(wanted));
        }
    }
}
