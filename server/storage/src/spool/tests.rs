//! A store that goes away and comes back, with the real one in memory behind it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use troupe_core::RequestId;
use troupe_core::bodies::StoredBodies;
use troupe_core::log::{LogFound, LogPage, LogQuery, LogSearch};
use troupe_core::port::{BodyStore, LogStore, PortFuture, StoreError, Stores, UsageStore};
use troupe_core::record::RequestRecord;
use troupe_core::usage::UsageQuery;

use super::item::Item;
use super::queue::Queue;
use super::{Inner, Spooled};
use crate::contract::{sample, usage::batch_of};
use crate::health::StoreHealth;
use crate::memory;

/// Refuses while it is away; forgets to answer after a write while it is `torn`.
struct Sometimes {
    store: Arc<dyn LogStore>,
    away: AtomicBool,
    torn: AtomicBool,
    told: AtomicU64,
    order: Mutex<Vec<u64>>,
}

impl LogStore for Sometimes {
    fn append(&self, rows: Vec<RequestRecord>) -> PortFuture<'_, ()> {
        Box::pin(async move {
            self.told.fetch_add(1, Ordering::SeqCst);
            if self.away.load(Ordering::SeqCst) {
                return Err(StoreError::Unavailable("it is away".into()));
            }
            let times = rows.iter().map(|row| row.at_ms);
            self.order.lock().unwrap().extend(times);
            self.store.append(rows).await?;
            match self.torn.load(Ordering::SeqCst) {
                true => Err(StoreError::Unknown("no answer".into())),
                false => Ok(()),
            }
        })
    }

    fn retain(&self, oldest_ms: u64) -> PortFuture<'_, usize> {
        self.store.retain(oldest_ms)
    }

    fn find(&self, id: RequestId) -> PortFuture<'_, Option<RequestRecord>> {
        self.store.find(id)
    }

    fn tail(&self, query: LogQuery) -> PortFuture<'_, LogPage> {
        self.store.tail(query)
    }

    fn search(&self, search: LogSearch) -> PortFuture<'_, LogFound> {
        self.store.search(search)
    }
}

struct Subject {
    stores: Stores,
    log: Arc<Sometimes>,
    spooled: Spooled,
    folder: tempfile::TempDir,
}

impl Subject {
    fn new(max_bytes: u64) -> Self {
        let stores = memory::stores();
        let log = Arc::new(Sometimes {
            store: Arc::clone(&stores.log),
            away: AtomicBool::new(false),
            torn: AtomicBool::new(false),
            told: AtomicU64::new(0),
            order: Mutex::default(),
        });
        let folder = tempfile::tempdir().unwrap();
        let spooled = open(&stores, &log, folder.path(), max_bytes);
        Self {
            stores,
            log,
            spooled,
            folder,
        }
    }

    fn away(&self, away: bool) {
        self.log.away.store(away, Ordering::SeqCst);
    }

    async fn append(&self, at_ms: u64) -> Result<(), StoreError> {
        LogStore::append(&self.spooled, vec![sample::request(at_ms)]).await
    }

    fn order(&self) -> Vec<u64> {
        self.log.order.lock().unwrap().clone()
    }

    async fn emptied(&self) {
        let empty = async {
            while self.spooled.health.spooled_bytes() > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), empty)
            .await
            .expect("the spool is told");
    }
}

fn open(
    stores: &Stores,
    log: &Arc<Sometimes>,
    folder: &std::path::Path,
    max_bytes: u64,
) -> Spooled {
    let inner = Inner {
        log: log.clone(),
        usage: Arc::clone(&stores.usage),
        bodies: Arc::clone(&stores.bodies),
    };
    Spooled::open(inner, folder, max_bytes, Arc::new(StoreHealth::new())).unwrap()
}

const ROOM: u64 = 1024 * 1024;

#[tokio::test]
async fn what_was_spooled_is_told_in_order_when_the_store_is_back() {
    let subject = Subject::new(ROOM);
    subject.append(1).await.unwrap();
    subject.away(true);
    for at_ms in 2..40 {
        subject.append(at_ms).await.unwrap();
    }
    assert!(subject.spooled.health.spooled_bytes() > 0);
    assert_eq!(subject.order(), [1]);
    subject.away(false);
    // Behind what waits, though the store is there.
    subject.append(40).await.unwrap();
    subject.emptied().await;
    assert_eq!(subject.order(), (1..=40).collect::<Vec<_>>());
    assert_eq!(
        std::fs::read_dir(subject.folder.path())
            .unwrap()
            .filter(|entry| {
                let name = entry.as_ref().unwrap().file_name();
                name.to_string_lossy().ends_with(".spool")
            })
            .count(),
        0
    );
}

#[tokio::test]
async fn a_store_that_is_away_is_not_asked_for_each_row() {
    let subject = Subject::new(ROOM);
    subject.away(true);
    for at_ms in 0..200 {
        subject.append(at_ms).await.unwrap();
    }
    assert!(subject.log.told.load(Ordering::SeqCst) < 20);
}

#[tokio::test]
async fn an_end_of_the_process_loses_nothing_of_it() {
    let subject = Subject::new(ROOM);
    subject.away(true);
    for at_ms in 0..5 {
        subject.append(at_ms).await.unwrap();
    }
    let Subject {
        stores,
        log,
        spooled,
        folder,
    } = subject;
    spooled.close().await;
    drop(spooled);
    log.away.store(false, Ordering::SeqCst);
    let spooled = open(&stores, &log, folder.path(), ROOM);
    let again = Subject {
        stores,
        log,
        spooled,
        folder,
    };
    again.emptied().await;
    assert_eq!(again.order(), [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn usage_of_an_unknown_outcome_is_counted_once() {
    let subject = Subject::new(ROOM);
    let batch = batch_of(7, 0..3);
    let all = UsageQuery {
        to_day: u32::MAX,
        ..UsageQuery::default()
    };
    subject.away(true);
    subject.append(1).await.unwrap();
    subject.spooled.add(batch.clone()).await.unwrap();
    // It is there, and nobody was told.
    subject.stores.usage.add(batch).await.unwrap();
    let once = subject.stores.usage.query(all.clone()).await.unwrap();
    subject.away(false);
    subject.emptied().await;
    assert_eq!(subject.stores.usage.query(all).await.unwrap(), once);
}

#[tokio::test]
async fn rows_of_an_unknown_outcome_are_told_again() {
    let subject = Subject::new(ROOM);
    subject.log.torn.store(true, Ordering::SeqCst);
    subject.append(1).await.unwrap();
    subject.log.torn.store(false, Ordering::SeqCst);
    subject.emptied().await;
    assert!(subject.order().len() >= 2, "told again");
}

#[tokio::test]
async fn a_full_spool_refuses_bodies_first_and_usage_last() {
    let subject = Subject::new(100_000);
    subject.away(true);
    let bodies = |n: u8| StoredBodies {
        id: RequestId(uuid::Uuid::from_bytes([n; 16])),
        at_ms: 1,
        packed: vec![n; 10_000],
    };
    let mut kept = 0;
    while BodyStore::append(&subject.spooled, vec![bodies(kept)])
        .await
        .is_ok()
    {
        // The first is away only when it is asked: bodies have a store of their own here.
        kept += 1;
        assert!(kept < 100 || subject.spooled.health.spooled_bytes() == 0);
        if kept == 1 {
            subject.append(1).await.unwrap();
        }
    }
    assert!(subject.spooled.health.spooled_bytes() <= 50_000);
    while subject.append(2).await.is_ok() {}
    let full = subject.spooled.health.spooled_bytes();
    assert!((80_000..=90_000).contains(&full), "{full}");
    subject.spooled.add(batch_of(7, 0..3)).await.unwrap();
    assert_eq!(subject.spooled.health.spool_lost(), 2);
    subject.away(false);
    subject.emptied().await;
    subject.append(3).await.unwrap();
}

fn times(queue: &Queue) -> Vec<u64> {
    let mut told = Vec::new();
    while let Some(item) = queue.head().unwrap() {
        let Item::Rows(rows) = item else { panic!() };
        told.extend(rows.iter().map(|row| row.at_ms));
        queue.drop_head().unwrap();
    }
    told
}

#[test]
fn a_later_spool_is_not_taken_for_an_earlier_one() {
    let folder = tempfile::tempdir().unwrap();
    let push = |queue: &Queue, at_ms| {
        queue
            .push(&Item::Rows(vec![sample::request(at_ms)]))
            .unwrap()
    };
    let queue = Queue::open(folder.path(), ROOM).unwrap();
    (0..5).for_each(|at_ms| push(&queue, at_ms));
    assert_eq!(times(&queue), [0, 1, 2, 3, 4]);
    drop(queue);
    let queue = Queue::open(folder.path(), ROOM).unwrap();
    (5..12).for_each(|at_ms| push(&queue, at_ms));
    drop(queue);
    let queue = Queue::open(folder.path(), ROOM).unwrap();
    assert_eq!(times(&queue), (5..12).collect::<Vec<_>>());
}

#[test]
fn a_file_that_was_told_and_left_behind_is_not_told_again() {
    let folder = tempfile::tempdir().unwrap();
    let queue = Queue::open(folder.path(), ROOM).unwrap();
    queue.push(&Item::Rows(vec![sample::request(1)])).unwrap();
    let path = folder.path().join("00000001.spool");
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(times(&queue), [1]);
    drop(queue);
    std::fs::write(&path, bytes).unwrap();
    let queue = Queue::open(folder.path(), ROOM).unwrap();
    assert!(queue.is_empty() && queue.head().unwrap().is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Damage anywhere costs the rest of its file, never an order, and never an item that is not one.
    #[test]
    fn damage_costs_no_more_than_a_file(count in 1_u64..30, at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let folder = tempfile::tempdir().unwrap();
        let queue = Queue::open(folder.path(), ROOM).unwrap();
        for at_ms in 0..count {
            queue.push(&Item::Rows(vec![sample::request(at_ms)])).unwrap();
        }
        drop(queue);
        let path = folder.path().join("00000001.spool");
        let mut bytes = std::fs::read(&path).unwrap();
        let place = at.index(bytes.len());
        bytes[place] ^= 1 << bit;
        std::fs::write(&path, &bytes).unwrap();
        let queue = Queue::open(folder.path(), ROOM).unwrap();
        queue.push(&Item::Rows(vec![sample::request(1_000)])).unwrap();
        let told = times(&queue);
        let hit = place as u64 * count / bytes.len() as u64;
        prop_assert!(told.len() as u64 >= hit.saturating_sub(1), "{told:?} of {count}, hit {hit}");
        prop_assert!(told.is_sorted());
        prop_assert_eq!(told.last(), Some(&1_000));
        prop_assert!(queue.is_empty());
    }

    /// Told to any point and opened again: what is left, with nothing twice and nothing missing.
    #[test]
    fn it_goes_on_where_it_was(count in 1_u64..30, told in 0_u64..30) {
        let folder = tempfile::tempdir().unwrap();
        let queue = Queue::open(folder.path(), ROOM).unwrap();
        for at_ms in 0..count {
            queue.push(&Item::Rows(vec![sample::request(at_ms)])).unwrap();
        }
        let told = told.min(count);
        for _ in 0..told {
            queue.head().unwrap().unwrap();
            queue.drop_head().unwrap();
        }
        drop(queue);
        let queue = Queue::open(folder.path(), ROOM).unwrap();
        queue.push(&Item::Rows(vec![sample::request(count)])).unwrap();
        prop_assert_eq!(times(&queue), (told..=count).collect::<Vec<_>>());
    }
}
