//! The whole embedded store, told and filled.
//!
//! Invariant: see [`crate::archive::port`]; indexes, counts and marks are never told, and are made anew from the rows.

mod export;
mod import;
mod snapshot;

use std::path::PathBuf;
use std::sync::Arc;

use troupe_core::port::{BodyStore, LogStore, PortFuture, StoreError, Stores};

use super::engine::Engine;
use super::trees::META;
use crate::archive::port::{Archived, Begun, FILLING, Mark};
use crate::archive::row::{Kind, Row, Wanted};
use crate::archive::stream::{Rows, channel};
use crate::bodies::WholeBodies;
use crate::log::WholeLog;

/// The store, with what it keeps in files beside sled.
pub(crate) struct SledArchive {
    engine: Engine,
    data_dir: PathBuf,
    log: Arc<dyn LogStore>,
    bodies: Arc<dyn BodyStore>,
}

impl SledArchive {
    pub(crate) fn new(engine: Engine, data_dir: PathBuf, stores: &Stores) -> Self {
        Self {
            engine,
            data_dir,
            log: Arc::clone(&stores.log),
            bodies: Arc::clone(&stores.bodies),
        }
    }

    async fn begin(&self) -> Result<Begun, StoreError> {
        let data_dir = self.data_dir.clone();
        let begun = self
            .engine
            .write(META, move |trees| import::begin(trees, &data_dir));
        let Some(mut mark) = begun.await? else {
            return Ok(Begun::NotEmpty);
        };
        // Segments are appended to before the mark is moved: what they hold counts.
        mark.0.0.retain(|kind, _| !kind.is_log());
        let mut rows = self.export(Wanted::ALL).await?;
        while let Some(batch) = rows.next().await {
            for row in batch?.iter().filter(|row| row.kind.is_log()) {
                mark.0.add(row);
            }
        }
        Ok(Begun::With(mark))
    }

    async fn put(&self, rows: Vec<Row>, mark: Mark) -> Result<(), StoreError> {
        let (mut requests, mut bodies, mut others) = (Vec::new(), Vec::new(), Vec::new());
        for row in rows {
            match row {
                Row::Request(row) => requests.push(row),
                Row::Bodies(row) => bodies.push(row),
                row => others.push(row),
            }
        }
        if !requests.is_empty() {
            self.log.append(requests).await?;
        }
        if !bodies.is_empty() {
            self.bodies.append(bodies).await?;
        }
        if others.is_empty() {
            return Ok(());
        }
        let put = move |trees: &super::Trees| import::put(trees, &others, &mark);
        self.engine.write(META, put).await
    }

    async fn finish(&self) -> Result<(), StoreError> {
        let data_dir = self.data_dir.clone();
        let finish = move |trees: &super::Trees| {
            let failed = |error| StoreError::Unknown(format!("segments: {error}"));
            WholeLog::open(&data_dir)
                .and_then(|log| log.sync())
                .map_err(failed)?;
            WholeBodies::open(&data_dir)
                .and_then(|all| all.sync())
                .map_err(failed)?;
            import::finish(trees)
        };
        // What the counts are made of is on the disk before the mark goes.
        self.engine.write(META, import::count).await?;
        self.engine.write(META, finish).await
    }

    async fn export(&self, wanted: Wanted) -> Result<Rows, StoreError> {
        let data_dir = self.data_dir.clone();
        let snapshot = self
            .engine
            .alone(move |trees| snapshot::take(trees, &data_dir, wanted));
        let snapshot = snapshot.await?;
        let (mut to, rows) = channel();
        tokio::task::spawn_blocking(move || {
            let how = export::tell(snapshot, &mut to);
            to.blocking_end(how);
        });
        Ok(rows)
    }
}

impl Archived for SledArchive {
    fn export(&self, wanted: Wanted) -> PortFuture<'_, Rows> {
        Box::pin(self.export(wanted))
    }

    fn begin(&self) -> PortFuture<'_, Begun> {
        // A store that is restored may have more bodies than new ones may take.
        self.bodies.bound(u64::MAX);
        Box::pin(self.begin())
    }

    fn put(&self, rows: Vec<Row>, mark: Mark) -> PortFuture<'_, ()> {
        Box::pin(self.put(rows, mark))
    }

    fn finish(&self) -> PortFuture<'_, ()> {
        Box::pin(self.finish())
    }
}

/// Was the store being filled when its process ended?
pub(super) fn is_filling(trees: &super::Trees) -> ::sled::Result<bool> {
    trees.meta.contains_key(FILLING)
}

/// A kind and where its rows are.
fn tables(trees: &super::Trees) -> [(Kind, &::sled::Tree); 13] {
    [
        (Kind::Fact, &trees.meta),
        (Kind::Account, &trees.accounts),
        (Kind::State, &trees.account_states),
        (Kind::Token, &trees.tokens),
        (Kind::Key, &trees.keys),
        (Kind::Totals, &trees.key_totals),
        (Kind::Session, &trees.sessions),
        (Kind::Quota, &trees.quotas),
        (Kind::Resource, &trees.resources),
        (Kind::Event, &trees.outbox),
        (Kind::Usage, &trees.usage),
        (Kind::Series, &trees.series),
        (Kind::Audit, &trees.audit),
    ]
}
