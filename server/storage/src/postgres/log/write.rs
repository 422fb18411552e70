//! A batch into the log: one statement, whatever days its rows are of.
//!
//! Invariant: numbers are drawn under [`LOCK`], which the end of the transaction gives back: they commit in their order,
//! so that a reader who has seen one has seen all before it. A row that is there stays as it is.

use sqlx::postgres::PgConnection;

use super::columns::Columns;

/// A number of our own, beside those of `pool`, `migrate` and `partitions`.
const LOCK: i64 = 0x7472_6f75_7065_0003;

/// The lock is an init plan: it is taken before the first row is made.
const INSERT: &str = "
with turn as materialized (select pg_advisory_xact_lock($1) is null as free)
insert into request_logs
    (day, id, at_ms, session, key, duration_us, cost_micro_usd, status, stream, route, outcome,
     owner, key_group, account, tried, model, upstream_request_id, error, \"row\", seq)
select given.*, nextval('request_logs_seq')
from unnest(
    $2::integer[], $3::uuid[], $4::bigint[], $5::bigint[], $6::uuid[], $7::bigint[], $8::bigint[],
    $9::integer[], $10::boolean[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[],
    $16::text[], $17::text[], $18::text[], $19::text[], $20::bytea[]) as given
where (select free from turn) is not null
on conflict do nothing";

pub(super) async fn insert(
    connection: &mut PgConnection,
    columns: &Columns,
) -> Result<(), sqlx::Error> {
    sqlx::query(INSERT)
        .bind(LOCK)
        .bind(&columns.day)
        .bind(&columns.id)
        .bind(&columns.at_ms)
        .bind(&columns.session)
        .bind(&columns.key)
        .bind(&columns.duration_us)
        .bind(&columns.cost_micro_usd)
        .bind(&columns.status)
        .bind(&columns.stream)
        .bind(&columns.route)
        .bind(&columns.outcome)
        .bind(&columns.owner)
        .bind(&columns.group)
        .bind(&columns.account)
        .bind(&columns.tried)
        .bind(&columns.model)
        .bind(&columns.upstream_request_id)
        .bind(&columns.error)
        .bind(&columns.row)
        .execute(connection)
        .await?;
    Ok(())
}
