//! The tables, made and changed step by step at the start.
//!
//! Steps only add; what they leave behind is taken away a release later, so that the program of before runs beside this
//! one. Steps that this program does not know are left alone.
//!
//! Invariant: one program at a time, each step in a transaction with its row in `troupe_migrations`: a step is there
//! whole or not at all, and once.

use sha2::{Digest, Sha256};
use sqlx::{Executor, Row, postgres::PgConnection};

use super::fault::Fault;

/// A step of the tables' history.
pub(super) struct Migration {
    /// Never reused, never renumbered.
    pub number: i32,
    pub name: &'static str,
    pub sql: &'static str,
}

pub(super) const MIGRATIONS: &[Migration] = &[
    Migration {
        number: 1,
        name: "base",
        sql: include_str!("../../migrations/0001_base.sql"),
    },
    Migration {
        number: 2,
        name: "records",
        sql: include_str!("../../migrations/0002_records.sql"),
    },
    Migration {
        number: 3,
        name: "usage indexes",
        sql: include_str!("../../migrations/0003_usage_indexes.sql"),
    },
];

const LOCK: i64 = 0x7472_6f75_7065_0000;
const TABLE: &str = "create table if not exists troupe_migrations (
    number integer primary key,
    name text not null,
    checksum bytea not null,
    applied_at timestamptz not null default now()
)";

/// Why tables are not as they should be.
#[derive(Debug)]
pub(super) enum MigrateFault {
    Fault(Fault),
    /// The step was another when it was applied.
    Changed(i32),
    /// A table of that name is there already and not ours.
    Taken(i32),
}

impl From<sqlx::Error> for MigrateFault {
    fn from(error: sqlx::Error) -> Self {
        Self::Fault(error.into())
    }
}

/// Applies what is missing; returns how many steps that were. Within the caller's transaction.
pub(super) async fn migrate(connection: &mut PgConnection) -> Result<usize, MigrateFault> {
    sqlx::query("select pg_advisory_xact_lock($1)")
        .bind(LOCK)
        .execute(&mut *connection)
        .await?;
    connection.execute(sqlx::raw_sql(TABLE)).await?;
    let found = sqlx::query("select number, checksum from troupe_migrations")
        .fetch_all(&mut *connection)
        .await?;
    let mut applied = std::collections::BTreeMap::new();
    for row in found {
        let checksum: Vec<u8> = row.try_get(1)?;
        applied.insert(row.try_get::<i32, _>(0)?, checksum);
    }
    let mut new = 0;
    for step in MIGRATIONS {
        let checksum = Sha256::digest(step.sql.as_bytes()).to_vec();
        match applied.get(&step.number) {
            Some(stands) if *stands == checksum => continue,
            Some(_) => return Err(MigrateFault::Changed(step.number)),
            None => {}
        }
        connection
            .execute(sqlx::raw_sql(step.sql))
            .await
            .map_err(|error| taken(error, step.number))?;
        sqlx::query("insert into troupe_migrations (number, name, checksum) values ($1, $2, $3)")
            .bind(step.number)
            .bind(step.name)
            .bind(checksum)
            .execute(&mut *connection)
            .await?;
        new += 1;
    }
    Ok(new)
}

fn taken(error: sqlx::Error, step: i32) -> MigrateFault {
    let duplicate = error
        .as_database_error()
        .and_then(|error| error.code())
        .is_some_and(|code| code == "42P07");
    if duplicate {
        MigrateFault::Taken(step)
    } else {
        error.into()
    }
}
