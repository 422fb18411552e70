//! The log as it is written: its last rows, and those since.
//!
//! Rows are told in the order of their numbers, which is that of commits. Who follows reads the newest days only: rows that
//! come later for others (replayed, restored) are found by a search.
//!
//! Invariant: a position is a number; each row of the newest days with a higher one is told, once. A page looks at no more
//! than [`MOST`] rows.

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Postgres, QueryBuilder, Row as _};
use troupe_core::log::{LogFilter, LogPage, LogPosition, LogQuery};
use troupe_core::record::RequestRecord;

use super::{ROW, TABLE, filter};
use crate::codec::decode;
use crate::postgres::fault::Fault;
use crate::postgres::partitions::{self, or_gone, today};
use crate::postgres::pool::big;

/// The one part that a position has.
const SEQ: &str = "seq";
/// Rows looked at for one page, and by one statement.
const MOST: u64 = 200_000;
const CHUNK: u64 = 4_096;

pub(super) async fn tail(
    connection: &mut PgConnection,
    query: &LogQuery,
    most: u64,
) -> Result<LogPage, Fault> {
    let first_day = followed_from(connection).await?;
    match &query.after {
        None => last(connection, query, first_day, most).await,
        Some(after) => {
            let after = after.0.get(SEQ).copied().unwrap_or(0);
            since(connection, query, (first_day, after), most).await
        }
    }
}

pub(super) const LOOKED_AT: u64 = MOST;

/// The day before the newest one that has rows; a row that is dated too late moves nobody on.
async fn followed_from(connection: &mut PgConnection) -> Result<i32, sqlx::Error> {
    let newest: Option<i32> = sqlx::query_scalar("select max(day) from request_logs")
        .persistent(false)
        .fetch_one(connection)
        .await?;
    let newest = newest.unwrap_or(0).min(today());
    Ok(newest.saturating_sub(1))
}

async fn since(
    connection: &mut PgConnection,
    query: &LogQuery,
    (first_day, after): (i32, u64),
    most: u64,
) -> Result<LogPage, Fault> {
    let mut page = LogPage::default();
    let (mut read_to, mut looked_at) = (after, 0);
    loop {
        let mut sql = select(&query.filter);
        sql.push(" from request_logs where day >= ")
            .push_bind(first_day);
        sql.push(" and seq > ").push_bind(big(read_to));
        sql.push(" order by seq limit ").push_bind(big(CHUNK));
        let rows = sql.build().persistent(false).fetch_all(&mut *connection);
        let rows = rows.await?;
        for row in &rows {
            if page.rows.len() >= query.limit || looked_at >= most {
                page.cut = true;
                break;
            }
            take(&mut page, row, &query.filter)?;
            read_to = seq(row)?;
            looked_at += 1;
        }
        if page.cut || (rows.len() as u64) < CHUNK {
            page.position = position(read_to);
            return Ok(page);
        }
    }
}

async fn last(
    connection: &mut PgConnection,
    query: &LogQuery,
    first_day: i32,
    most: u64,
) -> Result<LogPage, Fault> {
    let newest: Option<i64> =
        sqlx::query_scalar("select max(seq) from request_logs where day >= $1")
            .bind(first_day)
            .persistent(false)
            .fetch_one(&mut *connection)
            .await?;
    let newest = newest.unwrap_or(0);
    let mut page = LogPage::default();
    let mut looked_at = 0;
    'days: for day in partitions::list(connection, TABLE).await? {
        let part = partitions::name(TABLE, day)?;
        // What is written from here on is for who reads on.
        let mut below = newest.saturating_add(1);
        while page.rows.len() < query.limit {
            if looked_at >= most {
                page.cut = true;
                break 'days;
            }
            let mut sql = select(&query.filter);
            sql.push(format_args!(" from {part} where seq < "));
            sql.push_bind(below).push(" order by seq desc limit ");
            sql.push_bind(big(CHUNK));
            let rows = sql.build().persistent(false).fetch_all(&mut *connection);
            let rows = or_gone(rows.await)?;
            for row in &rows {
                if page.rows.len() >= query.limit {
                    break;
                }
                take(&mut page, row, &query.filter)?;
                below = big(seq(row)?);
            }
            looked_at += rows.len() as u64;
            if (rows.len() as u64) < CHUNK {
                break;
            }
        }
    }
    page.rows.reverse();
    page.position = position(newest.unsigned_abs());
    Ok(page)
}

fn position(seq: u64) -> LogPosition {
    LogPosition([(SEQ.to_owned(), seq)].into())
}

/// The row, where its columns match.
fn select(filter: &LogFilter) -> QueryBuilder<Postgres> {
    let mut sql = QueryBuilder::new("select seq, case when ");
    filter::push(&mut sql, filter);
    sql.push(" then \"row\" end");
    sql
}

fn seq(row: &PgRow) -> Result<u64, sqlx::Error> {
    let seq: i64 = row.try_get(0)?;
    Ok(seq.unsigned_abs())
}

fn take(page: &mut LogPage, row: &PgRow, filter: &LogFilter) -> Result<(), sqlx::Error> {
    let found: Option<&[u8]> = row.try_get(1)?;
    match found.map(decode_row) {
        Some(Ok(row)) if filter.matches(&row) => page.rows.push(row),
        Some(Ok(_)) | None => {}
        Some(Err(())) => page.unreadable += 1,
    }
    Ok(())
}

fn decode_row(bytes: &[u8]) -> Result<RequestRecord, ()> {
    decode(ROW, bytes).map_err(drop)
}
