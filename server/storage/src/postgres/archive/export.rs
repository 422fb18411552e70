//! From tables to rows, through a cursor.
//!
//! Invariant: memory is bounded by a fetch; everything is of the moment at which the transaction began.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::types::Uuid;
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, Row as _};
use tokio::time::timeout;
use troupe_core::audit::AuditAnchor;
use troupe_core::bodies::StoredBodies;
use troupe_core::port::{QuotaRow, StoreError};
use troupe_core::usage::{SeriesKey, SeriesRow};
use troupe_core::{KeyId, LimitId, RequestId};

use super::super::pool::Pg;
use super::super::{fault, series};
use crate::archive::port::FILLING;
use crate::archive::row::{
    Counter, EventRow, Fact, Kind, LAST_BATCH, LAST_EVENT, Row, TotalsRow, Wanted,
};
use crate::archive::stream::{Ended, Sender};
use crate::codec::decode;
use crate::ledger::Ledger;

const CONNECT: Duration = Duration::from_secs(5);
/// A little longer than the server's own.
const STATEMENT: Duration = Duration::from_secs(310);
const SETTINGS: &str = "SET statement_timeout = '300s'; SET lock_timeout = '10s'; \
     SET idle_in_transaction_session_timeout = '3600s'; SET client_min_messages = 'error'; \
     SET timezone = 'UTC'; BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// Rows, or requests' bodies, of one fetch.
const ROWS: &str = "fetch 1000 from told";
const BODIES: &str = "fetch 8 from told";

impl From<sqlx::Error> for Ended {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(fault::unavailable(&error))
    }
}

/// The store of one moment.
pub(super) struct Snapshot {
    connection: PgConnection,
    /// What the counters of this process stand at, by limit and start of the window.
    counters: BTreeMap<(LimitId, u64), QuotaRow>,
}

fn late() -> StoreError {
    StoreError::Unavailable("PostgreSQL: timeout".into())
}

async fn say(connection: &mut PgConnection, sql: &str) -> Result<(), StoreError> {
    let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
    let done = timeout(STATEMENT, connection.execute(sql)).await;
    let done = done.map_err(|_| late())?;
    done.map(drop).map_err(|error| fault::unavailable(&error))
}

impl Snapshot {
    pub async fn begin(pg: &Pg, data_dir: &Path) -> Result<Self, StoreError> {
        let options = pg.options();
        let connected = timeout(CONNECT, options.connect()).await;
        let connected = connected.map_err(|_| late())?;
        let mut connection = connected.map_err(|error| fault::unavailable(&error))?;
        say(&mut connection, SETTINGS).await?;
        // The first statement is the moment.
        say(&mut connection, "select 1 from meta limit 1").await?;
        let left = Ledger::left(data_dir);
        let left = left.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let mut counters: BTreeMap<_, QuotaRow> = BTreeMap::new();
        for row in left {
            let kept = counters.entry((row.limit, row.start_ms)).or_insert(row);
            kept.charged = kept.charged.max(row.charged);
        }
        Ok(Self {
            connection,
            counters,
        })
    }

    pub async fn tell(&mut self, node: &str, wanted: Wanted, to: &mut Sender) -> Result<(), Ended> {
        for kind in Kind::ALL.into_iter().filter(|kind| wanted.has(*kind)) {
            match kind {
                Kind::Counter => self.counted(node, to).await?,
                kind => self.table(kind, to).await?,
            }
            if kind == Kind::Quota {
                // Windows that were never saved.
                for row in std::mem::take(&mut self.counters).into_values() {
                    to.push(row).await?;
                }
            }
        }
        Ok(())
    }

    async fn counted(&mut self, node: &str, to: &mut Sender) -> Result<(), Ended> {
        let last: i64 = sqlx::query_scalar("select seq from change_last")
            .fetch_one(&mut self.connection)
            .await?;
        let batch: Option<i64> =
            sqlx::query_scalar("select number from usage_batches where node = $1")
                .bind(node)
                .fetch_optional(&mut self.connection)
                .await?;
        let event = (last > 0).then_some((LAST_EVENT, last));
        let batch = batch.map(|number| (LAST_BATCH, number));
        for (name, value) in event.into_iter().chain(batch) {
            let counter = Counter {
                name: name.into(),
                value: value.cast_unsigned(),
            };
            to.push(counter).await?;
        }
        Ok(())
    }

    async fn table(&mut self, kind: Kind, to: &mut Sender) -> Result<(), Ended> {
        let Some(query) = query(kind) else {
            return Ok(());
        };
        let cursor = format!("declare told no scroll cursor for {query}");
        say(&mut self.connection, &cursor).await?;
        let fetch = if kind == Kind::Bodies { BODIES } else { ROWS };
        loop {
            let fetched = sqlx::query(fetch)
                .persistent(false)
                .fetch_all(&mut self.connection);
            let rows = timeout(STATEMENT, fetched).await.map_err(|_| late())??;
            if rows.is_empty() {
                break;
            }
            for row in rows {
                if let Some(row) = self.row(kind, &row)? {
                    to.push(row).await?;
                }
            }
        }
        Ok(say(&mut self.connection, "close told").await?)
    }

    fn row(&mut self, kind: Kind, row: &PgRow) -> Result<Option<Row>, Ended> {
        let what = kind.name();
        let odd = || StoreError::Corrupt(format!("a row of {what} has a place that is none"));
        let encoded = || row.try_get::<&[u8], _>(0);
        let told = match kind {
            Kind::Fact => {
                let name: String = row.try_get(1)?;
                if name == FILLING {
                    return Ok(None);
                }
                let value = row.try_get(0)?;
                Row::Fact(Fact { name, value })
            }
            Kind::Account => Row::Account(decode(what, encoded()?)?),
            Kind::State => Row::State(decode(what, encoded()?)?),
            Kind::Token => Row::Token(decode(what, encoded()?)?),
            Kind::Key => Row::Key(decode(what, encoded()?)?),
            Kind::Totals => Row::Totals(TotalsRow {
                key: KeyId(row.try_get(1)?),
                totals: decode(what, encoded()?)?,
            }),
            Kind::Session => Row::Session(decode(what, encoded()?)?),
            Kind::Quota => {
                let mut stored: QuotaRow = decode(what, encoded()?)?;
                if let Some(counted) = self.counters.remove(&(stored.limit, stored.start_ms)) {
                    stored.charged = stored.charged.max(counted.charged);
                }
                Row::Quota(stored)
            }
            Kind::Resource => Row::Resource(decode(what, encoded()?)?),
            Kind::Event => Row::Event(EventRow {
                seq: row.try_get::<i64, _>(1)?.cast_unsigned(),
                event: decode(what, encoded()?)?,
            }),
            Kind::Usage => Row::Usage(decode(what, encoded()?)?),
            Kind::Series => {
                let value = std::str::from_utf8(row.try_get(4)?).map_err(|_| odd())?;
                let point: i64 = row.try_get(3)?;
                let (grain, of) =
                    series::codes(row.try_get(1)?, row.try_get(2)?).ok_or_else(odd)?;
                Row::Series(SeriesRow {
                    key: SeriesKey {
                        grain,
                        of,
                        point: u32::try_from(point).map_err(|_| odd())?,
                        value: Arc::from(value),
                    },
                    sums: decode(what, encoded()?)?,
                })
            }
            Kind::Audit => Row::Audit(decode(what, encoded()?)?),
            Kind::Anchor => Row::Anchor(AuditAnchor {
                node: Arc::from(row.try_get::<String, _>(0)?),
                seq: row.try_get::<i64, _>(1)?.cast_unsigned(),
                hash: Arc::from(row.try_get::<String, _>(2)?),
            }),
            Kind::Request => Row::Request(decode(what, encoded()?)?),
            Kind::Bodies => Row::Bodies(StoredBodies {
                packed: row.try_get(0)?,
                id: RequestId(row.try_get::<Uuid, _>(1)?),
                at_ms: row.try_get::<i64, _>(2)?.unsigned_abs(),
            }),
            Kind::Counter => return Ok(None),
        };
        Ok(Some(told))
    }
}

/// The row first, then what of it is in columns only.
fn query(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::Fact => "select value, name from meta order by name collate \"C\"",
        Kind::Counter => return None,
        Kind::Account => "select \"row\" from accounts order by id",
        Kind::State => "select \"row\" from account_states order by id",
        Kind::Token => "select \"row\" from account_tokens order by id",
        Kind::Key => "select \"row\" from api_keys order by id",
        Kind::Totals => "select \"row\", id from key_totals order by id",
        Kind::Session => "select \"row\" from sessions order by key_id, session",
        Kind::Quota => "select \"row\" from quotas order by limit_id, start_ms",
        Kind::Resource => "select \"row\" from resources order by resource collate \"C\"",
        Kind::Event => "select \"row\", seq from changes order by seq",
        Kind::Usage => "select \"row\" from usage_rows order by day, place",
        Kind::Series => {
            "select sums, grain, series, point, value from usage_series
             order by grain, series, point, value"
        }
        Kind::Audit => "select \"row\" from audit order by node, seq",
        Kind::Anchor => "select node, seq, hash from audit_anchors order by node",
        Kind::Request => "select \"row\" from request_logs order by seq",
        Kind::Bodies => "select packed, id, at_ms from request_bodies order by day, id",
    })
}
