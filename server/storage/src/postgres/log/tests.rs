//! The log on a real server. Each test has a server of its own, each case a database.

mod filters;
mod pages;
mod parts;

use std::sync::Arc;

use sqlx::types::Uuid;
use troupe_core::log::{LogFilter, LogSearch};
use troupe_core::port::LogStore;
use troupe_core::record::RequestRecord;
use troupe_core::{KeyId, RequestId};

use super::PgLog;
use super::search::{Bounds, search};
use crate::contract::sample;
use crate::postgres::migrate::migrate;
use crate::postgres::pool::Pg;
use crate::postgres::testing::Postgres;
use crate::postgres::{address, fault::Fault};

/// A moment after midnight of some day.
const MIDNIGHT_MS: u64 = 1_795_478_400_000;

pub(in crate::postgres) fn pool(url: &str) -> Pg {
    Pg::new(&address::parse(url).unwrap(), 4)
}

/// A pool on a database with tables.
pub(in crate::postgres) async fn fresh(server: &Postgres) -> (Pg, String) {
    let url = server.fresh().await;
    let pg = pool(&url);
    let migrated = pg.write(|connection| {
        Box::pin(async move {
            let refused = |_| Fault::Sql(sqlx::Error::WorkerCrashed);
            migrate(connection).await.map_err(refused)
        })
    });
    migrated.await.unwrap();
    (pg, url)
}

/// Row `n` of those that begin at `at_ms`.
fn row(at_ms: u64, n: u64) -> RequestRecord {
    let id = u128::from(at_ms) << 80 | 7 << 76 | u128::from(n);
    RequestRecord {
        id: RequestId(Uuid::from_u128(id)),
        ..sample::request(at_ms)
    }
}

fn of_key(row: RequestRecord, key: &str) -> RequestRecord {
    RequestRecord {
        key: Some(KeyId::declared(key)),
        ..row
    }
}

fn asked(filter: &LogFilter, limit: usize) -> LogSearch {
    LogSearch {
        filter: filter.clone(),
        limit,
        ..LogSearch::default()
    }
}

/// All rows that match, page by page; each page within its limit.
async fn all(log: &PgLog, mut asked: LogSearch) -> Vec<RequestRecord> {
    let mut told = Vec::new();
    loop {
        let page = log.search(asked.clone()).await.unwrap();
        assert!(page.rows.len() <= asked.limit);
        assert_eq!(page.unreadable, 0);
        told.extend(page.rows);
        match page.next {
            Some(next) => asked.after = Some(next),
            None => return told,
        }
    }
}

/// What one search looks at.
async fn looked_at(pg: &Pg, asked: LogSearch, bounds: Bounds) -> (usize, u64, bool) {
    let found = pg
        .read(move |connection| Box::pin(async move { search(connection, &asked, bounds).await }));
    let (page, looked_at) = found.await.unwrap();
    (page.rows.len(), looked_at, page.next.is_some())
}

fn newest_first(rows: &mut [RequestRecord]) {
    rows.sort_by_key(|row| std::cmp::Reverse((row.at_ms, row.id)));
}

fn text(text: &str) -> Option<Arc<str>> {
    Some(text.into())
}
