//! Rows are given out and come back in any order, and never belong to two.

use proptest::prelude::*;

use super::*;
use crate::ledger::chunk::CHUNK_BYTES;

#[derive(Clone, Debug)]
enum Op {
    /// As many counters.
    Open(usize),
    /// Of the counters that are held, those in this share (‰), from this one (‰) on.
    Drop(usize, usize),
    /// This one (‰).
    Charge(usize, u64),
    /// The gateway is killed and starts.
    Restart,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (1..700_usize).prop_map(Op::Open),
        4 => (0..1_000_usize, 0..1_000_usize).prop_map(|(share, from)| Op::Drop(share, from)),
        8 => (0..1_000_usize, any::<u64>()).prop_map(|(which, by)| Op::Charge(which, by)),
        1 => Just(Op::Restart),
    ]
}

struct Held {
    row: QuotaRow,
    counter: Arc<dyn Counter>,
}

/// Each counter has its own value, and the file has exactly those that are held.
fn check(folder: &Path, cells: &dyn CellRows, held: &[Held]) {
    for one in held {
        assert_eq!(value(&one.counter), one.row.charged, "{:?}", one.row);
    }
    assert_eq!(cells.in_use(), held.len());
    let rows = held.iter().map(|held| held.row);
    let expected: BTreeMap<_, _> = rows
        .map(|row| ((row.limit.to_string(), row.start_ms), row))
        .collect();
    assert_eq!(left(folder), expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn no_order_shares_a_row(ops in prop::collection::vec(op(), 1..40)) {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::begin(folder.path()).unwrap();
        let mut held: Vec<Held> = Vec::new();
        let (mut opened, mut most) = (0, 0);
        for op in ops {
            let cells = ledger.cells();
            match op {
                Op::Open(count) => for _ in 0..count {
                    opened += 1;
                    let row = row(opened % 100, opened * 10, opened);
                    let counter = open(&*cells, opened % 100, opened * 10, opened);
                    held.push(Held { row, counter });
                },
                Op::Drop(share, from) => {
                    let from = held.len() * from / 1_000;
                    let to = (from + held.len() * share / 1_000).min(held.len());
                    held.drain(from..to);
                }
                Op::Charge(which, by) => {
                    let which = held.len() * which / 1_000;
                    if let Some(one) = held.get_mut(which) {
                        one.row.charged = one.row.charged.wrapping_add(by);
                        one.counter.value().fetch_add(by, Ordering::Relaxed);
                    }
                }
                Op::Restart => {
                    check(folder.path(), &*cells, &held);
                    // The counters of the old file are held on, as in a process that is slow to end.
                    let old: Vec<_> = held.drain(..).map(|held| held.counter).collect();
                    let values: Vec<u64> = old.iter().map(value).collect();
                    ledger = Ledger::begin(folder.path()).unwrap();
                    prop_assert!(values.into_iter().eq(old.iter().map(value)));
                    most = 0;
                }
            }
            most = most.max(held.len());
            let cells = ledger.cells();
            check(folder.path(), &*cells, &held);
            prop_assert!(cells.is_durable());
            let size = cells_file(folder.path()).metadata().unwrap().len();
            let chunks = (most + 1).div_ceil(1024).max(1);
            prop_assert_eq!(size, (chunks * CHUNK_BYTES) as u64);
        }
    }
}

#[test]
fn threads_never_share_a_row() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::begin(folder.path()).unwrap();
    let cells = ledger.cells();
    let task = |thread: u64| {
        let mut held = Vec::new();
        for n in 0..6_000_u64 {
            let own = thread << 32 | n;
            let counter = open(&*cells, own, 0, own);
            counter.value().fetch_add(1, Ordering::Relaxed);
            held.push((own + 1, counter));
            if n % 3 != 0 {
                let (expected, counter) = held.swap_remove(n as usize * 7 % held.len());
                assert_eq!(value(&counter), expected);
            }
        }
        held
    };
    let held: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|n| scope.spawn(move || task(n))).collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(held.iter().all(|(expected, one)| value(one) == *expected));
    assert_eq!(left(folder.path()).len(), held.len());
    assert_eq!(cells.in_use(), held.len());
}

#[test]
fn a_hundred_thousand_rows_leave_the_file_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::begin(folder.path()).unwrap();
    let cells = ledger.cells();
    let size = || cells_file(folder.path()).metadata().unwrap().len();
    for n in 0..100_000 {
        drop(open(&*cells, n, 0, n));
    }
    assert_eq!((size(), cells.in_use()), (CHUNK_BYTES as u64, 0));
    let mut full = 0;
    for _ in 0..2 {
        let held: Vec<_> = (0..100_000).map(|n| open(&*cells, n, 0, n)).collect();
        assert!(cells.is_durable());
        assert!(full == 0 || full == size(), "rows are used again");
        full = size();
        assert_eq!(cells.in_use(), held.len());
    }
    assert_eq!(full, 100_001_u64.div_ceil(1024) * CHUNK_BYTES as u64);
    assert!(Ledger::left(folder.path()).unwrap().is_empty());
    drop((ledger, cells));
    let _next = Ledger::begin(folder.path()).unwrap();
    assert_eq!(size(), CHUNK_BYTES as u64);
}
