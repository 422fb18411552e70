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
    let event = DomainEvent::new(now_ms(), "cli", kind);
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

fn actions(dir: &Path) -> Vec<String> {
    lines(dir).iter().map(|l| l.action.to_string()).collect()
}

#[tokio::test]
async fn an_older_store_is_noticed_before_anything_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    let newer = stores(folder.path());
    for name in ["a", "bb", "ccc"] {
        make(&newer, name).await;
    }
    start(Some(folder.path()), &newer).await.close().await;
    let older = stores(folder.path());
    make(&older, "a").await;
    let audit = start(Some(folder.path()), &older).await;
    audit.ready().unwrap();
    // As an operation does: the change is committed before anything is settled.
    make(&older, "changed").await;
    audit.settle().await.unwrap();
    audit.close().await;
    let lines = lines(folder.path());
    let told: Vec<_> = lines[3..].iter().map(|l| (&*l.action, l.event)).collect();
    assert_eq!(
        told,
        [("trail.store_changed", Some(1)), ("key.created", Some(2))]
    );
}

#[tokio::test]
async fn an_older_store_is_noticed_behind_a_trail_that_opens_late() {
    let folder = tempfile::tempdir().unwrap();
    let (dir, aside) = (folder.path().join("audit"), folder.path().join("aside"));
    let newer = stores(folder.path());
    for name in ["a", "bb", "ccc"] {
        make(&newer, name).await;
    }
    start(Some(&dir), &newer).await.close().await;
    std::fs::rename(&dir, &aside).unwrap();
    std::fs::write(&dir, "in the way").unwrap();
    let older = stores(folder.path());
    make(&older, "a").await;
    let audit = start(Some(&dir), &older).await;
    audit.ready().unwrap_err();
    // The first key of a new gateway asks nobody.
    for name in ["bb2", "ccc2", "dddd2"] {
        make(&older, name).await;
    }
    std::fs::remove_file(&dir).unwrap();
    std::fs::rename(&aside, &dir).unwrap();
    let settled = async { while audit.settle().await.is_err() {} };
    tokio::time::timeout(Duration::from_secs(10), settled)
        .await
        .unwrap();
    audit.ready().unwrap();
    audit.close().await;
    let told: Vec<_> = lines(&dir).iter().filter_map(|l| l.event).collect();
    assert_eq!(told, [1, 2, 3, 1, 2, 3, 4]);
}

#[tokio::test]
async fn a_lost_folder_is_gone_on_behind_the_stores_copy() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("audit");
    let stores = stores(folder.path());
    for name in ["a", "bb", "ccc"] {
        make(&stores, name).await;
    }
    start(Some(&dir), &stores).await.close().await;
    std::fs::remove_dir_all(&dir).unwrap();
    for round in 0..2 {
        let audit = start(Some(&dir), &stores).await;
        make(&stores, ["dddd", "eeeee"][round]).await;
        audit.settle().await.unwrap();
        audit.close().await;
    }
    let lines = lines(&dir);
    let told: Vec<_> = lines.iter().map(|l| (l.seq, &*l.action, l.event)).collect();
    assert_eq!(
        told,
        [
            (4, "trail.continued", None),
            (5, "key.created", Some(4)),
            (6, "key.created", Some(5))
        ]
    );
    let report = judged(&dir, &stores).await;
    assert_eq!((report.broken, report.tail), (None, Tail::Whole));
    assert_eq!(
        (report.first, report.last, report.continued),
        (4, 6, Some(3))
    );
}

#[tokio::test]
async fn a_cut_tail_is_not_told_again() {
    let folder = tempfile::tempdir().unwrap();
    let stores = stores(folder.path());
    make(&stores, "a").await;
    start(Some(folder.path()), &stores).await.close().await;
    let file = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|e| e == "jsonl"))
        .unwrap();
    let first = std::fs::read(&file).unwrap();
    for name in ["bb", "ccc"] {
        make(&stores, name).await;
    }
    start(Some(folder.path()), &stores).await.close().await;
    std::fs::write(&file, first).unwrap();
    let audit = start(Some(folder.path()), &stores).await;
    make(&stores, "dddd").await;
    audit.settle().await.unwrap();
    audit.close().await;
    let lines = lines(folder.path());
    let told: Vec<_> = lines.iter().map(|l| (l.seq, &*l.action, l.event)).collect();
    assert_eq!(
        told,
        [
            (1, "key.created", Some(1)),
            (4, "trail.damaged", None),
            (5, "key.created", Some(4))
        ]
    );
}

#[tokio::test]
async fn a_line_that_is_asked_for_twice_is_written_once() {
    let folder = tempfile::tempdir().unwrap();
    let stores = stores(folder.path());
    let audit = start(Some(folder.path()), &stores).await;
    let change = |event| Entry {
        event: Some(event),
        ..Entry::new(1, "cli", "key.created", "key:a")
    };
    // As when the disk was slow, and the first wait for it was given up.
    let twice = tokio::join!(
        audit.append(vec![change(1), change(2)], false),
        audit.append(vec![change(1), change(2), change(3)], false),
    );
    assert_eq!(twice, (Ok(()), Ok(())));
    audit.append(vec![change(3)], false).await.unwrap();
    audit.close().await;
    let told: Vec<_> = lines(folder.path()).iter().map(|l| l.event).collect();
    assert_eq!(told, [Some(1), Some(2), Some(3)]);
}

/// An outbox that was pruned: it begins at its third event.
struct Pruned(Stores);

impl troupe_core::port::EventStore for Pruned {
    fn after(
        &self,
        after: u64,
        limit: usize,
    ) -> troupe_core::port::PortFuture<'_, Vec<(u64, DomainEvent)>> {
        self.0.events.after(after.max(2), limit)
    }
}

#[tokio::test]
async fn events_that_nobody_can_tell_any_more_are_told_as_lost() {
    let folder = tempfile::tempdir().unwrap();
    let mut stores = stores(folder.path());
    for name in ["a", "bb", "ccc", "dddd"] {
        make(&stores, name).await;
    }
    stores.events = Arc::new(Pruned(stores.clone()));
    start(Some(folder.path()), &stores).await.close().await;
    start(Some(folder.path()), &stores).await.close().await;
    let lines = lines(folder.path());
    assert_eq!(
        actions(folder.path()),
        ["trail.events_lost", "key.created", "key.created"]
    );
    let lost = lines[0].after.as_ref().unwrap();
    assert_eq!((&lost["from"], &lost["to"]), (&1.into(), &2.into()));
    assert_eq!(lines[2].told, 4);
}

#[tokio::test]
async fn a_damaged_line_does_not_stop_the_stores_copy() {
    let folder = tempfile::tempdir().unwrap();
    let stores = stores(folder.path());
    make(&stores, "a").await;
    start(Some(folder.path()), &stores).await.close().await;
    let away = stores.clone();
    let mut elsewhere = stores.clone();
    elsewhere.audit = self::stores(folder.path()).audit;
    for name in ["bb", "ccc"] {
        make(&elsewhere, name).await;
    }
    // Its lines are not in the store yet when one of them is damaged.
    let row = away.audit.anchor("local".into()).await.unwrap();
    start(Some(folder.path()), &elsewhere).await.close().await;
    assert_eq!(row, away.audit.anchor("local".into()).await.unwrap());
    let file = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|e| e == "jsonl"))
        .unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("key:bb", "key:xx")).unwrap();
    let audit = start(Some(folder.path()), &stores).await;
    make(&stores, "dddd").await;
    audit.settle().await.unwrap();
    audit.0.state.mirrored_within(Duration::from_secs(10)).await;
    assert_eq!(audit.figures().unmirrored, 0);
    audit.close().await;
    let report = judged(folder.path(), &stores).await;
    assert_eq!(report.broken.unwrap().at.unwrap().line, 2);
    let anchor = stores.audit.anchor("local".into()).await.unwrap();
    assert_eq!(anchor.unwrap().seq, 4);
}
