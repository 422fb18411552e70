//! The request log on PostgreSQL: one row a request, a part a day.
//!
//! Index. `write`: a batch. `search`: pages from the newest row back, by `lanes` (ways through a day) and `chunk` (a bounded
//! look). `tail`: following. `columns` and `filter`: what is searched by. `cursor`: where to read on.
//!
//! Invariant: a row is in the part of the UTC day of its `at_ms`, once, however often it is told; the record is in `row`,
//! columns only find it.

mod chunk;
mod columns;
mod cursor;
mod filter;
mod lanes;
mod search;
mod tail;
mod write;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use troupe_core::RequestId;
use troupe_core::log::{LogFound, LogPage, LogQuery, LogSearch};
use troupe_core::port::{LogStore, PortFuture, StoreError};
use troupe_core::record::RequestRecord;

use self::columns::Columns;
pub(super) use self::columns::searchable;
use self::search::Bounds;
use super::fault::Fault;
use super::partitions::{Parts, day_of};
use super::pool::Pg;
use crate::codec::decode;

const TABLE: &str = "request_logs";
const ROW: &str = "row of the request log";
/// Rows of one statement.
const BATCH: usize = 4_096;
/// An id and the row's time are taken from two clocks.
const CLOCKS_APART_MS: u64 = 60_000;
/// SQLSTATE: no part takes the row.
const CHECK_VIOLATION: &str = "23514";

#[derive(Debug)]
pub(super) struct PgLog {
    pg: Pg,
    parts: Parts,
}

impl PgLog {
    pub fn new(pg: Pg) -> Self {
        Self {
            pg,
            parts: Parts::of(TABLE),
        }
    }

    async fn append_batch(&self, rows: &[RequestRecord]) -> Result<(), StoreError> {
        let columns = Arc::new(Columns::of(rows)?);
        in_parts(&self.parts, &self.pg, columns.day.clone(), || {
            let columns = Arc::clone(&columns);
            let partless = Arc::new(AtomicBool::new(false));
            let told = Arc::clone(&partless);
            let written = self.pg.write(move |connection| {
                Box::pin(async move {
                    let written = write::insert(connection, &columns).await;
                    written.map_err(|error| partless_or(error, &told))
                })
            });
            (written, partless)
        })
        .await
    }
}

/// Runs a write whose rows are of these days; once more when a part was dropped since it was last seen.
pub(super) async fn in_parts<F>(
    parts: &Parts,
    pg: &Pg,
    days: Vec<i32>,
    write: impl Fn() -> (F, Arc<AtomicBool>),
) -> Result<(), StoreError>
where
    F: Future<Output = Result<(), StoreError>>,
{
    parts.ensure(pg, days.iter().copied().collect()).await?;
    let (written, partless) = write();
    let written = written.await;
    if !partless.load(Ordering::Relaxed) {
        return written;
    }
    parts.forget();
    parts.ensure(pg, days.into_iter().collect()).await?;
    write().0.await
}

/// Notes when a row found no part.
pub(super) fn partless_or(error: sqlx::Error, partless: &AtomicBool) -> Fault {
    let code = error.as_database_error().and_then(|error| error.code());
    if code.as_deref() == Some(CHECK_VIOLATION) {
        partless.store(true, Ordering::Relaxed);
    }
    error.into()
}

/// The days that an id's row may be of.
pub(super) fn days_of(id: RequestId) -> Vec<i32> {
    let at_ms = id.time_ms();
    let mut days = vec![
        day_of(at_ms),
        day_of(at_ms.saturating_sub(CLOCKS_APART_MS)),
        day_of(at_ms.saturating_add(CLOCKS_APART_MS)),
    ];
    days.sort_unstable();
    days.dedup();
    days
}

impl LogStore for PgLog {
    fn append(&self, rows: Vec<RequestRecord>) -> PortFuture<'_, ()> {
        Box::pin(async move {
            for batch in rows.chunks(BATCH) {
                self.append_batch(batch).await?;
            }
            Ok(())
        })
    }

    fn retain(&self, oldest_ms: u64) -> PortFuture<'_, usize> {
        Box::pin(self.parts.drop_before(&self.pg, day_of(oldest_ms)))
    }

    fn find(&self, id: RequestId) -> PortFuture<'_, Option<RequestRecord>> {
        Box::pin(self.pg.read(move |connection| {
            Box::pin(async move {
                let sql = "select \"row\" from request_logs where day = any($1) and id = $2";
                let found: Option<Vec<u8>> = sqlx::query_scalar(sql)
                    .bind(days_of(id))
                    .bind(id.0)
                    .persistent(false)
                    .fetch_optional(connection)
                    .await?;
                let row = found.map(|row| decode(ROW, &row)).transpose()?;
                Ok(row)
            })
        }))
    }

    fn tail(&self, query: LogQuery) -> PortFuture<'_, LogPage> {
        Box::pin(self.pg.read(move |connection| {
            Box::pin(async move { tail::tail(connection, &query, tail::LOOKED_AT).await })
        }))
    }

    fn search(&self, asked: LogSearch) -> PortFuture<'_, LogFound> {
        Box::pin(self.pg.read(move |connection| {
            Box::pin(async move {
                let (found, _) = search::search(connection, &asked, Bounds::SEARCH).await?;
                Ok(found)
            })
        }))
    }
}

#[cfg(test)]
mod tests;
