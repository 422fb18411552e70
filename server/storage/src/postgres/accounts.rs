//! Accounts. Invariant: an account's state and tokens go with it, also those that are not written yet.

use sqlx::Row;
use sqlx::postgres::PgConnection;
use troupe_core::AccountId;
use troupe_core::account::{AccountRecord, AccountState, TokenRow};
use troupe_core::event::DomainEvent;
use troupe_core::port::{AccountStore, Expect, PortFuture};

use super::changes::{begin_change, push_events};
use super::fault::Fault;
use super::pool::big;
use super::rows::rows;
use super::soft::Soft;
use super::tokens;
use crate::codec::{decode, encode};
use crate::rules::{self, AccountWrite};

const ROW: &str = "account row";
const STATE_ROW: &str = "account state";

impl AccountStore for Soft {
    fn list(&self) -> PortFuture<'_, Vec<AccountRecord>> {
        Box::pin(async {
            let mut found: Vec<AccountRecord> = self
                .pg()
                .read(|connection| rows(connection, "select \"row\" from accounts", ROW))
                .await?;
            found.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(found)
        })
    }

    fn put(
        &self,
        record: AccountRecord,
        expect: Expect,
        event: DomainEvent,
    ) -> PortFuture<'_, AccountRecord> {
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

    fn remove(&self, id: AccountId, event: DomainEvent) -> PortFuture<'_, ()> {
        Box::pin(async move {
            // A state that waits to be written must not come after this.
            let _alone = self.alone().await;
            let node = self.node();
            let waits = self.has_state(id);
            let removal = self.pg().write(move |connection| {
                Box::pin(async move {
                    begin_change(connection).await?;
                    let gone = remove(connection, id).await?;
                    if gone == 0 && !waits {
                        return Err(rules::no_account().into());
                    }
                    push_events(connection, &node, &[event]).await
                })
            });
            removal.await?;
            self.forget_state(id);
            Ok(())
        })
    }

    fn states(&self) -> PortFuture<'_, Vec<AccountState>> {
        Box::pin(async {
            let stored = self
                .pg()
                .read(|connection| {
                    rows(connection, "select \"row\" from account_states", STATE_ROW)
                })
                .await?;
            Ok(self.newest_states(stored))
        })
    }

    fn save_state(&self, state: AccountState, events: Vec<DomainEvent>) -> PortFuture<'_, ()> {
        Box::pin(self.save_account_state(state, events))
    }

    fn tokens(&self) -> PortFuture<'_, Vec<TokenRow>> {
        Box::pin(self.pg().read(tokens::list))
    }

    fn token(&self, id: AccountId) -> PortFuture<'_, Option<TokenRow>> {
        Box::pin(
            self.pg()
                .read(move |connection| Box::pin(tokens::get(connection, id))),
        )
    }

    fn put_token(
        &self,
        row: TokenRow,
        expect: Expect,
        event: Option<DomainEvent>,
    ) -> PortFuture<'_, TokenRow> {
        let node = self.node();
        Box::pin(self.pg().write(move |connection| {
            Box::pin(async move {
                begin_change(connection).await?;
                let row = tokens::put(connection, row, expect).await?;
                push_events(connection, &node, event.as_slice()).await?;
                Ok(row)
            })
        }))
    }
}

async fn decide(
    connection: &mut PgConnection,
    record: AccountRecord,
    expect: Expect,
) -> Result<AccountWrite, Fault> {
    let old = sqlx::query("select \"row\" from accounts where id = $1 for update")
        .bind(record.id.0)
        .fetch_optional(&mut *connection)
        .await?;
    let old: Option<AccountRecord> = match old {
        Some(row) => Some(decode(ROW, row.try_get(0)?)?),
        None => None,
    };
    let name_of = sqlx::query("select id from accounts where name = $1")
        .bind(&record.name)
        .fetch_optional(connection)
        .await?;
    let name_of = name_of.map(|row| row.try_get(0)).transpose()?;
    let name_of = name_of.map(AccountId);
    Ok(rules::put_account(record, expect, old.as_ref(), name_of)?)
}

async fn apply(connection: &mut PgConnection, write: &AccountWrite) -> Result<(), Fault> {
    sqlx::query(
        "insert into accounts (id, name, version, \"row\") values ($1, $2, $3, $4) \
         on conflict (id) do update set name = excluded.name, version = excluded.version, \
         \"row\" = excluded.\"row\"",
    )
    .bind(write.record.id.0)
    .bind(&write.record.name)
    .bind(big(write.record.version))
    .bind(encode(&write.record)?)
    .execute(connection)
    .await?;
    Ok(())
}

/// How many rows went.
async fn remove(connection: &mut PgConnection, id: AccountId) -> Result<u64, Fault> {
    let mut gone = 0;
    for sql in [
        "delete from accounts where id = $1",
        "delete from account_states where id = $1",
        "delete from account_tokens where id = $1",
    ] {
        let done = sqlx::query(sql)
            .bind(id.0)
            .execute(&mut *connection)
            .await?;
        gone += done.rows_affected();
    }
    Ok(gone)
}
