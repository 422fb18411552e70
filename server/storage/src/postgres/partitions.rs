//! Tables in parts of one day (UTC): parts are made before they are needed and dropped whole.
//!
//! ```text
//! made:    create table … (like parent) ─▶ attach      (takes no lock that writers or readers wait for)
//! dropped: drop table, or given up when it would have to wait for long (the next call tries again)
//! ```
//! Invariant: who makes or drops parts holds [`LOCK`], so that nodes that do so at once do not get in each other's way;
//! days that were made are remembered only to be asked for less often, the server's own list is what counts.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Span;
use jiff::civil::{Date, date};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Executor as _};
use troupe_core::port::StoreError;

use super::fault::Fault;
use super::pool::Pg;

/// A number of our own, beside those of `pool` and `migrate`.
const LOCK: i64 = 0x7472_6f75_7065_0002;
pub(super) const DAY_MS: u64 = 86_400_000;
/// 9999-12-31, the last day that has a name.
const LAST_DAY: i32 = 2_932_896;
/// A row that came in between makes the drop wait so long at most, and with it whoever comes behind.
const DROP_PATIENCE: &str = "set local lock_timeout = '500ms'";
/// SQLSTATE: there is no such table.
const UNDEFINED_TABLE: &str = "42P01";

/// In days since the Unix epoch. Times beyond the calendar count as its last day.
pub(super) fn day_of(at_ms: u64) -> i32 {
    i32::try_from(at_ms / DAY_MS).map_or(LAST_DAY, |day| day.min(LAST_DAY))
}

/// The first moment of a day (ms since the Unix epoch).
pub(super) fn start_ms(day: i32) -> i64 {
    i64::from(day) * 86_400_000
}

pub(super) fn today() -> i32 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH);
    let ms = elapsed.map_or(0, |elapsed| elapsed.as_millis());
    day_of(u64::try_from(ms).unwrap_or(u64::MAX))
}

/// The parts of one table.
#[derive(Debug)]
pub(super) struct Parts {
    table: &'static str,
    /// Made, as far as this process knows.
    known: Mutex<BTreeSet<i32>>,
}

impl Parts {
    pub fn of(table: &'static str) -> Self {
        Self {
            table,
            known: Mutex::default(),
        }
    }

    /// Makes the parts of these days, of today and of tomorrow, those that are missing.
    pub async fn ensure(&self, pg: &Pg, mut days: BTreeSet<i32>) -> Result<(), StoreError> {
        let today = today();
        days.extend([today, today.saturating_add(1).min(LAST_DAY)]);
        days.retain(|day| !self.known().contains(day));
        if days.is_empty() {
            return Ok(());
        }
        let table = self.table;
        let wanted = days.clone();
        pg.write(move |connection| {
            Box::pin(async move {
                lock(connection).await?;
                let there = list(connection, table).await?;
                for day in wanted.into_iter().filter(|day| !there.contains(day)) {
                    make(connection, table, day).await?;
                }
                Ok(())
            })
        })
        .await?;
        self.known().extend(days);
        Ok(())
    }

    /// Forgets which parts there are: a row found none.
    pub fn forget(&self) {
        self.known().clear();
    }

    /// Drops the parts of days before `first`; returns how many went.
    pub async fn drop_before(&self, pg: &Pg, first: i32) -> Result<usize, StoreError> {
        let table = self.table;
        let there = pg
            .read(move |connection| Box::pin(async move { Ok(list(connection, table).await?) }))
            .await?;
        let mut gone = 0;
        for day in there.into_iter().rev().filter(|day| *day < first) {
            // Another node that drops it as well is told so by the list.
            let dropped = pg.write(move |connection| {
                Box::pin(async move {
                    lock(connection).await?;
                    let is_there = list(connection, table).await?.contains(&day);
                    if is_there {
                        connection.execute(DROP_PATIENCE).await?;
                        let sql = format!("drop table {}", name(table, day)?);
                        connection.execute(AssertSqlSafe(sql)).await?;
                    }
                    Ok(is_there)
                })
            });
            gone += usize::from(dropped.await?);
            self.known().remove(&day);
        }
        Ok(gone)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, BTreeSet<i32>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn lock(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("select pg_advisory_xact_lock($1)")
        .bind(LOCK)
        .execute(connection)
        .await?;
    Ok(())
}

/// The days that a table has parts of, the newest first.
pub(super) async fn list(
    connection: &mut PgConnection,
    table: &'static str,
) -> Result<Vec<i32>, sqlx::Error> {
    let names: Vec<String> = sqlx::query_scalar(
        "select part.relname::text from pg_inherits link join pg_class part on part.oid = link.inhrelid
         where link.inhparent = $1::text::regclass",
    )
    .bind(table)
    .fetch_all(connection)
    .await?;
    let mut days: Vec<_> = names.iter().filter_map(|name| day(table, name)).collect();
    days.sort_unstable_by(|a, b| b.cmp(a));
    Ok(days)
}

async fn make(connection: &mut PgConnection, table: &'static str, day: i32) -> Result<(), Fault> {
    let part = name(table, day)?;
    let next = day.saturating_add(1);
    for sql in [
        format!("create table if not exists {part} (like {table} including all)"),
        format!("alter table {table} attach partition {part} for values from ({day}) to ({next})"),
    ] {
        connection.execute(AssertSqlSafe(sql)).await?;
    }
    Ok(())
}

const EPOCH: Date = date(1970, 1, 1);

/// `request_logs_2026_11_24`.
pub(super) fn name(table: &'static str, day: i32) -> Result<String, StoreError> {
    let date = Span::new()
        .try_days(day)
        .and_then(|days| EPOCH.checked_add(days))
        .map_err(|_| StoreError::Corrupt(format!("{table} has no day {day}")))?;
    Ok(format!("{table}_{}", date.strftime("%Y_%m_%d")))
}

fn day(table: &str, name: &str) -> Option<i32> {
    let date = name.strip_prefix(table)?.strip_prefix('_')?;
    let date = Date::strptime("%Y_%m_%d", date).ok()?;
    let span = date.since((jiff::Unit::Day, EPOCH)).ok()?;
    Some(span.get_days()).filter(|day| *day >= 0)
}

/// What is not there has no rows: the part was dropped meanwhile.
pub(super) fn or_gone<T: Default>(result: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
    match result {
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(UNDEFINED_TABLE) => {
            Ok(T::default())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_named_by_their_day() {
        for (day_number, name_of_it) in [
            (0, "request_logs_1970_01_01"),
            (20_781, "request_logs_2026_11_24"),
            (LAST_DAY, "request_logs_9999_12_31"),
        ] {
            assert_eq!(name("request_logs", day_number).unwrap(), name_of_it);
            assert_eq!(day("request_logs", name_of_it), Some(day_number));
        }
        assert!(name("request_logs", LAST_DAY + 1).is_err());
        for foreign in [
            "request_logs",
            "request_logs_old",
            "request_logs_1969_12_31",
            "request_logs_2026_02_30",
            "other_2026_11_24",
        ] {
            assert_eq!(day("request_logs", foreign), None, "{foreign}");
        }
    }

    #[test]
    fn days_are_within_the_calendar() {
        for (at_ms, of) in [(0, 0), (DAY_MS - 1, 0), (DAY_MS, 1), (u64::MAX, LAST_DAY)] {
            assert_eq!(day_of(at_ms), of);
        }
        assert_eq!(start_ms(1), 86_400_000);
        assert!(today() > 20_000);
    }
}
