//! Sessions. Invariant: a row that waits hides the stored one.

use sqlx::Row;
use troupe_core::port::{PortFuture, SessionRow, SessionStore};

use super::Soft;
use super::waiting::Item;
use crate::codec::decode;
use crate::postgres::pool::big;
use crate::rules::last_to_end;

const ROW: &str = "session row";

impl SessionStore for Soft {
    fn save(&self, rows: Vec<SessionRow>) -> PortFuture<'_, ()> {
        Box::pin(self.save(|state| {
            state.waiting.room(rows.len())?;
            rows.into_iter()
                .try_for_each(|row| state.waiting.put(Item::Session(row)))
        }))
    }

    fn load(&self, now_ms: u64, limit: usize) -> PortFuture<'_, Vec<SessionRow>> {
        Box::pin(async move {
            let most = i64::try_from(limit).unwrap_or(i64::MAX);
            let stored: Vec<SessionRow> = self
                .pg()
                .read(move |connection| {
                    Box::pin(async move {
                        let found = sqlx::query(
                            "select \"row\" from sessions where until_ms > $1 \
                             order by until_ms desc limit $2",
                        )
                        .bind(big(now_ms))
                        .bind(most)
                        .fetch_all(connection)
                        .await?;
                        let mut rows = Vec::with_capacity(found.len());
                        for row in found {
                            rows.push(decode(ROW, row.try_get(0)?)?);
                        }
                        Ok(rows)
                    })
                })
                .await?;
            let state = self.state();
            let mut newest: std::collections::HashMap<_, _> =
                stored.into_iter().map(|row| (row.session, row)).collect();
            newest.extend(state.waiting.sessions().map(|row| (row.session, *row)));
            last_to_end(newest.into_values().map(Ok), now_ms, limit)
        })
    }

    fn prune(&self, now_ms: u64) -> PortFuture<'_, usize> {
        Box::pin(async move {
            let _alone = self.alone().await;
            let waited = self.state().waiting.forget_sessions(now_ms);
            let gone = self
                .pg()
                .write(move |connection| {
                    Box::pin(async move {
                        let done = sqlx::query("delete from sessions where until_ms <= $1")
                            .bind(big(now_ms))
                            .execute(connection)
                            .await?;
                        Ok(usize::try_from(done.rows_affected()).unwrap_or(usize::MAX))
                    })
                })
                .await?;
            Ok(gone + waited)
        })
    }
}
