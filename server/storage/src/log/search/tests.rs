use proptest::prelude::*;
use troupe_core::log::{LogCursor, LogFilter};
use troupe_core::port::{LogStore, StoreError};
use troupe_core::record::{Outcome, RequestRecord, Route};

use super::super::{SegmentLog, index};
use super::*;
use crate::contract::search::row;

const DAY_MS: u64 = 86_400_000;

fn asked(limit: usize) -> LogSearch {
    LogSearch {
        limit,
        ..LogSearch::default()
    }
}

async fn filled(rows: Vec<RequestRecord>) -> (tempfile::TempDir, SegmentLog) {
    let folder = tempfile::tempdir().unwrap();
    let log = SegmentLog::open(folder.path()).unwrap();
    log.append(rows).await.unwrap();
    (folder, log)
}

fn requests(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("requests")
}

/// Every page of a bounded search, and how many bytes the pages looked at.
fn all_of(folder: &Path, mut wanted: LogSearch, most: u64) -> (Vec<RequestRecord>, u64) {
    let (mut rows, mut looked_at) = (Vec::new(), 0);
    loop {
        let after = wanted.after.as_ref().map(|c| Cursor::parse(c).unwrap());
        let page = bounded(folder, &wanted, after, most).unwrap().unwrap();
        rows.extend(page.found.rows);
        looked_at += page.looked_at;
        if page.found.next.is_none() {
            return (rows, looked_at);
        }
        assert_ne!(page.found.next, wanted.after, "each page comes further");
        wanted.after = page.found.next;
    }
}

fn newest_first(rows: &[RequestRecord]) -> Vec<RequestRecord> {
    rows.iter().rev().cloned().collect()
}

fn of_session(session: u64) -> LogSearch {
    LogSearch {
        filter: LogFilter {
            session: Some(session),
            ..LogFilter::default()
        },
        ..asked(50)
    }
}

/// Some rows whose session only they have.
fn sessions(count: u64) -> Vec<RequestRecord> {
    let with_session = |n| RequestRecord {
        session: Some(n),
        ..row(DAY_MS + n, 0)
    };
    (0..count).map(with_session).collect()
}

#[tokio::test]
async fn a_rare_row_is_found_without_reading_the_rest() {
    let rows = sessions(20_000);
    let (folder, log) = filled(rows.clone()).await;
    let segment = requests(&folder).join("1970-01-02.jsonl");
    let len = segment.metadata().unwrap().len();
    let (found, looked_at) = all_of(&requests(&folder), of_session(700), u64::MAX);
    assert_eq!(found, [rows[700].clone()]);
    assert!(looked_at < len / 4, "{looked_at} of {len}");
    let in_time = LogSearch {
        from_ms: Some(DAY_MS + 500),
        to_ms: Some(DAY_MS + 510),
        ..asked(50)
    };
    let (found, looked_at) = all_of(&requests(&folder), in_time, u64::MAX);
    assert_eq!(found, newest_first(&rows[500..510]));
    assert!(looked_at < len / 4, "{looked_at} of {len}");
    assert_eq!(log.find(rows[3].id).await.unwrap().as_ref(), Some(&rows[3]));
}

#[tokio::test]
async fn an_index_is_never_needed() {
    let rows = sessions(6_000);
    let (folder, _log) = filled(rows.clone()).await;
    let path = index::index_path(&requests(&folder).join("1970-01-02.jsonl"));
    let whole = std::fs::read(&path).unwrap();
    let entry = index::ENTRY_BYTES;
    assert!(whole.len() > 4 * entry);
    let mut flipped = whole.clone();
    flipped[entry + 20] ^= 1;
    flipped[2 * entry + 1_000] ^= 0xff;
    let twice = [&whole[..], &whole[..]].concat();
    for damaged in [
        Vec::new(),
        whole[entry..].to_vec(),
        whole[..2 * entry + 9].to_vec(),
        flipped,
        twice,
        b"no index".to_vec(),
        whole.clone(),
    ] {
        std::fs::write(&path, &damaged).unwrap();
        let folder = requests(&folder);
        for session in [0, 1_500, 3_000, 5_999] {
            let (found, _) = all_of(&folder, of_session(session), u64::MAX);
            let nth = usize::try_from(session).unwrap();
            assert_eq!(found, [rows[nth].clone()], "{session}");
        }
        assert_eq!(all_of(&folder, asked(999), 1 << 20).0, newest_first(&rows));
    }
}

#[tokio::test]
async fn entries_of_rows_that_are_gone_are_forgotten() {
    let rows = sessions(6_000);
    let (folder, log) = filled(rows.clone()).await;
    drop(log);
    let segment = requests(&folder).join("1970-01-02.jsonl");
    let text = std::fs::read_to_string(&segment).unwrap();
    let kept: usize = text.lines().take(1_500).map(|line| line.len() + 1).sum();
    std::fs::write(&segment, &text[..kept + 5]).unwrap();
    let log = SegmentLog::open(folder.path()).unwrap();
    let others: Vec<_> = (0..6_000)
        .map(|n| RequestRecord {
            session: Some(90_000 + n),
            ..row(DAY_MS + 9_000 + n, 1)
        })
        .collect();
    log.append(others.clone()).await.unwrap();
    for n in [0, 1_000, 2_500, 5_999] {
        let (found, _) = all_of(&requests(&folder), of_session(90_000 + n), u64::MAX);
        assert_eq!(found, [others[usize::try_from(n).unwrap()].clone()], "{n}");
    }
    let (found, _) = all_of(&requests(&folder), of_session(3_000), u64::MAX);
    assert!(found.is_empty());
    let all = [&rows[..1_500], &others[..]].concat();
    assert_eq!(
        all_of(&requests(&folder), asked(999), u64::MAX).0,
        newest_first(&all)
    );
}

#[tokio::test]
async fn an_index_is_made_for_segments_that_have_none() {
    let rows = sessions(6_000);
    let (folder, log) = filled(rows.clone()).await;
    log.append(vec![row(3 * DAY_MS, 0)]).await.unwrap();
    let path = index::index_path(&requests(&folder).join("1970-01-02.jsonl"));
    let len = path.metadata().unwrap().len();
    std::fs::write(&path, b"torn").unwrap();
    let found = log.search(of_session(5)).await.unwrap();
    assert_eq!(found.rows, [rows[5].clone()]);
    let look = || {
        let page = bounded(&requests(&folder), &of_session(5), None, u64::MAX);
        page.unwrap().unwrap()
    };
    for _ in 0..1_000 {
        if look().incomplete.is_none() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let page = look();
    assert_eq!((page.found.rows.len(), page.incomplete), (1, None));
    assert!(path.metadata().unwrap().len() >= len);
    assert_eq!(log.retain(3 * DAY_MS).await.unwrap(), 1);
    assert!(!path.exists());
}

#[tokio::test]
async fn what_is_not_understood_is_told_and_never_passed_over() {
    let (folder, log) = filled(sessions(10)).await;
    let segment = requests(&folder).join("1970-01-02.jsonl");
    let mut text = std::fs::read(&segment).unwrap();
    text.extend_from_slice(b"{\"id\":7,\"later\":true}\n\n\xff\n");
    text.extend(vec![b'x'; 3 << 20]);
    text.push(b'\n');
    std::fs::write(&segment, text).unwrap();
    let log_again = SegmentLog::open(folder.path()).unwrap();
    log_again.append(vec![row(DAY_MS + 99, 0)]).await.unwrap();
    drop(log);
    let page = bounded(&requests(&folder), &asked(99), None, u64::MAX);
    let page = page.unwrap().unwrap();
    assert_eq!(page.found.rows.len(), 11);
    assert!(page.found.unreadable >= 3);
}

#[tokio::test]
async fn a_cursor_within_a_row_is_refused() {
    let (_folder, log) = filled(sessions(10)).await;
    let next = log.search(asked(3)).await.unwrap().next.unwrap();
    let mut cursor = Cursor::parse(&next).unwrap();
    cursor.end -= 1;
    let after = Some(LogCursor::from(cursor));
    let refused = log.search(LogSearch { after, ..asked(1) }).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))));
    cursor.end = u64::MAX;
    let after = Some(LogCursor::from(cursor));
    let found = log.search(LogSearch { after, ..asked(1) }).await.unwrap();
    assert_eq!(found.rows.len(), 1, "the segment may have shrunk");
}

/// Two hundred thousand rows; every page looks at a bounded part, and together they tell what a reader of all would.
#[tokio::test]
async fn many_rows_are_searched_in_bounded_parts() {
    let folder = tempfile::tempdir().unwrap();
    let log = SegmentLog::open(folder.path()).unwrap();
    let mut wanted = Vec::new();
    for batch in 0..100_u64 {
        let rows: Vec<_> = (0..2_000_u64)
            .map(|n| {
                let nth = batch * 2_000 + n;
                let mut row = row(DAY_MS + nth, 0);
                row.duration_us = nth % 1_000;
                row.model = Some(if nth % 50_000 == 77 { "rare" } else { "usual" }.into());
                row
            })
            .collect();
        wanted.extend(
            rows.iter()
                .filter(|row| row.model.as_deref() == Some("rare"))
                .cloned(),
        );
        log.append(rows).await.unwrap();
    }
    let requests = requests(&folder);
    let len = requests.join("1970-01-02.jsonl").metadata().unwrap().len();
    let first = bounded(&requests, &asked(50), None, PAGE_BYTES);
    let first = first.unwrap().unwrap();
    assert_eq!(first.found.rows.len(), 50);
    assert!(first.looked_at < 1 << 20, "{}", first.looked_at);
    let mut rare = asked(10);
    rare.filter.model = Some("rare".into());
    let (found, looked_at) = all_of(&requests, rare, 1 << 20);
    assert_eq!(found, newest_first(&wanted));
    assert!(looked_at < len / 8, "{looked_at} of {len}");
    let mut slow = asked(100_000);
    slow.filter.min_duration_us = Some(1_001);
    let page = bounded(&requests, &slow, None, 1 << 20).unwrap().unwrap();
    assert_eq!((page.found.rows.len(), page.found.next), (0, None));
    // In every block: nothing is ruled out, and a page ends all the same.
    slow.filter.min_duration_us = Some(999);
    let page = bounded(&requests, &slow, None, 1 << 20).unwrap().unwrap();
    assert!(page.found.next.is_some());
    assert!(page.looked_at < 2 << 20, "{}", page.looked_at);
}

fn any_row() -> impl Strategy<Value = RequestRecord> {
    let names = prop::option::of(prop::sample::select(vec!["a", "b", "é\"\\\n"]));
    (
        0..3 * DAY_MS,
        any::<u32>(),
        (names.clone(), names.clone(), names),
        prop::sample::select(vec![0_u16, 200, 429, 512, 529]),
        (0..3_u64, 0..3_u64, any::<bool>(), any::<bool>()),
    )
        .prop_map(|(at_ms, last, (model, account, error), status, more)| {
            let (session, cost, stream, is_messages) = more;
            let mut row = row(at_ms, last);
            row.model = model.map(Into::into);
            row.account_name = account.map(Into::into);
            row.error = error.map(Into::into);
            row.status = status;
            row.session = (session > 0).then_some(session);
            row.cost_micro_usd = cost;
            row.duration_us = cost * 2;
            row.stream = stream;
            if !is_messages {
                row.route = Route::Other;
                row.outcome = Outcome::Failed;
                row.key = None;
            }
            row
        })
}

fn any_search() -> impl Strategy<Value = LogSearch> {
    fn some<T: Clone + std::fmt::Debug + 'static>(of: Vec<T>) -> impl Strategy<Value = Option<T>> {
        prop::option::weighted(0.25, prop::sample::select(of))
    }
    (
        (
            some(vec!["a", "é\"\\\n"]),
            some(vec!["b", "c"]),
            some(vec!["\"\\", "n"]),
        ),
        (some(vec!["429", "5xx", "2xx"]), some(vec![1_u64, 2, 3])),
        (
            some(vec![1_u64, 3]),
            some(vec![2_u64]),
            some(vec![true, false]),
        ),
        (
            prop::option::of(0..3 * DAY_MS),
            prop::option::of(0..3 * DAY_MS),
        ),
        (
            some(vec![Route::Other]),
            some(vec![Outcome::Failed]),
            any::<bool>(),
        ),
        1..40_usize,
    )
        .prop_map(
            |(names, (status, session), measures, times, kinds, limit)| LogSearch {
                filter: LogFilter {
                    model: names.0.map(Into::into),
                    account: names.1.map(Into::into),
                    error: names.2.map(Into::into),
                    status: status.map(|text| text.parse().unwrap()),
                    session,
                    min_duration_us: measures.0,
                    min_cost_micro_usd: measures.1,
                    stream: measures.2,
                    route: kinds.0,
                    outcome: kinds.1,
                    api_only: kinds.2,
                    ..LogFilter::default()
                },
                from_ms: times.0,
                to_ms: times.1,
                limit,
                after: None,
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is written and asked, in whatever pages: the rows that a plain look at all of them finds.
    #[test]
    fn a_search_finds_what_a_plain_look_finds(
        rows in prop::collection::vec(any_row(), 0..120),
        copies in 1..20_usize,
        wanted in any_search(),
        most in 1..200_000_u64,
    ) {
        let rows: Vec<_> = std::iter::repeat_n(rows, copies).flatten().collect();
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let log = SegmentLog::open(folder.path()).unwrap();
            for batch in rows.chunks(700) {
                log.append(batch.to_vec()).await.unwrap();
            }
        });
        let mut plain: Vec<_> = rows
            .iter()
            .filter(|row| wanted.covers(row.at_ms) && wanted.filter.matches(row))
            .cloned()
            .collect();
        // By day, and within one as they were written.
        plain.sort_by_key(|row| row.at_ms / DAY_MS);
        plain.reverse();
        let (found, _) = all_of(&requests(&folder), wanted, most);
        prop_assert_eq!(found, plain);
    }
}
