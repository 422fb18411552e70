//! A server that hangs, dies and comes back.

use std::time::{Duration, Instant};

use troupe_core::port::{Expect, QuotaRow, StoreError};
use troupe_core::{KeyId, LimitId};

use super::opened;
use crate::contract::{keys, sample};
use crate::postgres::testing::Postgres;
use crate::{Backend, FaultKind};

/// A bit more than the longest operation.
const DEADLINE: Duration = Duration::from_secs(9);

fn quota(charged: u64) -> QuotaRow {
    QuotaRow {
        limit: LimitId(KeyId::declared("limit").0),
        start_ms: 0,
        end_ms: u64::MAX,
        charged,
    }
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let ends = Instant::now() + Duration::from_secs(30);
    while !holds().await {
        assert!(Instant::now() < ends, "never: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn works_again(backend: &Backend) {
    until("the store answers", async || {
        backend.stores.keys.list().await.is_ok()
    })
    .await;
    let health = backend.health().unwrap();
    assert!(health.is_up());
    until("what waits is written", async || health.dirty_rows() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_is_given_up_in_time_and_comes_back() {
    let server = Postgres::start();
    let folder = tempfile::tempdir().unwrap();
    let (options, backend) = opened(&server, folder.path()).await;
    let stores = backend.stores.clone();
    keys::create(&stores, "k", 1).await;
    server.freeze();

    let began = Instant::now();
    // More than the pool has, at once: none waits for another's place in vain.
    let reads: Vec<_> = (0..12)
        .map(|_| {
            let keys = stores.keys.clone();
            tokio::spawn(async move { keys.list().await })
        })
        .collect();
    let key = sample::key("l", 2);
    let put = stores
        .keys
        .put(key.clone(), Expect::Absent, sample::key_event(&key));
    assert!(matches!(
        put.await,
        Err(StoreError::Unavailable(_) | StoreError::Unknown(_))
    ));
    for read in reads {
        assert!(matches!(
            read.await.unwrap(),
            Err(StoreError::Unavailable(_))
        ));
    }
    assert!(began.elapsed() < DEADLINE, "{:?}", began.elapsed());
    let health = backend.health().unwrap();
    assert!(!health.is_up());
    assert_eq!(health.last_failure(), Some(FaultKind::Timeout));

    // Soft rows are taken, and told as they are.
    let began = Instant::now();
    for charged in 1..=50 {
        stores.quotas.save(vec![quota(charged)]).await.unwrap();
    }
    stores
        .sessions
        .save(vec![sample::session(1, 2)])
        .await
        .unwrap();
    assert!(began.elapsed() < DEADLINE, "{:?}", began.elapsed());
    let limit = quota(0).limit;
    assert_eq!(
        stores.quotas.load(vec![limit], 0).await.unwrap(),
        [quota(50)]
    );
    assert_eq!(health.dirty_rows(), 2);

    server.thaw();
    works_again(&backend).await;
    let state = sample::state(sample::account("a").id);
    stores
        .accounts
        .save_state(state.clone(), Vec::new())
        .await
        .unwrap();
    backend.close().await.unwrap();
    let backend = options.open().await.unwrap();
    let stores = &backend.stores;
    assert_eq!(
        stores.quotas.load(vec![limit], 0).await.unwrap(),
        [quota(50)]
    );
    assert_eq!(stores.accounts.states().await.unwrap(), [state]);
    assert_eq!(
        stores.sessions.load(0, 9).await.unwrap(),
        [sample::session(1, 2)]
    );
    backend.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pool_mends_itself_when_the_server_was_killed() {
    let mut server = Postgres::start();
    let folder = tempfile::tempdir().unwrap();
    let (options, backend) = opened(&server, folder.path()).await;
    let stores = backend.stores.clone();
    let key = keys::create(&stores, "k", 1).await;
    server.kill();
    let refused = stores.keys.list().await;
    assert!(
        matches!(refused, Err(StoreError::Unavailable(_))),
        "{refused:?}"
    );
    let account = sample::account("a");
    let event = sample::account_event(&account);
    stores
        .accounts
        .save_state(sample::state(account.id), vec![event.clone()])
        .await
        .unwrap();
    stores.quotas.save(vec![quota(7)]).await.unwrap();
    assert_eq!(
        stores.cells.in_use(),
        1,
        "a sum that waits outlives the process"
    );
    server.restart();
    works_again(&backend).await;
    assert_eq!(stores.cells.in_use(), 0);
    assert_eq!(stores.keys.list().await.unwrap(), [key]);
    assert_eq!(stores.events.after(1, 9).await.unwrap(), [(2, event)]);
    server.kill();
    stores.quotas.save(vec![quota(8)]).await.unwrap();
    let lost = backend.close().await.unwrap_err();
    assert!(lost.to_string().contains("1 rows"), "{lost}");
    server.restart();
    // The counter had it.
    let backend = options.open().await.unwrap();
    let limit = quota(0).limit;
    assert_eq!(
        backend.stores.quotas.load(vec![limit], 0).await.unwrap(),
        [quota(8)]
    );
    backend.close().await.unwrap();
}
