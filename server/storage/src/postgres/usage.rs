//! Usage on PostgreSQL: a row for each key of a day, with the columns that reports are asked for by.
//!
//! Index. `add`: a batch. `report`: sums of days. `place`: keys and rows as columns.
//!
//! Invariant: a batch, its series, the days' counts and the batch's number are written in one transaction, one batch at a
//! time over all nodes; sums are merged here, as on every backend.

mod add;
mod place;
mod report;

use std::sync::Arc;

use sqlx::postgres::PgConnection;
use troupe_core::port::{PortFuture, StoreError, UsageStore};
use troupe_core::usage::{Grain, SeriesQuery, SeriesRow, UsageBatch, UsageQuery, UsageRow};

use super::pool::Pg;
use super::series;

pub(super) use self::add::put;

const ROW: &str = "usage row";
/// A number of our own, beside those of `pool`, `migrate`, `partitions` and `log`.
const LOCK: i64 = 0x7472_6f75_7065_0004;

#[derive(Debug)]
pub(super) struct PgUsage {
    pg: Pg,
    /// Whose batches these are.
    node: Arc<str>,
}

impl PgUsage {
    pub fn new(pg: Pg, node: Arc<str>) -> Self {
        Self { pg, node }
    }

    async fn drop_days(&self, before_day: u32) -> Result<usize, StoreError> {
        let mut gone = 0;
        loop {
            let dropped = self.pg.write(move |connection| {
                Box::pin(async move {
                    lock(connection).await?;
                    Ok(drop_oldest(connection, before_day).await?)
                })
            });
            match dropped.await? {
                Some(rows) => gone += rows,
                None => return Ok(gone),
            }
        }
    }
}

/// Until the end of the transaction.
async fn lock(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("select pg_advisory_xact_lock($1)")
        .bind(LOCK)
        .execute(connection)
        .await?;
    Ok(())
}

/// How many rows went with the oldest day, if there is one so old.
async fn drop_oldest(
    connection: &mut PgConnection,
    before_day: u32,
) -> Result<Option<usize>, sqlx::Error> {
    let day: Option<i64> = sqlx::query_scalar(
        "delete from usage_days where day = (select min(day) from usage_days where day < $1)
         returning day",
    )
    .bind(i64::from(before_day))
    .fetch_optional(&mut *connection)
    .await?;
    let Some(day) = day else {
        return Ok(None);
    };
    let dropped = sqlx::query("delete from usage_rows where day = $1")
        .bind(day)
        .execute(connection)
        .await?;
    Ok(Some(
        usize::try_from(dropped.rows_affected()).unwrap_or(usize::MAX),
    ))
}

impl UsageStore for PgUsage {
    fn add(&self, batch: UsageBatch) -> PortFuture<'_, ()> {
        let node = Arc::clone(&self.node);
        Box::pin(self.pg.write(move |connection| {
            Box::pin(async move { add::add(connection, &node, &batch).await })
        }))
    }

    fn query(&self, query: UsageQuery) -> PortFuture<'_, Vec<UsageRow>> {
        Box::pin(self.pg.snapshot(move |connection| {
            Box::pin(async move { report::report(connection, &query).await })
        }))
    }

    fn prune(&self, before_day: u32) -> PortFuture<'_, usize> {
        Box::pin(self.drop_days(before_day))
    }

    fn days(&self) -> PortFuture<'_, Vec<u32>> {
        Box::pin(
            self.pg
                .read(move |connection| Box::pin(report::days(connection))),
        )
    }

    fn series(&self, query: SeriesQuery) -> PortFuture<'_, Vec<SeriesRow>> {
        Box::pin(self.pg.read(move |connection| {
            Box::pin(async move { series::find(connection, &query).await })
        }))
    }

    fn prune_series(&self, grain: Grain, before: u32) -> PortFuture<'_, usize> {
        Box::pin(series::prune(&self.pg, grain, before))
    }
}
