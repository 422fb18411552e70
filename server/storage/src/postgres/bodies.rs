//! Bodies on PostgreSQL: apart from their rows, a part a day.
//!
//! Invariant: bytes are kept as they come, packed by the gateway; the server packs nothing again.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use sqlx::Row as _;
use sqlx::types::Uuid;
use troupe_core::RequestId;
use troupe_core::bodies::StoredBodies;
use troupe_core::port::{BodyStore, PortFuture, StoreError};

use super::log::{days_of, in_parts, partless_or};
use super::partitions::{Parts, day_of};
use super::pool::{Pg, big};

const TABLE: &str = "request_bodies";
/// Bytes and bodies of one statement; a body that is larger goes alone.
const BATCH_BYTES: usize = 4 * 1024 * 1024;
const BATCH: usize = 1_024;
const INSERT: &str = "insert into request_bodies (day, id, at_ms, packed)
    select * from unnest($1::integer[], $2::uuid[], $3::bigint[], $4::bytea[])
    on conflict do nothing";

#[derive(Debug)]
pub(super) struct PgBodies {
    pg: Pg,
    parts: Parts,
}

impl PgBodies {
    pub fn new(pg: Pg) -> Self {
        Self {
            pg,
            parts: Parts::of(TABLE),
        }
    }

    async fn append_batch(&self, batch: Batch) -> Result<(), StoreError> {
        let batch = Arc::new(batch);
        in_parts(&self.parts, &self.pg, batch.day.clone(), || {
            let batch = Arc::clone(&batch);
            let partless = Arc::new(AtomicBool::new(false));
            let told = Arc::clone(&partless);
            let written = self.pg.write(move |connection| {
                Box::pin(async move {
                    let written = sqlx::query(INSERT)
                        .bind(&batch.day)
                        .bind(&batch.id)
                        .bind(&batch.at_ms)
                        .bind(&batch.packed)
                        .execute(connection)
                        .await;
                    written.map_err(|error| partless_or(error, &told))?;
                    Ok(())
                })
            });
            (written, partless)
        })
        .await
    }
}

/// One array for each column.
#[derive(Default)]
struct Batch {
    day: Vec<i32>,
    id: Vec<Uuid>,
    at_ms: Vec<i64>,
    packed: Vec<Vec<u8>>,
    bytes: usize,
}

fn batches(bodies: Vec<StoredBodies>) -> Vec<Batch> {
    let mut batches = Vec::new();
    let mut batch = Batch::default();
    for one in bodies {
        let is_full = batch.day.len() >= BATCH || batch.bytes + one.packed.len() > BATCH_BYTES;
        if is_full && !batch.day.is_empty() {
            batches.push(std::mem::take(&mut batch));
        }
        batch.bytes += one.packed.len();
        batch.day.push(day_of(one.at_ms));
        batch.id.push(one.id.0);
        batch.at_ms.push(big(one.at_ms));
        batch.packed.push(one.packed);
    }
    batches.push(batch);
    batches.retain(|batch| !batch.day.is_empty());
    batches
}

impl BodyStore for PgBodies {
    fn append(&self, bodies: Vec<StoredBodies>) -> PortFuture<'_, ()> {
        Box::pin(async move {
            for batch in batches(bodies) {
                self.append_batch(batch).await?;
            }
            Ok(())
        })
    }

    fn find(&self, id: RequestId) -> PortFuture<'_, Option<StoredBodies>> {
        Box::pin(self.pg.read(move |connection| {
            Box::pin(async move {
                let sql =
                    "select at_ms, packed from request_bodies where day = any($1) and id = $2";
                let found = sqlx::query(sql)
                    .bind(days_of(id))
                    .bind(id.0)
                    .persistent(false)
                    .fetch_optional(connection)
                    .await?;
                let Some(row) = found else {
                    return Ok(None);
                };
                let at_ms: i64 = row.try_get(0)?;
                Ok(Some(StoredBodies {
                    id,
                    at_ms: at_ms.unsigned_abs(),
                    packed: row.try_get(1)?,
                }))
            })
        }))
    }

    fn of_day(&self, at_ms: u64) -> PortFuture<'_, u64> {
        let day = day_of(at_ms);
        Box::pin(self.pg.read(move |connection| {
            Box::pin(async move {
                let sql = "select coalesce(sum(octet_length(packed)), 0)::bigint from request_bodies where day = $1";
                let bytes: i64 = sqlx::query_scalar(sql)
                    .bind(day)
                    .persistent(false)
                    .fetch_one(connection)
                    .await?;
                Ok(bytes.unsigned_abs())
            })
        }))
    }

    fn retain(&self, oldest_ms: u64) -> PortFuture<'_, usize> {
        Box::pin(self.parts.drop_before(&self.pg, day_of(oldest_ms)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_has_no_more_than_it_carries() {
        let of = |bytes: usize| StoredBodies {
            id: RequestId(Uuid::nil()),
            at_ms: 0,
            packed: vec![0; bytes],
        };
        let lens = |sizes: &[usize]| {
            let bodies = sizes.iter().map(|bytes| of(*bytes)).collect();
            let batches = batches(bodies);
            batches.iter().map(|b| b.day.len()).collect::<Vec<_>>()
        };
        assert_eq!(lens(&[]), [0_usize; 0]);
        assert_eq!(lens(&[0; 1_025]), [1_024, 1]);
        let most = BATCH_BYTES;
        assert_eq!(lens(&[most + 1, 1, most - 1, 1, most + 1]), [1, 2, 1, 1]);
    }
}
