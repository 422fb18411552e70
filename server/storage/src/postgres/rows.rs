//! Whole tables of encoded rows.

use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::pool::Step;
use crate::codec::decode;

/// Every row that `sql` tells; its first column is the row. `what` names the kind for errors.
pub(super) fn rows<'c, T: DeserializeOwned + Send + 'c>(
    connection: &'c mut PgConnection,
    sql: &'static str,
    what: &'static str,
) -> Step<'c, Vec<T>> {
    Box::pin(async move {
        let found = sqlx::query(sql).fetch_all(connection).await?;
        let mut rows = Vec::with_capacity(found.len());
        for row in found {
            rows.push(decode(what, row.try_get(0)?)?);
        }
        Ok(rows)
    })
}
