//! The mirror of the audit trail on PostgreSQL.
//!
//! Invariant: what may be appended is decided by the rules of every backend, under a lock and in one transaction; anchors
//! stand apart from lines and stay when lines go.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sqlx::postgres::PgConnection;
use sqlx::{Postgres, QueryBuilder, Row as _};
use troupe_core::audit::{AuditAnchor, AuditFilter, AuditRow, AuditSearch};
use troupe_core::port::{AuditStore, PortFuture, StoreError};

use super::fault::Fault;
use super::log::searchable;
use super::pool::{Pg, big};
use crate::codec::{decode, encode};
use crate::rules::append_audit;

const ROW: &str = "audit line";
/// A number of our own, beside those of `pool`, `migrate`, `partitions`, `log` and `usage`.
const LOCK: i64 = 0x7472_6f75_7065_0005;
/// Lines that are read, and dropped, at once.
const AT_ONCE: usize = 10_000;

#[derive(Debug)]
pub(super) struct PgAudit {
    pg: Pg,
}

impl PgAudit {
    pub fn new(pg: Pg) -> Self {
        Self { pg }
    }

    async fn drop_before(&self, oldest_ms: u64) -> Result<usize, StoreError> {
        let mut gone = 0;
        loop {
            let dropped = self.pg.write(move |connection| {
                Box::pin(async move {
                    let dropped = sqlx::query(
                        "delete from audit where (node, seq) in (
                             select node, seq from audit where at_ms < $1 order by at_ms limit $2)",
                    )
                    .bind(big(oldest_ms))
                    .bind(big(AT_ONCE as u64))
                    .execute(connection)
                    .await?;
                    Ok(dropped.rows_affected())
                })
            });
            match usize::try_from(dropped.await?).unwrap_or(usize::MAX) {
                0 => return Ok(gone),
                lines => gone += lines,
            }
        }
    }
}

impl AuditStore for PgAudit {
    fn append(&self, rows: Vec<AuditRow>) -> PortFuture<'_, ()> {
        Box::pin(async move {
            if rows.is_empty() {
                return Ok(());
            }
            let written = self
                .pg
                .write(move |connection| Box::pin(async move { append(connection, &rows).await }));
            written.await
        })
    }

    fn anchor(&self, node: Arc<str>) -> PortFuture<'_, Option<AuditAnchor>> {
        Box::pin(self.pg.read(move |connection| {
            Box::pin(async move {
                let found = anchors(connection, vec![searchable(&node)]).await?;
                Ok(found.into_values().next().map(|(seq, hash)| AuditAnchor {
                    node,
                    seq,
                    hash: hash.into(),
                }))
            })
        }))
    }

    fn search(&self, asked: AuditSearch) -> PortFuture<'_, Vec<AuditRow>> {
        Box::pin(
            self.pg
                .read(move |connection| Box::pin(async move { search(connection, asked).await })),
        )
    }

    fn retain(&self, oldest_ms: u64) -> PortFuture<'_, usize> {
        Box::pin(self.drop_before(oldest_ms))
    }
}

/// Number and hash of the last line of each node.
type Anchors = BTreeMap<String, (u64, String)>;

async fn anchors(
    connection: &mut PgConnection,
    nodes: Vec<String>,
) -> Result<Anchors, sqlx::Error> {
    let found = sqlx::query("select node, seq, hash from audit_anchors where node = any($1)")
        .bind(nodes)
        .fetch_all(connection)
        .await?;
    found
        .iter()
        .map(|row| {
            let seq: i64 = row.try_get(1)?;
            Ok((row.try_get(0)?, (seq.unsigned_abs(), row.try_get(2)?)))
        })
        .collect()
}

async fn append(connection: &mut PgConnection, rows: &[AuditRow]) -> Result<(), Fault> {
    sqlx::query("select pg_advisory_xact_lock($1)")
        .bind(LOCK)
        .execute(&mut *connection)
        .await?;
    let nodes: BTreeSet<String> = rows.iter().map(|row| searchable(&row.node)).collect();
    let mut anchors = anchors(connection, nodes.into_iter().collect()).await?;
    let mut hashes = hashes(connection, rows).await?;
    let mut new = Vec::new();
    for row in rows {
        let place = (searchable(&row.node), row.seq);
        let last = anchors.get(&place.0).map(|(seq, _)| *seq);
        let stands = hashes.get(&place).map(String::as_str);
        if append_audit(row.seq, &row.hash, last, stands)? {
            let hash = searchable(&row.hash);
            anchors.insert(place.0.clone(), (row.seq, hash.clone()));
            hashes.insert(place, hash);
            new.push(row);
        }
    }
    insert(connection, &new).await?;
    let mut columns: (Vec<String>, Vec<i64>, Vec<String>) = Default::default();
    for (node, (seq, hash)) in anchors {
        columns.0.push(node);
        columns.1.push(big(seq));
        columns.2.push(hash);
    }
    sqlx::query(
        "insert into audit_anchors (node, seq, hash)
         select * from unnest($1::text[], $2::bigint[], $3::text[])
         on conflict (node) do update set seq = excluded.seq, hash = excluded.hash",
    )
    .bind(columns.0)
    .bind(columns.1)
    .bind(columns.2)
    .execute(connection)
    .await?;
    Ok(())
}

/// Of the lines that are there already.
async fn hashes(
    connection: &mut PgConnection,
    rows: &[AuditRow],
) -> Result<BTreeMap<(String, u64), String>, sqlx::Error> {
    let nodes: Vec<_> = rows.iter().map(|row| searchable(&row.node)).collect();
    let seqs: Vec<_> = rows.iter().map(|row| big(row.seq)).collect();
    let found = sqlx::query(
        "select node, seq, hash from audit
         join unnest($1::text[], $2::bigint[]) as given (node, seq) using (node, seq)",
    )
    .bind(nodes)
    .bind(seqs)
    .fetch_all(connection)
    .await?;
    found
        .iter()
        .map(|row| {
            let seq: i64 = row.try_get(1)?;
            Ok(((row.try_get(0)?, seq.unsigned_abs()), row.try_get(2)?))
        })
        .collect()
}

async fn insert(connection: &mut PgConnection, rows: &[&AuditRow]) -> Result<(), Fault> {
    let texts = |of: fn(&AuditRow) -> &str| -> Vec<String> {
        rows.iter().map(|row| searchable(of(row))).collect()
    };
    let numbers =
        |of: fn(&AuditRow) -> u64| -> Vec<i64> { rows.iter().map(|row| big(of(row))).collect() };
    let packed = rows.iter().map(|row| encode(*row));
    sqlx::query(
        "insert into audit (node, seq, at_ms, hash, actor, action, resource, status, \"row\")
         select * from unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::text[],
             $6::text[], $7::text[], $8::text[], $9::bytea[])",
    )
    .bind(texts(|row| &row.node))
    .bind(numbers(|row| row.seq))
    .bind(numbers(|row| row.at_ms))
    .bind(texts(|row| &row.hash))
    .bind(texts(|row| &row.actor))
    .bind(texts(|row| &row.action))
    .bind(texts(|row| &row.resource))
    .bind(texts(|row| row.status.as_str()))
    .bind(packed.collect::<Result<Vec<_>, _>>()?)
    .execute(connection)
    .await?;
    Ok(())
}

async fn search(
    connection: &mut PgConnection,
    mut asked: AuditSearch,
) -> Result<Vec<AuditRow>, Fault> {
    let mut found: Vec<AuditRow> = Vec::new();
    while found.len() < asked.limit {
        let most = (asked.limit - found.len()).min(AT_ONCE);
        let mut sql = QueryBuilder::new("select \"row\" from audit where true");
        push(&mut sql, &asked);
        sql.push(" order by at_ms desc, node desc, seq desc limit ");
        sql.push_bind(big(most as u64));
        let rows = sql.build().persistent(false).fetch_all(&mut *connection);
        let rows = rows.await?;
        for row in &rows {
            let line: AuditRow = decode(ROW, row.try_get(0)?)?;
            asked.before = Some((line.at_ms, Arc::clone(&line.node), line.seq));
            if asked.filter.matches(&line) {
                found.push(line);
            }
        }
        if rows.len() < most {
            break;
        }
    }
    Ok(found)
}

fn push(sql: &mut QueryBuilder<Postgres>, asked: &AuditSearch) {
    let AuditFilter {
        actor,
        action,
        resource,
        status,
        from_ms,
        to_ms,
    } = &asked.filter;
    if let Some((at_ms, node, seq)) = &asked.before {
        sql.push(" and (at_ms, node, seq) < (")
            .push_bind(big(*at_ms));
        sql.push(", ").push_bind(searchable(node));
        sql.push(", ").push_bind(big(*seq)).push(")");
    }
    if let Some(actor) = actor {
        sql.push(" and actor = ").push_bind(searchable(actor));
    }
    for (column, wanted, end) in [("action", action, '.'), ("resource", resource, ':')] {
        if let Some(wanted) = wanted {
            let kind = searchable(&format!("{wanted}{end}"));
            sql.push(format_args!(" and ({column} = "))
                .push_bind(searchable(wanted));
            sql.push(format_args!(" or starts_with({column}, "))
                .push_bind(kind);
            sql.push("))");
        }
    }
    if let Some(status) = status {
        sql.push(" and status = ").push_bind(status.as_str());
    }
    if let Some(from_ms) = from_ms {
        sql.push(" and at_ms >= ").push_bind(big(*from_ms));
    }
    if let Some(to_ms) = to_ms {
        sql.push(" and at_ms < ").push_bind(big(*to_ms));
    }
}
