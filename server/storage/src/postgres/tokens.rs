//! Accounts' tokens. Invariant: a row is replaced whole, together with its event, or not at all.

use sqlx::Row;
use sqlx::postgres::PgConnection;
use troupe_core::AccountId;
use troupe_core::account::TokenRow;
use troupe_core::port::Expect;

use super::fault::Fault;
use super::pool::{Step, big};
use super::rows::rows;
use crate::codec::{decode, encode};
use crate::rules;

const ROW: &str = "token row";

pub(super) fn list(connection: &mut PgConnection) -> Step<'_, Vec<TokenRow>> {
    rows(connection, "select \"row\" from account_tokens", ROW)
}

pub(super) async fn get(
    connection: &mut PgConnection,
    id: AccountId,
) -> Result<Option<TokenRow>, Fault> {
    let found = sqlx::query("select \"row\" from account_tokens where id = $1")
        .bind(id.0)
        .fetch_optional(connection)
        .await?;
    Ok(match found {
        Some(row) => Some(decode(ROW, row.try_get(0)?)?),
        None => None,
    })
}

pub(super) async fn put(
    connection: &mut PgConnection,
    new: TokenRow,
    expect: Expect,
) -> Result<TokenRow, Fault> {
    let old = get(connection, new.account).await?;
    let new = rules::put_token(new, expect, old.as_ref())?;
    sqlx::query(
        "insert into account_tokens (id, version, \"row\") values ($1, $2, $3) \
         on conflict (id) do update set version = excluded.version, \"row\" = excluded.\"row\"",
    )
    .bind(new.account.0)
    .bind(big(new.version))
    .bind(encode(&new)?)
    .execute(connection)
    .await?;
    Ok(new)
}
