//! A trail on a real folder, beside a store in memory.

use std::path::Path;
use std::time::Duration;

use tokio::runtime::Handle;
use troupe_core::KeyId;
use troupe_core::event::{DomainEvent, EventKind};
use troupe_core::key::KeyRecord;
use troupe_core::port::{Expect, Stores};
use troupe_storage::audit::{Line, Report, Tail, scan, verify};

use super::*;

fn stores(folder: &Path) -> Stores {
    troupe_storage::open("memory:", folder).unwrap().stores
}

async fn start(dir: Option<&Path>, stores: &Stores) -> Audit {
    let settings = Settings {
        dir: dir.map(Path::to_owned),
        node: "local".into(),
        retention: Duration::from_secs(86_400),
    };
    Audit::start(settings, stores.clone(), &Handle::current()).await
}

/// A key, with its event.
async fn make(stores: &Stores, name: &str) {
    let mut record = KeyRecord::new(KeyId::declared(name), name.into(), 1);
    record.hash = troupe_core::KeyHash([u8::try_from(name.len()).unwrap(); 32]);
    let kind = EventKind::KeyCreated {
        id: record.id,
        name: name.into(),
    };
    let event = DomainEvent::new(1, "cli", kind);
    stores
        .keys
        .put(record, Expect::Absent, event)
        .await
        .unwrap();
}

fn lines(dir: &Path) -> Vec<Line> {
    let mut lines = Vec::new();
    scan(dir, "local", |_, bytes, _| {
        lines.push(Line::read(bytes).unwrap());
        std::ops::ControlFlow::Continue(())
    })
    .unwrap();
    lines
}

async fn judged(dir: &Path, stores: &Stores) -> Report {
    let anchor = stores.audit.anchor("local".into()).await.unwrap();
    verify(dir, &"local".into(), anchor.as_ref()).unwrap()
}

#[tokio::test]
async fn what_was_committed_is_told_once_over_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let stores = stores(folder.path());
    make(&stores, "a").await;
    for name in ["bb", "ccc"] {
        // As after a crash between the commit and the line.
        let audit = start(Some(folder.path()), &stores).await;
        make(&stores, name).await;
        audit.settle().await.unwrap();
        audit.settle().await.unwrap();
        audit.close().await;
    }
    let told: Vec<_> = lines(folder.path())
        .iter()
        .map(|l| (l.resource.to_string(), l.event))
        .collect();
    let wanted = [("key:a", 1), ("key:bb", 2), ("key:ccc", 3)];
    assert_eq!(told, wanted.map(|(name, seq)| (name.to_owned(), Some(seq))));
    let report = judged(folder.path(), &stores).await;
    assert_eq!((report.broken, report.tail), (None, Tail::Whole));
}

#[tokio::test]
async fn another_store_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let one = stores(folder.path());
    for name in ["a", "bb", "ccc"] {
        make(&one, name).await;
    }
    start(Some(folder.path()), &one).await.close().await;
    let other = stores(folder.path());
    make(&other, "x").await;
    let audit = start(Some(folder.path()), &other).await;
    audit.settle().await.unwrap();
    make(&other, "yy").await;
    audit.settle().await.unwrap();
    audit.close().await;
    let told: Vec<_> = lines(folder.path())
        .iter()
        .map(|l| l.action.to_string())
        .collect();
    assert_eq!(told[3..], ["trail.store_changed", "key.created"]);
    assert_eq!(judged(folder.path(), &other).await.broken, None);
}

#[tokio::test]
async fn a_trail_that_cannot_be_written_keeps_its_lines() {
    let folder = tempfile::tempdir().unwrap();
    let (stores, dir) = (stores(folder.path()), folder.path().join("audit"));
    std::fs::write(&dir, "in the way").unwrap();
    let audit = start(Some(&dir), &stores).await;
    assert!(matches!(audit.ready(), Err(AuditError::Broken(_))));
    let line = Entry::new(1, "cli", "store.backed_up", "store");
    assert!(matches!(audit.tell(line).await, Err(AuditError::Late(_))));
    assert!(audit.figures().is_broken);
    std::fs::remove_file(&dir).unwrap();
    let whole = async {
        while audit.ready().is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), whole)
        .await
        .unwrap();
    audit.close().await;
    let told: Vec<_> = lines(&dir).iter().map(|l| l.action.to_string()).collect();
    assert_eq!(told, ["store.backed_up", "trail.recovered"]);
}

#[tokio::test]
async fn notes_that_are_too_many_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let stores = stores(folder.path());
    let audit = start(Some(folder.path()), &stores).await;
    // Not once does the writer get its turn on this thread.
    let many = 3 * notes::NOTES as u64;
    for n in 0..many {
        audit.note(Entry::new(n, "client", "quota.exceeded", "key:a"));
    }
    let aggregated = audit.figures().aggregated;
    assert!(aggregated > 0);
    audit.tell(Entry::new(1, "cli", "x.y", "z")).await.unwrap();
    audit.close().await;
    let lines = lines(folder.path());
    let counted: u64 = lines
        .iter()
        .filter(|line| &*line.action == "quota.exceeded")
        .map(|line| line.count.unwrap_or(1))
        .sum();
    assert_eq!(counted, many);
    assert!(lines.len() < 2 * notes::NOTES, "{}", lines.len());
}

#[tokio::test]
async fn a_store_in_memory_has_the_only_copy() {
    let folder = tempfile::tempdir().unwrap();
    let stores = stores(folder.path());
    let audit = start(None, &stores).await;
    make(&stores, "a").await;
    audit.settle().await.unwrap();
    audit.close().await;
    let anchor = stores.audit.anchor("local".into()).await.unwrap();
    assert_eq!(anchor.map(|anchor| anchor.seq), Some(1));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
