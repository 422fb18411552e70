//! Between the embedded store and PostgreSQL, there and back.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use super::moves::Killed;
use super::store::{Store, embedded, filled, holds_the_same};
use super::{archive, back_up, restore, summary};
use crate::OpenError;
use crate::archive::{Archive, ArchiveError, Kind};
use crate::postgres::testing::Postgres;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_store_holds_is_the_same_on_postgresql_and_back() {
    let server = Postgres::start();
    let from = filled().await;
    let all = summary(&from).await;
    let folder = tempfile::tempdir().unwrap();
    let options = server.options(folder.path()).await;
    let mut backend = options.open_to_fill().await.unwrap();
    // Broken off at every kind.
    let mut attempts = 0;
    loop {
        let to = backend.archive().unwrap();
        let killed = Archive {
            store: Arc::new(Killed {
                inner: Arc::clone(&to.store),
                left: AtomicUsize::new(attempts % 2),
                after: attempts % 2 == 0,
            }),
            ..to
        };
        let copied = archive(&from).copy_to(&killed, Arc::default()).await;
        if copied.is_ok() {
            break;
        }
        attempts += 1;
        assert!(attempts <= 2 * Kind::ALL.len(), "{copied:?}");
        drop(killed);
        if attempts == 3 {
            backend.close().await.unwrap();
            let refused = options.open().await;
            assert!(matches!(refused, Err(OpenError::Unfinished)), "{refused:?}");
            backend = options.open_to_fill().await.unwrap();
        }
    }
    backend.close().await.unwrap();
    let backend = options.open().await.unwrap();
    let there = Store { backend, folder };
    assert_eq!(summary(&there).await, all);

    let back = embedded();
    let copied = archive(&there)
        .copy_to(&archive(&back), Arc::default())
        .await;
    assert_eq!(copied.unwrap(), all);
    assert_eq!(summary(&back).await, all);
    holds_the_same(&from.backend.stores, &back.backend.stores).await;

    let file = there.folder.path().join("backup");
    let written = archive(&there)
        .back_up(back_up(&file, None), Arc::default())
        .await;
    assert_eq!(written.unwrap(), all);
    let refused = restore(&file, &there).await;
    assert!(
        matches!(refused, Err(ArchiveError::NotEmpty)),
        "{refused:?}"
    );
    holds_the_same(&from.backend.stores, &there.backend.stores).await;
    for store in [from, back, there] {
        store.close().await;
    }
}
