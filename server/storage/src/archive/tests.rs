//! Stores through files and into other stores. Invariant: no test knows how a backend keeps its rows.

mod damage;
mod moves;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "postgres")]
mod scale;
pub(crate) mod store;

use std::path::Path;
use std::sync::Arc;

use secrecy::SecretString;

use super::{Archive, ArchiveError, BackUp, Backup, Progress, Summary, Wanted};
use store::{Store, embedded, filled, holds_the_same};

fn back_up(path: &Path, passphrase: Option<&str>) -> BackUp {
    BackUp {
        path: path.to_owned(),
        replace: false,
        wanted: Wanted::ALL,
        passphrase: passphrase.map(SecretString::from),
        troupe: "1.2.3".into(),
        created_ms: 7,
    }
}

pub(crate) fn archive(store: &Store) -> Archive {
    store.backend.archive().unwrap()
}

pub(crate) async fn restore(file: &Path, to: &Store) -> Result<Summary, ArchiveError> {
    let backup = Backup::check(file, None)?;
    archive(to).restore(backup, Arc::default()).await
}

/// What is in a store.
pub(crate) async fn summary(store: &Store) -> Summary {
    let archive = archive(store);
    let mut rows = archive.store.export(Wanted::ALL).await.unwrap();
    let mut summary = Summary::default();
    while let Some(batch) = rows.next().await {
        batch.unwrap().iter().for_each(|row| summary.add(row));
    }
    summary
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_holds_everything_and_so_does_what_it_is_restored_into() {
    let folder = tempfile::tempdir().unwrap();
    let from = filled().await;
    for (name, passphrase) in [("plain", None), ("sealed", Some("horse"))] {
        let file = folder.path().join(name);
        let how = back_up(&file, passphrase);
        let written = archive(&from).back_up(how, Arc::default()).await.unwrap();
        assert_eq!(written, summary(&from).await);
        assert_eq!(
            written.0.len(),
            super::Kind::ALL.len(),
            "every kind: {written:?}"
        );
        let backup = Backup::check(&file, passphrase.map(SecretString::from)).unwrap();
        let header = backup.header();
        assert_eq!((header.created_ms, &*header.troupe), (7, "1.2.3"));
        assert_eq!(header.sealed.is_some(), passphrase.is_some());
        assert_eq!(backup.summary(), &written);
        let to = embedded();
        let progress = Arc::new(Progress::default());
        let copied = archive(&to).restore(backup, Arc::clone(&progress)).await;
        assert_eq!(copied.unwrap(), written);
        assert_eq!(progress.rows(), written.rows());
        assert_eq!(progress.checked(), written.rows());
        let again = to.reopen().await;
        assert_eq!(summary(&again).await, written);
        holds_the_same(&from.backend.stores, &again.backend.stores).await;
        again.close().await;
    }
    from.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_wanted_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let from = filled().await;
    let all = summary(&from).await;
    for (requests, bodies) in [(false, false), (true, false), (false, true)] {
        let file = folder.path().join(format!("{requests}{bodies}"));
        let mut how = back_up(&file, None);
        how.wanted = Wanted { requests, bodies };
        let written = archive(&from).back_up(how, Arc::default()).await.unwrap();
        let has = |kind| written.of(kind) == all.of(kind);
        assert_eq!(has(super::Kind::Request), requests);
        assert_eq!(written.of(super::Kind::Bodies).rows, 0);
        assert!(has(super::Kind::Key) && has(super::Kind::Usage));
        let to = embedded();
        assert_eq!(restore(&file, &to).await.unwrap(), written);
        to.close().await;
    }
    from.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_with_contents_is_not_written_to() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("b");
    let from = filled().await;
    let how = back_up(&file, None);
    archive(&from).back_up(how, Arc::default()).await.unwrap();
    let used = embedded();
    let fact = used.backend.stores.meta.put_if_absent("x", vec![1]);
    fact.await.unwrap();
    let before = summary(&used).await;
    let refused = restore(&file, &used).await;
    assert!(
        matches!(refused, Err(ArchiveError::NotEmpty)),
        "{refused:?}"
    );
    assert_eq!(summary(&used).await, before);
    let logged = embedded();
    let row = crate::contract::sample::request(1);
    logged.backend.stores.log.append(vec![row]).await.unwrap();
    let refused = restore(&file, &logged).await;
    assert!(
        matches!(refused, Err(ArchiveError::NotEmpty)),
        "{refused:?}"
    );
    for store in [from, used, logged] {
        store.close().await;
    }
}

#[tokio::test]
async fn a_store_in_memory_has_no_archive() {
    let backend = crate::open("memory:", Path::new("")).unwrap();
    assert!(backend.archive().is_none());
}
