//! Connections, deadlines and transactions.
//!
//! ```text
//! acquire (≤ 2 s) ─▶ BEGIN ─▶ step ─▶ COMMIT ─▶ back into the pool
//!        └ the whole within 7 s; who is late, or leaves, or fails, leaves a connection that is closed, not reused ┘
//! ```
//! Invariant: a connection goes back only when the server answered its last statement, so that a server which hangs
//! cannot keep the pool's places; a late COMMIT is `Unknown`, everything before it `Unavailable`.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{Executor, Postgres};
use tokio::runtime::Handle;
use tokio::time::timeout;
use troupe_core::port::StoreError;

use super::address::Address;
use super::fault::{self, Fault};
use crate::health::{FaultKind, StoreHealth};

const ACQUIRE: Duration = Duration::from_secs(2);
/// Over everything that one operation does.
const OPERATION: Duration = Duration::from_secs(7);
const CLOSE: Duration = Duration::from_secs(2);
/// Of each connection; the server keeps them.
const SETTINGS: &str = "SET statement_timeout = '5s'; SET lock_timeout = '2s'; \
     SET idle_in_transaction_session_timeout = '10s'; SET client_min_messages = 'error'; \
     SET timezone = 'UTC'";
const READ_WRITE: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// Serialises the writers of the outbox; a number of our own.
pub(super) const CHANGES_LOCK: i64 = 0x7472_6f75_7065_0001;

/// A step's future. `Ok` commits.
pub(crate) type Step<'c, T> = Pin<Box<dyn Future<Output = Result<T, Fault>> + Send + 'c>>;

/// The pool of one store; clones share it.
#[derive(Clone)]
pub(crate) struct Pg {
    pool: PgPool,
    health: Arc<StoreHealth>,
    place: Arc<str>,
    runtime: Handle,
}

/// A future whose sockets and timers belong to one runtime, whoever polls it: a connection outlives the thread that
/// asked for it first.
struct On<F> {
    runtime: Handle,
    inner: Pin<Box<F>>,
}

impl<F: Future> On<F> {
    fn new(runtime: &Handle, inner: F) -> Self {
        Self {
            runtime: runtime.clone(),
            inner: Box::pin(inner),
        }
    }
}

impl<F: Future> Future for On<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let runtime = self.runtime.clone();
        let _entered = runtime.enter();
        self.inner.as_mut().poll(context)
    }
}

/// Never derived: the pool prints its options.
impl std::fmt::Debug for Pg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pg({})", self.place)
    }
}

/// A connection that is closed unless it is given back.
struct Held(Option<PoolConnection<Postgres>>);

impl Held {
    fn get(&mut self) -> Result<&mut PgConnection, sqlx::Error> {
        self.0.as_deref_mut().ok_or(sqlx::Error::PoolClosed)
    }

    fn give_back(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(connection.detach());
        }
    }
}

impl Pg {
    /// Connects to nobody yet. Must be called on the tokio runtime that its connections belong to.
    pub(crate) fn new(address: &Address, connections: u32) -> Self {
        let pool = PgPoolOptions::new()
            .max_connections(connections.max(1))
            .min_connections(0)
            .acquire_timeout(ACQUIRE)
            .idle_timeout(None)
            .after_connect(|connection, _| {
                Box::pin(async move {
                    connection.execute(sqlx::raw_sql(SETTINGS)).await?;
                    Ok(())
                })
            })
            .connect_lazy_with(address.options.clone());
        Self {
            pool,
            health: Arc::new(StoreHealth::new()),
            place: address.place.as_str().into(),
            runtime: Handle::current(),
        }
    }

    pub(crate) fn health(&self) -> &Arc<StoreHealth> {
        &self.health
    }

    /// For a connection apart from the pool's.
    pub(super) fn options(&self) -> Arc<PgConnectOptions> {
        self.pool.connect_options()
    }

    /// Statements that write nothing, each with a snapshot of its own.
    ///
    /// # Errors
    /// What the step refuses with; `Unavailable`; `Corrupt`.
    pub(crate) async fn read<T>(
        &self,
        step: impl for<'c> FnOnce(&'c mut PgConnection) -> Step<'c, T> + Send,
    ) -> Result<T, StoreError> {
        self.run(None, step).await
    }

    /// Statements that write nothing, all of one moment.
    ///
    /// # Errors
    /// As [`Pg::read`].
    pub(crate) async fn snapshot<T>(
        &self,
        step: impl for<'c> FnOnce(&'c mut PgConnection) -> Step<'c, T> + Send,
    ) -> Result<T, StoreError> {
        self.run(Some(SNAPSHOT), step).await
    }

    /// A transaction.
    ///
    /// # Errors
    /// As [`Pg::read`]; `Conflict` when a unique index refused; `Unknown` when the end of the COMMIT is not known.
    pub(crate) async fn write<T>(
        &self,
        step: impl for<'c> FnOnce(&'c mut PgConnection) -> Step<'c, T> + Send,
    ) -> Result<T, StoreError> {
        self.run(Some(READ_WRITE), step).await
    }

    /// Says farewell to connections that are idle; who holds one keeps it to the end of its operation.
    pub(crate) async fn close(&self) {
        let _ = On::new(&self.runtime, timeout(CLOSE, self.pool.close())).await;
    }

    async fn run<T>(
        &self,
        begin: Option<&'static str>,
        step: impl for<'c> FnOnce(&'c mut PgConnection) -> Step<'c, T> + Send,
    ) -> Result<T, StoreError> {
        let committing = AtomicBool::new(false);
        let work = timeout(OPERATION, self.work(begin, &committing, step));
        match On::new(&self.runtime, work).await {
            Ok(Ok(done)) => {
                self.health.answered();
                Ok(done)
            }
            Ok(Err(Fault::Refused(refusal))) => {
                self.health.answered();
                Err(refusal)
            }
            Ok(Err(Fault::Sql(error))) => {
                self.health.failed(fault::kind(&error));
                Err(if committing.load(Ordering::Relaxed) {
                    fault::of_commit(&error)
                } else {
                    fault::unavailable(&error)
                })
            }
            Err(_) => {
                self.health.failed(FaultKind::Timeout);
                Err(fault::late(committing.load(Ordering::Relaxed)))
            }
        }
    }

    async fn work<T>(
        &self,
        begin: Option<&'static str>,
        committing: &AtomicBool,
        step: impl for<'c> FnOnce(&'c mut PgConnection) -> Step<'c, T> + Send,
    ) -> Result<T, Fault> {
        let mut held = Held(Some(self.pool.acquire().await?));
        if let Some(begin) = begin {
            say(&mut held, begin).await?;
        }
        let done = step(held.get()?).await;
        match &done {
            Ok(_) if begin == Some(READ_WRITE) => {
                committing.store(true, Ordering::Relaxed);
                say(&mut held, "COMMIT").await?;
            }
            Ok(_) if begin.is_some() => say(&mut held, "ROLLBACK").await?,
            Err(Fault::Refused(_)) if begin.is_some() => {
                // Whatever becomes of it: the server rolls back what it does not commit.
                if say(&mut held, "ROLLBACK").await.is_err() {
                    return done;
                }
            }
            Err(Fault::Sql(_)) => return done,
            Ok(_) | Err(Fault::Refused(_)) => {}
        }
        held.give_back();
        done
    }
}

async fn say(held: &mut Held, statement: &'static str) -> Result<(), sqlx::Error> {
    held.get()?.execute(sqlx::raw_sql(statement)).await?;
    Ok(())
}

/// A number of ours as the server has it. Times beyond its range are the last it has.
pub(crate) fn big(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
