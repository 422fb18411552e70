//! What limits have charged. Invariant: memory and what waits agree; `fold` never lowers a count.

use std::collections::BTreeMap;

use sqlx::Row;
use sqlx::postgres::PgConnection;
use troupe_core::LimitId;
use troupe_core::port::{PortFuture, QuotaRow, QuotaStore, StoreError};

use super::Soft;
use super::waiting::Item;
use crate::codec::{decode, encode};
use crate::postgres::fault::Fault;
use crate::postgres::pool::{Pg, big};
use crate::rules::window_ended;

pub(super) const ROW: &str = "quota row";
/// Rows that one `prune` drops at most.
const PRUNED: i64 = 10_000;
/// Rows of one statement.
const PUT: usize = 2_000;

/// By limit and start of the window.
pub(super) fn place(row: QuotaRow) -> ((LimitId, u64), QuotaRow) {
    ((row.limit, row.start_ms), row)
}

impl QuotaStore for Soft {
    fn load(&self, limits: Vec<LimitId>, now_ms: u64) -> PortFuture<'_, Vec<QuotaRow>> {
        Box::pin(async move {
            let state = self.state();
            let windows = |limit| state.quotas.range((limit, 0)..=(limit, u64::MAX));
            let rows = limits.into_iter().flat_map(windows).map(|(_, row)| *row);
            Ok(rows.filter(|row| !window_ended(row, now_ms)).collect())
        })
    }

    fn save(&self, rows: Vec<QuotaRow>) -> PortFuture<'_, ()> {
        Box::pin(async move {
            let cells = &self.0.cells;
            self.save(|state| {
                state.waiting.room(rows.len())?;
                for row in rows {
                    let counter = cells.open(row.limit, row.start_ms, row.end_ms, row.charged);
                    state.waiting.put(Item::Quota(row, counter))?;
                    state.quotas.extend([place(row)]);
                }
                Ok(())
            })
            .await
        })
    }

    fn prune(&self, now_ms: u64) -> PortFuture<'_, usize> {
        Box::pin(async move {
            {
                let mut state = self.state();
                let ended = state.quotas.iter();
                let ended = ended.filter(|(_, row)| window_ended(row, now_ms));
                let ended: Vec<_> = ended.map(|(place, _)| *place).collect();
                for place in ended {
                    state.quotas.remove(&place);
                    state.waiting.forget_quota(place);
                }
            }
            let _alone = self.alone().await;
            self.pg()
                .write(move |connection| {
                    Box::pin(async move {
                        let done = sqlx::query(
                            "delete from quotas where (limit_id, start_ms) in \
                             (select limit_id, start_ms from quotas where end_ms <= $1 limit $2)",
                        )
                        .bind(big(now_ms))
                        .bind(PRUNED)
                        .execute(connection)
                        .await?;
                        Ok(usize::try_from(done.rows_affected()).unwrap_or(usize::MAX))
                    })
                })
                .await
        })
    }
}

pub(super) async fn put(
    connection: &mut PgConnection,
    rows: impl Iterator<Item = &QuotaRow> + Clone,
) -> Result<(), Fault> {
    let limits: Vec<_> = rows.clone().map(|row| row.limit.0).collect();
    let starts: Vec<_> = rows.clone().map(|row| big(row.start_ms)).collect();
    let ends: Vec<_> = rows.clone().map(|row| big(row.end_ms)).collect();
    sqlx::query(
        "insert into quotas (limit_id, start_ms, end_ms, \"row\") \
         select * from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bytea[]) \
         on conflict (limit_id, start_ms) do update set end_ms = excluded.end_ms, \
         \"row\" = excluded.\"row\"",
    )
    .bind(limits)
    .bind(starts)
    .bind(ends)
    .bind(rows.map(encode).collect::<Result<Vec<_>, _>>()?)
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes over what the last process left in its counters, there on return. The larger count stays, so that doing it
/// twice is doing it once.
pub(crate) async fn fold(pg: &Pg, left: &[QuotaRow]) -> Result<(), StoreError> {
    let mut larger: BTreeMap<(LimitId, u64), QuotaRow> = BTreeMap::new();
    for row in left {
        let kept = larger.entry((row.limit, row.start_ms)).or_insert(*row);
        kept.charged = kept.charged.max(row.charged);
    }
    let larger: Vec<QuotaRow> = larger.into_values().collect();
    for rows in larger.chunks(PUT) {
        let rows = rows.to_vec();
        pg.write(|connection| Box::pin(fold_some(connection, rows)))
            .await?;
    }
    Ok(())
}

async fn fold_some(connection: &mut PgConnection, rows: Vec<QuotaRow>) -> Result<(), Fault> {
    let limits: Vec<_> = rows.iter().map(|row| row.limit.0).collect();
    let stored = sqlx::query("select \"row\" from quotas where limit_id = any($1) for update")
        .bind(limits)
        .fetch_all(&mut *connection)
        .await?;
    let mut charged = BTreeMap::new();
    for row in stored {
        let row: QuotaRow = decode(ROW, row.try_get(0)?)?;
        charged.insert((row.limit, row.start_ms), row.charged);
    }
    let stands = |row: &&QuotaRow| {
        let stands = charged.get(&(row.limit, row.start_ms));
        stands.is_none_or(|stands| *stands < row.charged)
    };
    let new: Vec<_> = rows.iter().filter(stands).collect();
    if new.is_empty() {
        return Ok(());
    }
    put(connection, new.into_iter()).await
}
