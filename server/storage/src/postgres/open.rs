//! Opens the store: waits for the server, asks what it is, makes the tables, takes the node's folder.
//!
//! ```text
//! DIR/node.lock   held while a process uses the folder
//! DIR/node.name   what this folder's node is called, in the outbox, in batches of usage, in the audit trail
//! DIR/spool/      rows, bodies and usage that the server was not told yet
//! DIR/ledger/     counters of limits, of this process (folded into `quotas` at the next start)
//! ```
//! Invariant: what waiting cannot mend (password, database, version, rights) is told at once, what it may is retried
//! within `REACH`; the folder is taken before the database is asked, so that two processes never fold one ledger.

use std::fs::{File, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::{ConnectOptions, Connection, Executor, Row};
use tokio::time::{Instant, sleep, timeout};
use troupe_core::port::{StoreError, Stores};

use super::address::{self, Address};
use super::archive::PgArchive;
use super::audit::PgAudit;
use super::bodies::PgBodies;
use super::fault::{Fault, kind};
use super::log::PgLog;
use super::migrate::{MigrateFault, migrate};
use super::pool::Pg;
use super::soft::{Soft, fold};
use super::usage::PgUsage;
use super::watch::Watch;
use crate::OpenError;
use crate::fs::{private_dir, private_file, sync_dir};
use crate::health::{FaultKind, StoreHealth};
use crate::ledger::Ledger;
use crate::spool::{self, Inner, MAX_BYTES, Spooled};

/// How long the server may take to come.
const REACH: Duration = Duration::from_secs(30);
const CONNECT: Duration = Duration::from_secs(2);
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);
/// For another program's steps and our own.
const MIGRATE: Duration = Duration::from_secs(120);
const SETTINGS: &str = "SET statement_timeout = '100s'; SET lock_timeout = '60s'; \
     SET client_min_messages = 'error'; SET timezone = 'UTC'";
const FACTS: &str = "select current_setting('server_version_num')::integer, \
     current_setting('server_encoding'), pg_is_in_recovery()";
/// Version 13.
const OLDEST: i32 = 130_000;

/// What is open, and what closes it.
#[derive(Debug)]
pub(crate) struct Open {
    pub pg: Pg,
    pub soft: Soft,
    pub ledger: Ledger,
    pub spooled: Spooled,
    watch: Watch,
    /// Unlocked when it goes.
    _lock: File,
}

impl Open {
    pub(crate) fn stores(&self) -> Stores {
        let (facts, soft) = (Arc::new(self.pg.clone()), Arc::new(self.soft.clone()));
        let traffic = Arc::new(self.spooled.clone());
        Stores {
            accounts: soft.clone(),
            keys: soft.clone(),
            resources: facts.clone(),
            sessions: soft.clone(),
            quotas: soft.clone(),
            cells: self.ledger.cells(),
            meta: facts,
            events: soft.clone(),
            log: traffic.clone(),
            bodies: traffic.clone(),
            usage: traffic,
            audit: Arc::new(PgAudit::new(self.pg.clone())),
        }
    }

    pub(crate) fn archive(&self, data_dir: PathBuf) -> PgArchive {
        PgArchive::new(self.pg.clone(), self.soft.node(), data_dir)
    }

    pub(crate) fn node(&self) -> Arc<str> {
        self.soft.node()
    }

    pub(crate) fn health(&self) -> Arc<StoreHealth> {
        Arc::clone(self.pg.health())
    }

    /// Writes what waits, and lets go of server and folder.
    ///
    /// # Errors
    /// `Unknown`: what waited is lost.
    pub(crate) async fn close(self) -> Result<(), StoreError> {
        drop(self.watch);
        self.spooled.close().await;
        let written = self.soft.close().await;
        self.pg.close().await;
        self.ledger.close().await.and(written)
    }
}

/// `dir` is made when it is missing. A store is opened `to_fill` only from a folder that owes nothing to another one.
///
/// # Errors
/// [`OpenError`].
pub(crate) async fn open(
    url: &str,
    dir: &Path,
    connections: u32,
    node: Arc<str>,
    to_fill: bool,
) -> Result<Open, OpenError> {
    let address = address::parse(url)?;
    let lock = take(dir)?;
    let node = own_name(dir, &node)?;
    if to_fill && owes(dir)? {
        return Err(OpenError::Owed {
            path: dir.to_owned(),
        });
    }
    reach(&address, REACH).await?;
    let pg = Pg::new(&address, connections);
    let failed = |error| store_failed(&address, error);
    fold(&pg, &Ledger::left(dir)?).await.map_err(failed)?;
    let ledger = Ledger::begin(dir)?;
    let soft = Soft::load(pg.clone(), node, ledger.cells())
        .await
        .map_err(failed)?;
    let traffic = Inner {
        log: Arc::new(PgLog::new(pg.clone())),
        bodies: Arc::new(PgBodies::new(pg.clone())),
        usage: Arc::new(PgUsage::new(pg.clone(), soft.node())),
    };
    let path = dir.join("spool");
    let spooled = Spooled::open(traffic, &path, MAX_BYTES, Arc::clone(pg.health()))
        .map_err(|source| OpenError::Io { path, source })?;
    Ok(Open {
        watch: Watch::start(pg.clone()),
        pg,
        soft,
        ledger,
        spooled,
        _lock: lock,
    })
}

/// # Errors
/// [`OpenError::Url`].
pub(crate) fn check(url: &str) -> Result<(), OpenError> {
    address::parse(url).map(|_| ())
}

/// Is there anything of another store that it was not told yet?
fn owes(dir: &Path) -> Result<bool, OpenError> {
    let path = dir.join("spool");
    let spooled = spool::holds(&path).map_err(|source| OpenError::Io { path, source })?;
    Ok(spooled || !Ledger::left(dir)?.is_empty())
}

/// Made once, so that two folders on one database are two nodes.
fn own_name(dir: &Path, base: &str) -> Result<Arc<str>, OpenError> {
    let path = dir.join("node.name");
    let at = |source| OpenError::Io {
        path: path.clone(),
        source,
    };
    match std::fs::read_to_string(&path) {
        Ok(name) if is_name(name.trim()) => return Ok(name.trim().into()),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(at(error)),
    }
    let mut random = [0; 4];
    getrandom::fill(&mut random).map_err(|error| at(std::io::Error::other(error)))?;
    let name = format!("{base}-{:08x}", u32::from_be_bytes(random));
    let mut file = private_file(&path).map_err(at)?;
    file.set_len(0).map_err(at)?;
    file.write_all(name.as_bytes()).map_err(at)?;
    file.sync_all().map_err(at)?;
    sync_dir(dir).map_err(at)?;
    Ok(name.into())
}

fn is_name(text: &str) -> bool {
    let of_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=64).contains(&text.len()) && text.bytes().all(of_name)
}

fn take(dir: &Path) -> Result<File, OpenError> {
    let at = |path: PathBuf| move |source| OpenError::Io { path, source };
    private_dir(dir).map_err(at(dir.to_owned()))?;
    let path = dir.join("node.lock");
    let file = private_file(&path).map_err(at(path.clone()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked {
            path: dir.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(OpenError::Io { path, source }),
    }
}

/// Until the server is there and its tables are made.
pub(super) async fn reach(address: &Address, within: Duration) -> Result<(), OpenError> {
    let ends = Instant::now() + within;
    let mut pause = FIRST_PAUSE;
    loop {
        let why = match prepare(address).await {
            Ok(()) => return Ok(()),
            Err(Refusal::Final(reason)) => return Err(refused(address, reason)),
            Err(Refusal::Wait(kind)) => kind.as_str(),
        };
        if Instant::now() + pause > ends {
            return Err(refused(
                address,
                format!("it cannot be reached ({why}); start the server, or mend storage.url"),
            ));
        }
        tracing::warn!(
            store.place = address.place,
            store.error = why,
            "PostgreSQL cannot be used yet, trying again"
        );
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

enum Refusal {
    Wait(FaultKind),
    Final(String),
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(|error| error.code());
        let final_reason = match (kind(&error), code.as_deref()) {
            (FaultKind::Login, _) => {
                "user or password are refused; mend them in storage.url".to_owned()
            }
            (FaultKind::NoDatabase, _) => {
                "there is no such database; create it, or mend storage.url".to_owned()
            }
            (_, Some("42501")) => {
                "the user may not do that; make it the owner of the database".to_owned()
            }
            (FaultKind::Statement, Some(code)) => {
                let code: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
                format!("the server refused a statement (SQLSTATE {code}); see its log")
            }
            (kind, _) => return Self::Wait(kind),
        };
        Self::Final(final_reason)
    }
}

/// Once: on a connection of its own, for its deadlines are others than the pool's.
async fn prepare(address: &Address) -> Result<(), Refusal> {
    let late = |_| Refusal::Wait(FaultKind::Timeout);
    let connecting = timeout(CONNECT, address.options.connect());
    let mut connection = connecting.await.map_err(late)??;
    let done = timeout(MIGRATE, make(&mut connection))
        .await
        .map_err(late)?;
    // What counts is committed.
    let _ = timeout(CONNECT, connection.close()).await;
    done
}

async fn make(connection: &mut PgConnection) -> Result<(), Refusal> {
    connection.execute(sqlx::raw_sql(SETTINGS)).await?;
    let facts = sqlx::query(FACTS).fetch_one(&mut *connection).await?;
    let (version, encoding): (i32, String) = (facts.try_get(0)?, facts.try_get(1)?);
    if version < OLDEST {
        return Err(Refusal::Final(format!(
            "the server is of version {}, {} is the oldest that will do; upgrade it",
            version / 10_000,
            OLDEST / 10_000
        )));
    }
    if encoding != "UTF8" {
        return Err(Refusal::Final(
            "the database's encoding is not UTF8; create one with that".to_owned(),
        ));
    }
    if facts.try_get(2)? {
        return Err(Refusal::Final(
            "the server is a standby, which takes no writes; name the primary in storage.url"
                .to_owned(),
        ));
    }
    connection.execute(sqlx::raw_sql("BEGIN")).await?;
    let applied = migrate(connection).await.map_err(|fault| match fault {
        MigrateFault::Fault(Fault::Sql(error)) => error.into(),
        MigrateFault::Fault(Fault::Refused(error)) => Refusal::Final(error.to_string()),
        MigrateFault::Changed(step) => Refusal::Final(format!(
            "step {step} of its tables was made by another build; use that, or another database"
        )),
        MigrateFault::Taken(step) => Refusal::Final(format!(
            "it has tables of another program (step {step}); use a database of its own"
        )),
    })?;
    connection.execute(sqlx::raw_sql("COMMIT")).await?;
    if applied > 0 {
        tracing::info!(store.steps = applied, "made the tables of the store");
    }
    Ok(())
}

fn refused(address: &Address, reason: String) -> OpenError {
    OpenError::Postgres {
        place: address.place.clone(),
        reason,
    }
}

fn store_failed(address: &Address, error: StoreError) -> OpenError {
    refused(
        address,
        format!("{error}; try again, or see the server's log"),
    )
}
