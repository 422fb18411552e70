//! The whole store on PostgreSQL, told and filled.
//!
//! Told within one transaction that sees one moment, on a connection of its own, whose deadlines are longer than the pool's;
//! filled through the pool, a batch a transaction.
//!
//! Invariant: see [`crate::archive::port`]; a batch and its mark stand together, apart from logs and audit lines, which the
//! tables keep once however often they are told.

mod export;
mod import;

use std::path::PathBuf;
use std::sync::Arc;

use troupe_core::port::{AuditStore, BodyStore, LogStore, PortFuture, StoreError};

use super::audit::PgAudit;
use super::bodies::PgBodies;
use super::log::PgLog;
use super::pool::Pg;
use crate::archive::port::{Archived, Begun, Mark};
use crate::archive::row::{Row, Wanted};
use crate::archive::stream::{Rows, channel};

/// The store, past what is spooled and what waits: who fills it is told when it is away.
pub(crate) struct PgArchive {
    pg: Pg,
    node: Arc<str>,
    data_dir: PathBuf,
    log: PgLog,
    bodies: PgBodies,
    audit: PgAudit,
}

impl PgArchive {
    pub(crate) fn new(pg: Pg, node: Arc<str>, data_dir: PathBuf) -> Self {
        Self {
            log: PgLog::new(pg.clone()),
            bodies: PgBodies::new(pg.clone()),
            audit: PgAudit::new(pg.clone()),
            pg,
            node,
            data_dir,
        }
    }

    async fn export(&self, wanted: Wanted) -> Result<Rows, StoreError> {
        let mut snapshot = export::Snapshot::begin(&self.pg, &self.data_dir).await?;
        let node = Arc::clone(&self.node);
        let (mut to, rows) = channel();
        tokio::spawn(async move {
            let how = snapshot.tell(&node, wanted, &mut to).await;
            to.end(how).await;
        });
        Ok(rows)
    }

    async fn put(&self, rows: Vec<Row>, mark: Mark) -> Result<(), StoreError> {
        let (mut requests, mut bodies, mut lines, mut others) = Default::default();
        sort(rows, &mut requests, &mut bodies, &mut lines, &mut others);
        self.log.append(requests).await?;
        self.bodies.append(bodies).await?;
        self.audit.append(lines).await?;
        let node = Arc::clone(&self.node);
        let written = self.pg.write(move |connection| {
            Box::pin(async move { import::put(connection, &node, others, &mark).await })
        });
        written.await
    }
}

fn sort(
    rows: Vec<Row>,
    requests: &mut Vec<troupe_core::record::RequestRecord>,
    bodies: &mut Vec<troupe_core::bodies::StoredBodies>,
    lines: &mut Vec<troupe_core::audit::AuditRow>,
    others: &mut Vec<Row>,
) {
    for row in rows {
        match row {
            Row::Request(row) => requests.push(row),
            Row::Bodies(row) => bodies.push(row),
            Row::Audit(row) => lines.push(row),
            row => others.push(row),
        }
    }
}

impl Archived for PgArchive {
    fn export(&self, wanted: Wanted) -> PortFuture<'_, Rows> {
        Box::pin(self.export(wanted))
    }

    fn begin(&self) -> PortFuture<'_, Begun> {
        Box::pin(
            self.pg
                .write(|connection| Box::pin(async move { import::begin(connection).await })),
        )
    }

    fn put(&self, rows: Vec<Row>, mark: Mark) -> PortFuture<'_, ()> {
        Box::pin(self.put(rows, mark))
    }

    fn finish(&self) -> PortFuture<'_, ()> {
        Box::pin(
            self.pg
                .write(|connection| Box::pin(async move { import::finish(connection).await })),
        )
    }
}
