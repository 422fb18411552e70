//! Resources and the store's own facts. Invariant: who writes first is there, and all are told the same.

use sqlx::Row;
use troupe_core::port::{MetaStore, PortFuture, ResourceOwner, ResourceStore};

use super::pool::Pg;
use crate::codec::{decode, encode};
use crate::rules;

const OWNER_ROW: &str = "resource row";

impl ResourceStore for Pg {
    fn own(&self, owner: ResourceOwner) -> PortFuture<'_, ResourceOwner> {
        Box::pin(self.write(move |connection| {
            Box::pin(async move {
                sqlx::query(
                    "insert into resources (resource, \"row\") values ($1, $2) on conflict do nothing",
                )
                .bind(&owner.resource)
                .bind(encode(&owner)?)
                .execute(&mut *connection)
                .await?;
                let stands = sqlx::query("select \"row\" from resources where resource = $1")
                    .bind(&owner.resource)
                    .fetch_one(connection)
                    .await?;
                Ok(decode(OWNER_ROW, stands.try_get(0)?)?)
            })
        }))
    }

    fn owner(&self, resource: String) -> PortFuture<'_, Option<ResourceOwner>> {
        Box::pin(self.read(move |connection| {
            Box::pin(async move {
                let found = sqlx::query("select \"row\" from resources where resource = $1")
                    .bind(resource)
                    .fetch_optional(connection)
                    .await?;
                Ok(match found {
                    Some(row) => Some(decode(OWNER_ROW, row.try_get(0)?)?),
                    None => None,
                })
            })
        }))
    }
}

impl MetaStore for Pg {
    fn get(&self, name: &'static str) -> PortFuture<'_, Option<Vec<u8>>> {
        Box::pin(self.read(move |connection| {
            Box::pin(async move {
                let found = sqlx::query("select value from meta where name = $1")
                    .bind(name)
                    .fetch_optional(connection)
                    .await?;
                Ok(found.map(|row| row.try_get(0)).transpose()?)
            })
        }))
    }

    fn put_if_absent(&self, name: &'static str, value: Vec<u8>) -> PortFuture<'_, Vec<u8>> {
        Box::pin(self.write(move |connection| {
            Box::pin(async move {
                sqlx::query(
                    "insert into meta (name, value) values ($1, $2) on conflict do nothing",
                )
                .bind(name)
                .bind(value)
                .execute(&mut *connection)
                .await?;
                let stands = sqlx::query("select value from meta where name = $1")
                    .bind(name)
                    .fetch_one(connection)
                    .await?;
                Ok(stands.try_get(0)?)
            })
        }))
    }

    fn replace(&self, name: &'static str, old: Vec<u8>, new: Vec<u8>) -> PortFuture<'_, ()> {
        Box::pin(self.write(move |connection| {
            Box::pin(async move {
                let done = sqlx::query("update meta set value = $3 where name = $1 and value = $2")
                    .bind(name)
                    .bind(old)
                    .bind(new)
                    .execute(connection)
                    .await?;
                if done.rows_affected() == 0 {
                    return Err(rules::other_fact(name).into());
                }
                Ok(())
            })
        }))
    }
}
