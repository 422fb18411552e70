//! From rows to tables.
//!
//! Invariant: every statement writes a row at its one place, so that a batch may be written twice.

use sqlx::postgres::PgConnection;
use sqlx::types::Uuid;
use troupe_core::usage::UsageRow;

use super::super::fault::Fault;
use super::super::log::searchable;
use super::super::pool::big;
use super::super::{series, usage};
use crate::archive::port::{Begun, FILLING, Mark};
use crate::archive::row::{LAST_BATCH, LAST_EVENT, Row};
use crate::codec::encode;

/// A number of our own, beside those of the other modules.
const LOCK: i64 = 0x7472_6f75_7065_0006;

const HAS_ROWS: &str = "select exists (select from meta) or exists (select from accounts)
    or exists (select from account_states) or exists (select from account_tokens)
    or exists (select from api_keys) or exists (select from key_totals)
    or exists (select from sessions) or exists (select from quotas)
    or exists (select from resources) or exists (select from changes)
    or exists (select from change_last where seq > 0) or exists (select from usage_rows)
    or exists (select from usage_series) or exists (select from audit)
    or exists (select from audit_anchors) or exists (select from request_logs)
    or exists (select from request_bodies)";
const PUT_FACT: &str = "insert into meta (name, value) values ($1, $2)
    on conflict (name) do update set value = excluded.value";
const COUNT_DAYS: &str = "insert into usage_days (day, rows)
    select day, count(*) from usage_rows group by day
    on conflict (day) do update set rows = excluded.rows";

pub(super) async fn begin(connection: &mut PgConnection) -> Result<Begun, Fault> {
    sqlx::query("select pg_advisory_xact_lock($1)")
        .bind(LOCK)
        .execute(&mut *connection)
        .await?;
    let mark: Option<Vec<u8>> = sqlx::query_scalar("select value from meta where name = $1")
        .bind(FILLING)
        .fetch_optional(&mut *connection)
        .await?;
    if let Some(mark) = mark {
        return Ok(Begun::With(Mark::decode(&mark)?));
    }
    let has_rows: bool = sqlx::query_scalar(HAS_ROWS)
        .fetch_one(&mut *connection)
        .await?;
    if has_rows {
        return Ok(Begun::NotEmpty);
    }
    let mark = Mark::default();
    put_fact(connection, FILLING, &mark.encode()).await?;
    Ok(Begun::With(mark))
}

async fn put_fact(connection: &mut PgConnection, name: &str, value: &[u8]) -> Result<(), Fault> {
    sqlx::query(PUT_FACT)
        .bind(name)
        .bind(value)
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn put(
    connection: &mut PgConnection,
    node: &str,
    rows: Vec<Row>,
    mark: &Mark,
) -> Result<(), Fault> {
    let (mut used, mut points) = (Vec::<UsageRow>::new(), Vec::new());
    for row in rows {
        match row {
            Row::Usage(row) => used.push(row),
            Row::Series(row) => points.push(row),
            row => put_one(connection, node, &row).await?,
        }
    }
    if !used.is_empty() {
        usage::put(connection, used).await?;
    }
    if !points.is_empty() {
        series::put(connection, &points).await?;
    }
    put_fact(connection, FILLING, &mark.encode()).await
}

const PUT_STATE: &str = "insert into account_states (id, \"row\") values ($1, $2)
    on conflict (id) do update set \"row\" = excluded.\"row\"";
const PUT_TOTALS: &str = "insert into key_totals (id, \"row\") values ($1, $2)
    on conflict (id) do update set \"row\" = excluded.\"row\"";

async fn put_row(
    connection: &mut PgConnection,
    sql: &'static str,
    id: Uuid,
    row: Vec<u8>,
) -> Result<(), Fault> {
    sqlx::query(sql)
        .bind(id)
        .bind(row)
        .execute(connection)
        .await?;
    Ok(())
}

async fn put_one(connection: &mut PgConnection, node: &str, row: &Row) -> Result<(), Fault> {
    let statement = match row {
        Row::Fact(fact) => return put_fact(connection, &fact.name, &fact.value).await,
        Row::State(row) => return put_row(connection, PUT_STATE, row.id.0, encode(row)?).await,
        Row::Totals(row) => {
            return put_row(connection, PUT_TOTALS, row.key.0, encode(&row.totals)?).await;
        }
        Row::Counter(counter) if counter.name == LAST_EVENT => {
            sqlx::query("update change_last set seq = $1").bind(counter.value.cast_signed())
        }
        Row::Counter(counter) if counter.name == LAST_BATCH => sqlx::query(
            "insert into usage_batches (node, number) values ($1, $2)
             on conflict (node) do update set number = excluded.number",
        )
        .bind(node)
        .bind(counter.value.cast_signed()),
        Row::Account(row) => sqlx::query(
            "insert into accounts (id, name, version, \"row\") values ($1, $2, $3, $4)
             on conflict (id) do update set \"row\" = excluded.\"row\"",
        )
        .bind(row.id.0)
        .bind(&row.name)
        .bind(big(row.version))
        .bind(encode(row)?),
        Row::Token(row) => sqlx::query(
            "insert into account_tokens (id, version, \"row\") values ($1, $2, $3)
             on conflict (id) do update set \"row\" = excluded.\"row\"",
        )
        .bind(row.account.0)
        .bind(big(row.version))
        .bind(encode(row)?),
        Row::Key(row) => {
            put_key(connection, row).await?;
            let hashes: Vec<_> = row.hashes().map(|hash| hash.0.to_vec()).collect();
            sqlx::query(
                "insert into api_key_hashes (hash, id) select hash, $2 from unnest($1::bytea[])
                 as given (hash) on conflict (hash) do update set id = excluded.id",
            )
            .bind(hashes)
            .bind(row.id.0)
        }
        Row::Session(row) => sqlx::query(
            "insert into sessions (key_id, session, until_ms, \"row\") values ($1, $2, $3, $4)
             on conflict (key_id, session) do update set \"row\" = excluded.\"row\"",
        )
        .bind(row.session.key.0)
        .bind(row.session.session.cast_signed())
        .bind(big(row.until_ms))
        .bind(encode(row)?),
        Row::Quota(row) => sqlx::query(
            "insert into quotas (limit_id, start_ms, end_ms, \"row\") values ($1, $2, $3, $4)
             on conflict (limit_id, start_ms) do update set \"row\" = excluded.\"row\"",
        )
        .bind(row.limit.0)
        .bind(big(row.start_ms))
        .bind(big(row.end_ms))
        .bind(encode(row)?),
        Row::Resource(row) => sqlx::query(
            "insert into resources (resource, \"row\") values ($1, $2)
             on conflict (resource) do update set \"row\" = excluded.\"row\"",
        )
        .bind(&row.resource)
        .bind(encode(row)?),
        Row::Event(row) => sqlx::query(
            "insert into changes (seq, node, \"row\") values ($1, $2, $3)
             on conflict (seq) do update set \"row\" = excluded.\"row\"",
        )
        .bind(big(row.seq))
        .bind(node)
        .bind(encode(&row.event)?),
        Row::Anchor(row) => sqlx::query(
            "insert into audit_anchors (node, seq, hash) values ($1, $2, $3)
             on conflict (node) do update set seq = excluded.seq, hash = excluded.hash",
        )
        .bind(searchable(&row.node))
        .bind(big(row.seq))
        .bind(searchable(&row.hash)),
        _ => return Ok(()),
    };
    statement.execute(connection).await?;
    Ok(())
}

async fn put_key(
    connection: &mut PgConnection,
    row: &troupe_core::key::KeyRecord,
) -> Result<(), Fault> {
    sqlx::query(
        "insert into api_keys (id, name, revoked, version, \"row\") values ($1, $2, $3, $4, $5)
         on conflict (id) do update set \"row\" = excluded.\"row\"",
    )
    .bind(row.id.0)
    .bind(&row.name)
    .bind(row.revoked_ms.is_some())
    .bind(big(row.version))
    .bind(encode(row)?)
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn finish(connection: &mut PgConnection) -> Result<(), Fault> {
    sqlx::query(COUNT_DAYS).execute(&mut *connection).await?;
    sqlx::query("delete from meta where name = $1")
        .bind(FILLING)
        .execute(connection)
        .await?;
    Ok(())
}
