//! Writes what waits.
//!
//! Invariant: one flush at a time, each one transaction; savers that come while one runs share the next.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use sqlx::postgres::PgConnection;
use troupe_core::port::StoreError;

use super::Soft;
use super::waiting::Flush;
use crate::codec::encode;
use crate::postgres::changes::{begin_change, push_events};
use crate::postgres::fault::Fault;
use crate::postgres::pool::big;

impl Soft {
    /// Until nothing waits.
    pub(super) async fn flush(&self) -> Result<(), StoreError> {
        self.flush_to(u64::MAX).await
    }

    /// Until nothing waits of the saves up to `number`.
    ///
    /// # Errors
    /// Those of the write; what was not written waits on, and the server counts as away.
    pub(super) async fn flush_to(&self, number: u64) -> Result<(), StoreError> {
        let _turn = self.alone().await;
        loop {
            let flush = {
                let state = self.state();
                if state.waiting.is_written(number) {
                    return Ok(());
                }
                Arc::new(state.waiting.next_flush())
            };
            if flush.is_empty() {
                return Ok(());
            }
            let written = self.write(Arc::clone(&flush)).await;
            self.0.away.store(written.is_err(), Ordering::Relaxed);
            written?;
            let mut state = self.state();
            state.waiting.written(&flush);
            self.0.pg.health().set_dirty(state.waiting.len());
        }
    }

    async fn write(&self, flush: Arc<Flush>) -> Result<(), StoreError> {
        let node = self.node();
        self.0
            .pg
            .write(move |connection| {
                Box::pin(async move {
                    if !flush.events.is_empty() {
                        begin_change(connection).await?;
                    }
                    quotas(connection, &flush).await?;
                    totals(connection, &flush).await?;
                    sessions(connection, &flush).await?;
                    states(connection, &flush).await?;
                    push_events(connection, &node, &flush.events).await
                })
            })
            .await
    }
}

async fn quotas(connection: &mut PgConnection, flush: &Flush) -> Result<(), Fault> {
    if flush.quotas.is_empty() {
        return Ok(());
    }
    crate::postgres::soft::quotas::put(connection, flush.quotas.iter().map(|(_, row)| row)).await
}

async fn totals(connection: &mut PgConnection, flush: &Flush) -> Result<(), Fault> {
    if flush.totals.is_empty() {
        return Ok(());
    }
    let ids: Vec<_> = flush.totals.iter().map(|(_, id, _)| id.0).collect();
    let rows = flush.totals.iter().map(|(_, _, row)| encode(row));
    sqlx::query(
        "insert into key_totals (id, \"row\") select * from unnest($1::uuid[], $2::bytea[]) \
         on conflict (id) do update set \"row\" = excluded.\"row\"",
    )
    .bind(ids)
    .bind(rows.collect::<Result<Vec<_>, _>>()?)
    .execute(connection)
    .await?;
    Ok(())
}

async fn sessions(connection: &mut PgConnection, flush: &Flush) -> Result<(), Fault> {
    if flush.sessions.is_empty() {
        return Ok(());
    }
    let all = flush.sessions.iter().map(|(_, row)| row);
    let keys: Vec<_> = all.clone().map(|row| row.session.key.0).collect();
    let numbers: Vec<_> = all
        .clone()
        .map(|row| row.session.session.cast_signed())
        .collect();
    let untils: Vec<_> = all.clone().map(|row| big(row.until_ms)).collect();
    sqlx::query(
        "insert into sessions (key_id, session, until_ms, \"row\") \
         select * from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bytea[]) \
         on conflict (key_id, session) do update set until_ms = excluded.until_ms, \
         \"row\" = excluded.\"row\"",
    )
    .bind(keys)
    .bind(numbers)
    .bind(untils)
    .bind(all.map(encode).collect::<Result<Vec<_>, _>>()?)
    .execute(connection)
    .await?;
    Ok(())
}

async fn states(connection: &mut PgConnection, flush: &Flush) -> Result<(), Fault> {
    if flush.states.is_empty() {
        return Ok(());
    }
    let ids: Vec<_> = flush.states.iter().map(|(_, row)| row.id.0).collect();
    let rows = flush.states.iter().map(|(_, row)| encode(row));
    sqlx::query(
        "insert into account_states (id, \"row\") select * from unnest($1::uuid[], $2::bytea[]) \
         on conflict (id) do update set \"row\" = excluded.\"row\"",
    )
    .bind(ids)
    .bind(rows.collect::<Result<Vec<_>, _>>()?)
    .execute(connection)
    .await?;
    Ok(())
}
