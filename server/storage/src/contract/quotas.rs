//! The contract of `QuotaStore` and `CellRows`.

use std::sync::atomic::Ordering;

use troupe_core::LimitId;
use troupe_core::port::{QuotaRow, Stores};

/// A row of limit `n` whose window is `start_ms..start_ms + 10`.
pub(crate) fn row(n: u64, start_ms: u64, charged: u64) -> QuotaRow {
    QuotaRow {
        limit: LimitId::declared(&n.to_string()),
        start_ms,
        end_ms: start_ms + 10,
        charged,
    }
}

pub(crate) async fn load(stores: &Stores, limits: &[u64], now_ms: u64) -> Vec<QuotaRow> {
    let limits = limits.iter().map(|n| row(*n, 0, 0).limit).collect();
    let mut rows = stores.quotas.load(limits, now_ms).await.unwrap();
    rows.sort_by_key(|row| (row.start_ms, row.charged));
    rows
}

pub(super) async fn the_last_write_of_a_window_wins(stores: &Stores) {
    stores.quotas.save(Vec::new()).await.unwrap();
    let first = vec![row(1, 0, 5), row(1, 10, 7), row(2, 0, u64::MAX)];
    stores.quotas.save(first).await.unwrap();
    let again = vec![row(1, 0, 9), row(1, 0, 3)];
    stores.quotas.save(again).await.unwrap();
    assert_eq!(load(stores, &[1], 0).await, [row(1, 0, 3), row(1, 10, 7)]);
    assert_eq!(load(stores, &[2], 0).await, [row(2, 0, u64::MAX)]);
    assert_eq!(load(stores, &[], 0).await, []);
    assert_eq!(load(stores, &[3], 0).await, []);
}

pub(super) async fn ended_windows_are_not_loaded_and_go(stores: &Stores) {
    let endless = QuotaRow {
        end_ms: u64::MAX,
        ..row(1, 1_000, 4)
    };
    let rows = vec![row(1, 0, 1), row(1, 10, 2), row(2, 0, 3), endless];
    stores.quotas.save(rows).await.unwrap();
    assert_eq!(load(stores, &[1, 2], 9).await.len(), 4);
    assert_eq!(load(stores, &[1, 2], 10).await, [row(1, 10, 2), endless]);
    assert_eq!(stores.quotas.prune(9).await.unwrap(), 0);
    assert_eq!(stores.quotas.prune(10).await.unwrap(), 2);
    assert_eq!(stores.quotas.prune(10).await.unwrap(), 0);
    assert_eq!(load(stores, &[1, 2], 0).await, [row(1, 10, 2), endless]);
}

pub(super) async fn many_rows_are_saved_at_once(stores: &Stores) {
    const LIMITS: u64 = 3_000;
    let rows = (0..LIMITS).flat_map(|n| (0..5).map(move |window| row(n, window * 10, n)));
    stores.quotas.save(rows.collect()).await.unwrap();
    let limits: Vec<u64> = (0..LIMITS).collect();
    let found = load(stores, &limits, 20).await;
    assert_eq!(found.len() as u64, LIMITS * 3);
    let mut gone = 0;
    loop {
        match stores.quotas.prune(40).await.unwrap() {
            0 => break,
            some => gone += some as u64,
        }
    }
    assert_eq!(gone, LIMITS * 4);
    assert_eq!(load(stores, &limits, 0).await.len() as u64, LIMITS);
}

pub(super) async fn counters_are_apart_and_counted(stores: &Stores) {
    let cells = &stores.cells;
    let limit = row(1, 0, 0).limit;
    assert_eq!(cells.in_use(), 0);
    let first = cells.open(limit, 0, 10, 5);
    let next = cells.open(limit, 10, 20, u64::MAX);
    let other = cells.open(row(2, 0, 0).limit, 0, 10, 0);
    first.value().fetch_add(2, Ordering::Relaxed);
    other.value().store(9, Ordering::Relaxed);
    assert_eq!(cells.in_use(), 3);
    let values = [&first, &next, &other].map(|one| one.value().load(Ordering::Relaxed));
    assert_eq!(values, [7, u64::MAX, 9]);
    let again = first.clone();
    drop((first, next));
    assert_eq!(cells.in_use(), 2);
    assert_eq!(again.value().load(Ordering::Relaxed), 7);
    drop((again, other));
    assert_eq!(cells.in_use(), 0);
    assert_eq!(
        cells.open(limit, 0, 10, 1).value().load(Ordering::Relaxed),
        1
    );
}
