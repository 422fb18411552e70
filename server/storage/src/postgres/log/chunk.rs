//! A bounded look at a part of the log.
//!
//! Invariant: a statement looks at no more rows than it is told, whatever the filter; it tells how far it came.

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::types::Uuid;
use sqlx::{Postgres, QueryBuilder, Row as _};
use troupe_core::log::LogFilter;

use super::filter;
use super::lanes::{Place, Reach, Way};
use crate::postgres::partitions::or_gone;

/// How deep a way is looked into when several lead to the same rows.
const PROBED: i32 = 500;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    /// Rows whose columns match, the newest first; a row may stand there twice.
    pub hits: Vec<(Place, Vec<u8>)>,
    /// Rows that were looked at.
    pub looked_at: u64,
    /// The last of them.
    pub last: Option<Place>,
}

/// How much to look at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    /// Rows to look at.
    pub rows: u32,
    /// Of them, hits to return; who gets as many knows nothing of those behind the last of them.
    pub hits: u32,
}

pub(super) async fn read(
    connection: &mut PgConnection,
    part: &str,
    (way, filter): (&Way, &LogFilter),
    reach: Reach,
    size: Size,
) -> Result<Chunk, sqlx::Error> {
    let mut sql = QueryBuilder::new(
        "with seen as materialized (select at_ms, id, hit, case when hit then \"row\" end as found from (",
    );
    for (nth, lane) in way.iter().enumerate() {
        sql.push(if nth == 0 { "(" } else { " union all (" });
        sql.push("select at_ms, id, \"row\", ");
        filter::push(&mut sql, filter);
        sql.push(" as hit");
        lane.push(&mut sql, part, reach);
        sql.push(" limit ")
            .push_bind(i64::from(size.rows))
            .push(")");
    }
    sql.push(") as lanes order by at_ms desc, id desc limit ");
    sql.push_bind(i64::from(size.rows));
    sql.push(
        ") select looked.*, hits.* from (select count(*) as looked_at,
            (select at_ms from seen order by at_ms, id limit 1) as last_ms,
            (select id from seen order by at_ms, id limit 1) as last_id from seen) as looked
        left join (select at_ms, id, found from seen where hit order by at_ms desc, id desc limit ",
    );
    sql.push_bind(i64::from(size.hits))
        .push(") as hits on true order by hits.at_ms desc, hits.id desc");
    let rows = sql.build().persistent(false).fetch_all(connection).await;
    or_gone(rows)?
        .iter()
        .try_fold(Chunk::default(), |mut chunk, row| {
            take(&mut chunk, row)?;
            Ok(chunk)
        })
}

fn take(chunk: &mut Chunk, row: &PgRow) -> Result<(), sqlx::Error> {
    let looked_at: i64 = row.try_get(0)?;
    chunk.looked_at = looked_at.unsigned_abs();
    chunk.last = place(row, 1)?;
    if let Some(place) = place(row, 3)? {
        chunk.hits.push((place, row.try_get(5)?));
    }
    Ok(())
}

fn place(row: &PgRow, at: usize) -> Result<Option<Place>, sqlx::Error> {
    let at_ms: Option<i64> = row.try_get(at)?;
    let id: Option<Uuid> = row.try_get(at + 1)?;
    Ok(at_ms.zip(id).map(|(at_ms, id)| Place { at_ms, id }))
}

/// Of ways to the same rows, the one that gets furthest back in as many steps: that of the rarest value, here and now.
pub(super) async fn shortest<'w>(
    connection: &mut PgConnection,
    part: &str,
    ways: &'w [Way],
    reach: Reach,
) -> Result<Option<&'w Way>, sqlx::Error> {
    if ways.len() < 2 {
        return Ok(ways.first());
    }
    let mut sql = QueryBuilder::<Postgres>::new("select ");
    for (nth, lane) in ways.iter().flatten().enumerate() {
        sql.push(if nth == 0 { "(" } else { ", (" });
        sql.push("select at_ms");
        lane.push(&mut sql, part, reach);
        sql.push(format_args!(" offset {PROBED} limit 1)"));
    }
    let found = sql.build().persistent(false).fetch_optional(connection);
    let Some(row) = or_gone(found.await)? else {
        return Ok(ways.first());
    };
    let mut best = None;
    let mut at = 0;
    for way in ways {
        // How far its densest lane gets; one that ends before gets everywhere.
        let mut reached = i64::MIN;
        for _ in way {
            let lane: Option<i64> = row.try_get(at)?;
            reached = reached.max(lane.unwrap_or(i64::MIN));
            at += 1;
        }
        if best.is_none_or(|(least, _)| reached < least) {
            best = Some((reached, way));
        }
    }
    Ok(best.map(|(_, way)| way))
}
