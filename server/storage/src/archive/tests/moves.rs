//! One store into another: broken off at any point, gone on with, compared; and told while it is written to.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use troupe_core::event::EventKind;
use troupe_core::port::{Expect, PortFuture, StoreError};

use super::store::{Store, embedded, filled, holds_the_same, open_to_fill};
use super::{archive, summary};
use crate::OpenError;
use crate::archive::port::{Archived, Begun, Mark};
use crate::archive::row::{Packed, Row, Wanted};
use crate::archive::stream::Rows;
use crate::archive::{Archive, ArchiveError, Kind, Progress};
use crate::contract::sample;

/// Ends like a process that is killed: at its `left`th put, before or after that was done.
pub(super) struct Killed {
    pub inner: Arc<dyn Archived>,
    pub left: AtomicUsize,
    pub after: bool,
}

impl Archived for Killed {
    fn export(&self, wanted: Wanted) -> PortFuture<'_, Rows> {
        self.inner.export(wanted)
    }

    fn begin(&self) -> PortFuture<'_, Begun> {
        self.inner.begin()
    }

    fn put(&self, rows: Vec<Row>, mark: Mark) -> PortFuture<'_, ()> {
        Box::pin(async move {
            let is_last = self.left.fetch_sub(1, Ordering::Relaxed) == 0;
            if !is_last || self.after {
                self.inner.put(rows, mark).await?;
            }
            if is_last {
                return Err(StoreError::Unknown("killed".into()));
            }
            Ok(())
        })
    }

    fn finish(&self) -> PortFuture<'_, ()> {
        self.inner.finish()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_broken_off_is_gone_on_with() {
    let from = filled().await;
    let all = summary(&from).await;
    let mut to = embedded();
    // A batch a kind, so that each attempt comes one kind further: killed behind a put, or before the next.
    let mut attempts = 0;
    loop {
        let after = attempts % 2 == 0;
        let killed = Archive {
            store: Arc::new(Killed {
                inner: archive(&to).store,
                left: AtomicUsize::new(usize::from(!after)),
                after,
            }),
            ..archive(&to)
        };
        let copied = archive(&from).copy_to(&killed, Arc::default()).await;
        if copied.is_ok() {
            break;
        }
        attempts += 1;
        assert!(attempts <= 2 * Kind::ALL.len(), "{copied:?}");
        drop(killed);
        let folder = to.close().await;
        let refused = crate::open("sled:data", folder.path());
        assert!(
            matches!(refused, Err(OpenError::Unfinished)),
            "it does not serve"
        );
        let backend = open_to_fill(folder.path()).unwrap();
        to = Store { backend, folder };
    }
    assert!(attempts >= Kind::ALL.len() - 1);
    let to = to.reopen().await;
    assert_eq!(summary(&to).await, all);
    holds_the_same(&from.backend.stores, &to.backend.stores).await;
    from.close().await;
    to.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_source_is_not_gone_on_with() {
    let (from, other, to) = (filled().await, embedded(), embedded());
    let killed = Archive {
        store: Arc::new(Killed {
            inner: archive(&to).store,
            left: AtomicUsize::new(5),
            after: true,
        }),
        ..archive(&to)
    };
    archive(&from)
        .copy_to(&killed, Arc::default())
        .await
        .unwrap_err();
    let refused = archive(&other).copy_to(&archive(&to), Arc::default()).await;
    assert!(
        matches!(refused, Err(ArchiveError::OtherSource(_))),
        "{refused:?}"
    );
    let fact = other.backend.stores.meta.put_if_absent("pepper", vec![9]);
    fact.await.unwrap();
    let id = other
        .backend
        .stores
        .meta
        .put_if_absent("master_key_id", vec![9]);
    id.await.unwrap();
    let refused = archive(&other).copy_to(&archive(&to), Arc::default()).await;
    assert!(
        matches!(refused, Err(ArchiveError::OtherSource(_))),
        "{refused:?}"
    );
    archive(&from)
        .copy_to(&archive(&to), Arc::default())
        .await
        .unwrap();
    for store in [from, other, to] {
        store.close().await;
    }
}

/// Tells one row less than it was given.
struct Forgetful(Arc<dyn Archived>);

impl Archived for Forgetful {
    fn export(&self, wanted: Wanted) -> PortFuture<'_, Rows> {
        self.0.export(wanted)
    }

    fn begin(&self) -> PortFuture<'_, Begun> {
        self.0.begin()
    }

    fn put(&self, mut rows: Vec<Row>, mark: Mark) -> PortFuture<'_, ()> {
        if rows.first().is_some_and(|row| row.kind() == Kind::Session) {
            rows.pop();
        }
        self.0.put(rows, mark)
    }

    fn finish(&self) -> PortFuture<'_, ()> {
        self.0.finish()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_differs_is_told_and_does_not_serve() {
    let (from, to) = (filled().await, embedded());
    let forgetful = Archive {
        store: Arc::new(Forgetful(archive(&to).store)),
        ..archive(&to)
    };
    let told = archive(&from).copy_to(&forgetful, Arc::default()).await;
    let Err(ArchiveError::Differs {
        kind,
        copied: 4,
        of: 5,
    }) = told
    else {
        panic!("{told:?}");
    };
    assert_eq!(kind, "sessions");
    drop(forgetful);
    let folder = to.close().await;
    let refused = crate::open("sled:data", folder.path());
    assert!(matches!(refused, Err(OpenError::Unfinished)));
    from.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_can_be_stopped() {
    let (from, to) = (filled().await, embedded());
    let progress = Arc::new(Progress::default());
    progress.stop();
    let stopped = archive(&from).copy_to(&archive(&to), progress).await;
    assert!(matches!(stopped, Err(ArchiveError::Stopped)));
    archive(&from)
        .copy_to(&archive(&to), Arc::default())
        .await
        .unwrap();
    from.close().await;
    to.close().await;
}

async fn all(store: &Store) -> Vec<Packed> {
    let archive = archive(store);
    let mut rows = archive.store.export(Wanted::ALL).await.unwrap();
    let mut all = Vec::new();
    while let Some(batch) = rows.next().await {
        all.extend(batch.unwrap());
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_told_beside_writers_is_of_one_moment() {
    let store = embedded();
    let writers: Vec<_> = (0..4_u8)
        .map(|writer| {
            let keys = Arc::clone(&store.backend.stores.keys);
            tokio::spawn(async move {
                for nth in 0..60_u8 {
                    let mut key = sample::key(&format!("{writer}-{nth}"), 0);
                    key.hash.0[..2].copy_from_slice(&[writer, nth]);
                    let event = sample::key_event(&key);
                    keys.put(key, Expect::Absent, event).await.unwrap();
                }
            })
        })
        .collect();
    let mut told = 0;
    while told < 240 {
        let (mut keys, mut events, mut last) = (BTreeSet::new(), BTreeSet::new(), 0);
        for row in all(&store).await {
            match row.unpack().unwrap() {
                Row::Key(key) => drop(keys.insert(key.id)),
                Row::Event(row) => match row.event.kind {
                    EventKind::KeyCreated { id, .. } => drop(events.insert(id)),
                    other => panic!("{other:?}"),
                },
                Row::Counter(counter) => last = counter.value,
                _ => {}
            }
        }
        assert_eq!(keys, events, "a key and its event");
        assert_eq!(last, keys.len() as u64);
        assert!(keys.len() >= told);
        told = keys.len();
    }
    for writer in writers {
        writer.await.unwrap();
    }
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_of_the_running_process_are_told() {
    let store = embedded();
    let limit = troupe_core::LimitId::declared("l");
    let counter = store.backend.stores.cells.open(limit, 5, 9, 40);
    counter.value().fetch_add(2, Ordering::Relaxed);
    let rows = all(&store).await;
    let charged = |rows: &[Packed]| {
        let rows = rows.iter().filter(|row| row.kind == Kind::Quota);
        let rows = rows.map(|row| match row.unpack().unwrap() {
            Row::Quota(row) => row.charged,
            other => panic!("{other:?}"),
        });
        rows.collect::<Vec<_>>()
    };
    assert_eq!(charged(&rows), [42], "never saved");
    let saved = |charged| troupe_core::port::QuotaRow {
        limit,
        start_ms: 5,
        end_ms: 9,
        charged,
    };
    store
        .backend
        .stores
        .quotas
        .save(vec![saved(41)])
        .await
        .unwrap();
    assert_eq!(charged(&all(&store).await), [42], "the larger");
    store
        .backend
        .stores
        .quotas
        .save(vec![saved(50)])
        .await
        .unwrap();
    assert_eq!(charged(&all(&store).await), [50], "the larger");
    drop(counter);
    store.close().await;
}
