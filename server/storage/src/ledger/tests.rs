//! What the next process finds, whatever happened to this one and to the file.

mod damage;
mod full_disk;
mod rows;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::Ordering;

use troupe_core::port::{CellRows, Counter, QuotaRow};

use super::*;
use crate::contract::quotas::{load, row};

/// The counter of limit `n`, in the window `start_ms..start_ms + 10`.
fn open(cells: &dyn CellRows, n: u64, start_ms: u64, charged: u64) -> Arc<dyn Counter> {
    let row = row(n, start_ms, charged);
    cells.open(row.limit, row.start_ms, row.end_ms, row.charged)
}

fn value(counter: &Arc<dyn Counter>) -> u64 {
    counter.value().load(Ordering::Relaxed)
}

fn cells_file(data_dir: &Path) -> PathBuf {
    data_dir.join("ledger/cells")
}

/// What a process that started now would find, by limit and window.
fn left(data_dir: &Path) -> BTreeMap<(String, u64), QuotaRow> {
    let rows = Ledger::left(data_dir).unwrap();
    let count = rows.len();
    let rows: BTreeMap<_, _> = rows
        .into_iter()
        .map(|row| ((row.limit.to_string(), row.start_ms), row))
        .collect();
    assert_eq!(rows.len(), count, "a window has two rows");
    rows
}

#[tokio::test]
async fn what_is_in_use_is_saved_at_the_next_start_and_what_is_not_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let backend = crate::open("sled:data", folder.path()).unwrap();
    assert!(backend.stores.cells.is_durable());
    let kept = open(&*backend.stores.cells, 1, 0, 5);
    let dropped = open(&*backend.stores.cells, 2, 0, 5);
    kept.value().fetch_add(37, Ordering::Relaxed);
    drop(dropped);
    backend.close().await.unwrap();

    let backend = crate::open("sled:data", folder.path()).unwrap();
    assert_eq!(load(&backend.stores, &[1, 2], 0).await, [row(1, 0, 42)]);
    assert_eq!(backend.stores.cells.in_use(), 0);
    assert!(
        Ledger::left(&folder.path().join("data"))
            .unwrap()
            .is_empty()
    );
    // The old counter still has its place, and it is not in the new file.
    kept.value().fetch_add(1, Ordering::Relaxed);
    let other = open(&*backend.stores.cells, 3, 0, 0);
    assert_eq!((value(&kept), value(&other)), (43, 0));
    backend.close().await.unwrap();
}

#[tokio::test]
async fn a_start_that_was_cut_is_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let file = cells_file(&folder.path().join("data"));
    let backend = crate::open("sled:data", folder.path()).unwrap();
    let counters = [(1, 30), (2, 10)].map(|(n, to)| open(&*backend.stores.cells, n, 0, to));
    // One was saved since, and higher.
    backend
        .stores
        .quotas
        .save(vec![row(1, 0, 20), row(2, 0, 20)])
        .await
        .unwrap();
    backend.close().await.unwrap();
    let before = std::fs::read(&file).unwrap();
    for _ in 0..2 {
        let backend = crate::open("sled:data", folder.path()).unwrap();
        let rows = load(&backend.stores, &[1, 2], 0).await;
        assert_eq!(rows, [row(2, 0, 20), row(1, 0, 30)]);
        backend.close().await.unwrap();
        // As if it had ended after the fold and in the middle of the new file.
        std::fs::write(&file, &before).unwrap();
        std::fs::write(file.with_extension("new"), "half").unwrap();
    }
    drop(counters);
}

#[tokio::test]
async fn only_this_user_reads_the_file_and_the_thread_ends_with_the_ledger() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::begin(folder.path()).unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&cells_file(folder.path())), 0o600);
    assert_eq!(mode(&folder.path().join("ledger")), 0o700);
    let cells = ledger.cells();
    let counters = Arc::downgrade(&ledger.counters);
    let before = open(&*cells, 1, 0, 1);
    ledger.close().await.unwrap();
    let after = open(&*cells, 2, 0, 2);
    assert!(!cells.is_durable());
    assert_eq!((value(&before), value(&after), cells.in_use()), (1, 2, 2));
    drop((before, after, cells));
    assert!(counters.upgrade().is_none());
}

#[test]
fn a_charge_is_seen_by_the_thread_that_writes() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::begin(folder.path()).unwrap();
    let cells = ledger.cells();
    let mut seen = vec![ledger.counters.fingerprint()];
    let counters: Vec<_> = (0..3_000).map(|n| open(&*cells, n, 0, 0)).collect();
    seen.push(ledger.counters.fingerprint());
    for counter in [&counters[0], &counters[1], &counters[2_999]] {
        counter.value().fetch_add(1, Ordering::Relaxed);
        seen.push(ledger.counters.fingerprint());
    }
    drop(counters);
    seen.push(ledger.counters.fingerprint());
    let changes = seen.len();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), changes);
}
