//! Keys. Invariant: the tables' own indexes hold the names of live rows and every hash of all rows; changes stand in
//! line, so what [`rules::put_key`] was told is so until the commit.

use sqlx::Row;
use sqlx::postgres::PgConnection;
use troupe_core::KeyId;
use troupe_core::event::DomainEvent;
use troupe_core::key::{KeyRecord, KeyTotals};
use troupe_core::port::{Expect, KeyStore, PortFuture};

use super::changes::{begin_change, push_events};
use super::fault::Fault;
use super::pool::big;
use super::rows::rows;
use super::soft::Soft;
use crate::codec::{decode, encode};
use crate::rules::{self, KeyWrite};

const ROW: &str = "key row";

impl KeyStore for Soft {
    fn list(&self) -> PortFuture<'_, Vec<KeyRecord>> {
        Box::pin(async {
            let mut found: Vec<KeyRecord> = self
                .pg()
                .read(|connection| rows(connection, "select \"row\" from api_keys", ROW))
                .await?;
            found.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(found)
        })
    }

    fn put(
        &self,
        record: KeyRecord,
        expect: Expect,
        event: DomainEvent,
    ) -> PortFuture<'_, KeyRecord> {
        let node = self.node();
        Box::pin(self.pg().write(move |connection| {
            Box::pin(async move {
                begin_change(connection).await?;
                let write = decide(connection, record, expect).await?;
                apply(connection, &write).await?;
                push_events(connection, &node, &[event]).await?;
                Ok(write.record)
            })
        }))
    }

    fn totals(&self, id: KeyId) -> PortFuture<'_, KeyTotals> {
        Box::pin(async move { Ok(self.key_totals(id)) })
    }

    fn save_totals(&self, id: KeyId, totals: KeyTotals) -> PortFuture<'_, ()> {
        Box::pin(self.save_key_totals(id, totals))
    }
}

async fn decide(
    connection: &mut PgConnection,
    record: KeyRecord,
    expect: Expect,
) -> Result<KeyWrite, Fault> {
    let old = sqlx::query("select \"row\" from api_keys where id = $1 for update")
        .bind(record.id.0)
        .fetch_optional(&mut *connection)
        .await?;
    let old: Option<KeyRecord> = match old {
        Some(row) => Some(decode(ROW, row.try_get(0)?)?),
        None => None,
    };
    let name_of = sqlx::query("select id from api_keys where name = $1 and not revoked")
        .bind(&record.name)
        .fetch_optional(&mut *connection)
        .await?;
    let name_of = name_of.map(|row| row.try_get(0)).transpose()?.map(KeyId);
    let hashes: Vec<Vec<u8>> = record.hashes().map(|hash| hash.0.to_vec()).collect();
    let mut holders = Vec::new();
    for row in sqlx::query("select id from api_key_hashes where hash = any($1)")
        .bind(hashes)
        .fetch_all(connection)
        .await?
    {
        holders.push(KeyId(row.try_get(0)?));
    }
    Ok(rules::put_key(
        record,
        expect,
        old.as_ref(),
        name_of,
        &holders,
    )?)
}

async fn apply(connection: &mut PgConnection, write: &KeyWrite) -> Result<(), Fault> {
    let record = &write.record;
    let hashes: Vec<Vec<u8>> = record.hashes().map(|hash| hash.0.to_vec()).collect();
    let free: Vec<Vec<u8>> = write
        .free_hashes
        .iter()
        .map(|hash| hash.0.to_vec())
        .collect();
    sqlx::query(
        "insert into api_keys (id, name, revoked, version, \"row\") values ($1, $2, $3, $4, $5) \
         on conflict (id) do update set name = excluded.name, revoked = excluded.revoked, \
         version = excluded.version, \"row\" = excluded.\"row\"",
    )
    .bind(record.id.0)
    .bind(&record.name)
    .bind(!write.live)
    .bind(big(record.version))
    .bind(encode(record)?)
    .execute(&mut *connection)
    .await?;
    if !free.is_empty() {
        sqlx::query("delete from api_key_hashes where hash = any($1)")
            .bind(free)
            .execute(&mut *connection)
            .await?;
    }
    sqlx::query(
        "insert into api_key_hashes (hash, id) select hash, $2 from unnest($1::bytea[]) as new (hash) \
         on conflict (hash) do update set id = excluded.id",
    )
    .bind(hashes)
    .bind(record.id.0)
    .execute(connection)
    .await?;
    Ok(())
}
