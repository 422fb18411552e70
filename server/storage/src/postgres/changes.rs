//! The outbox, and how a change gets its number.
//!
//! Invariant: who writes an event holds `CHANGES_LOCK` to the end of the transaction and took it first of all locks, so
//! that numbers commit in their order and nobody waits for each other in a circle.

use sqlx::Row;
use sqlx::postgres::PgConnection;
use troupe_core::event::DomainEvent;
use troupe_core::port::{EventStore, PortFuture, StoreError};

use super::fault::Fault;
use super::pool::{CHANGES_LOCK, big};
use super::soft::Soft;
use crate::codec::{decode, encode};
use crate::rules::EVENTS_KEPT;

/// The beginning of every transaction that will push events.
pub(super) async fn begin_change(connection: &mut PgConnection) -> Result<(), Fault> {
    sqlx::query("select pg_advisory_xact_lock($1)")
        .bind(CHANGES_LOCK)
        .execute(connection)
        .await?;
    Ok(())
}

/// Appends events and drops as many of the oldest. After [`begin_change`].
pub(super) async fn push_events(
    connection: &mut PgConnection,
    node: &str,
    events: &[DomainEvent],
) -> Result<(), Fault> {
    if events.is_empty() {
        return Ok(());
    }
    let rows = events.iter().map(encode).collect::<Result<Vec<_>, _>>()?;
    let count = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    let last: i64 = sqlx::query("update change_last set seq = seq + $1 returning seq")
        .bind(count)
        .fetch_one(&mut *connection)
        .await?
        .try_get(0)?;
    sqlx::query(
        "insert into changes (seq, node, \"row\") \
         select $1 + place, $2, event from unnest($3::bytea[]) with ordinality as new (event, place)",
    )
    .bind(last - count)
    .bind(node)
    .bind(rows)
    .execute(&mut *connection)
    .await?;
    sqlx::query("delete from changes where seq <= $1")
        .bind(last - big(EVENTS_KEPT))
        .execute(connection)
        .await?;
    Ok(())
}

/// Those of this node: each node tells its own changes to its own audit trail.
impl EventStore for Soft {
    fn after(&self, after: u64, limit: usize) -> PortFuture<'_, Vec<(u64, DomainEvent)>> {
        let node = self.node();
        Box::pin(self.pg().read(move |connection| {
            Box::pin(async move {
                let rows = sqlx::query(
                    "select seq, \"row\" from changes where seq > $1 and node = $3 \
                     order by seq limit $2",
                )
                .bind(big(after))
                .bind(i64::try_from(limit).unwrap_or(i64::MAX))
                .bind(&*node)
                .fetch_all(connection)
                .await?;
                let mut found = Vec::with_capacity(rows.len());
                for row in rows {
                    let seq = u64::try_from(row.try_get::<i64, _>(0)?)
                        .map_err(|_| StoreError::Corrupt("a sequence number is negative".into()))?;
                    found.push((seq, decode("event", row.try_get(1)?)?));
                }
                Ok(found)
            })
        }))
    }
}
