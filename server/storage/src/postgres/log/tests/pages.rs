//! Pages while rows arrive, and what a page may cost.

use std::time::Duration;

use troupe_core::KeyId;
use troupe_core::log::{LogCursor, LogFilter, LogSearch};
use troupe_core::port::{LogStore, StoreError};
use troupe_core::record::{Outcome, RequestRecord, Route};

use super::super::PgLog;
use super::super::search::Bounds;
use super::{MIDNIGHT_MS, all, asked, fresh, looked_at, newest_first, of_key, row, text};
use crate::postgres::partitions::DAY_MS;
use crate::postgres::testing::Postgres;

/// Rows that were there at the start are each told once, whatever arrives before, between and after them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_miss_and_double_nothing_while_rows_arrive() {
    let server = Postgres::start();
    for (limit, filter) in [
        (1, LogFilter::default()),
        (7, LogFilter::default()),
        (
            5,
            LogFilter {
                keys: vec![KeyId::declared("k")],
                ..LogFilter::default()
            },
        ),
        (
            5,
            LogFilter {
                account: text("c"),
                ..LogFilter::default()
            },
        ),
    ] {
        let (pg, _) = fresh(&server).await;
        let log = PgLog::new(pg);
        let mut there: Vec<_> = (0..60)
            .map(|n| row(MIDNIGHT_MS - 30 + n / 2 * 2, n))
            .collect();
        log.append(there.clone()).await.unwrap();
        newest_first(&mut there);
        let mut search = asked(&filter, limit);
        let mut told: Vec<RequestRecord> = Vec::new();
        for arriving in 0_u64.. {
            let page = log.search(search.clone()).await.unwrap();
            told.extend(page.rows);
            let Some(next) = page.next else { break };
            search.after = Some(next);
            // Newer than all, of moments that are told already, and of some that are not.
            let late = [200, 20, 0, 3].map(|ms| row(MIDNIGHT_MS - 30 + ms, 1_000 + arriving));
            log.append(late.to_vec()).await.unwrap();
        }
        assert!(told.is_sorted_by(|a, b| (a.at_ms, a.id) > (b.at_ms, b.id)));
        told.retain(|row| there.contains(row));
        assert_eq!(told, there, "{limit} {filter:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_is_told_and_a_foreign_cursor_refused() {
    let server = Postgres::start();
    let (pg, _) = fresh(&server).await;
    let log = PgLog::new(pg);
    let empty = log.search(asked(&LogFilter::default(), 5)).await.unwrap();
    assert_eq!((empty.rows.len(), empty.next), (0, None));
    let rows = (0..10).map(|n| row(MIDNIGHT_MS - 5 + n, n)).collect();
    log.append(rows).await.unwrap();
    for (limit, has_more) in [(0, true), (9, true), (10, false), (11, false)] {
        let page = log
            .search(asked(&LogFilter::default(), limit))
            .await
            .unwrap();
        assert_eq!(page.rows.len(), limit.min(10));
        assert_eq!(page.next.is_some(), has_more, "{limit}");
    }
    let foreign = LogSearch {
        after: Some(LogCursor("m1.7".into())),
        ..asked(&LogFilter::default(), 5)
    };
    let refused = log.search(foreign).await;
    assert!(
        matches!(refused, Err(StoreError::Conflict(_))),
        "{refused:?}"
    );
}

const ROWS: u64 = 200_000;

/// Nearly all rows are alike; each rare value has one row, deep inside.
fn common(n: u64) -> RequestRecord {
    let mut row = of_key(row(MIDNIGHT_MS + n, n), "many");
    row.failed.clear();
    row.passed_over.clear();
    row.account_name = text("a");
    row.model = text(if n.is_multiple_of(2) { "even" } else { "odd" });
    row.owner = text(if n.is_multiple_of(2) { "eve" } else { "odette" });
    row.session = Some(n / 50);
    if n == 100 {
        row.key = Some(KeyId::declared("one"));
        row.account_name = text("rare");
        row.model = text("rare");
        row.owner = text("rare");
        row.group = text("rare");
        row.session = Some(u64::MAX);
        row.route = Route::Relay;
        row.outcome = Outcome::Truncated;
        row.status = 529;
        row.stream = !row.stream;
        row.error = Some("rare".into());
        row.upstream_request_id = Some("rare".into());
    }
    row
}

/// Of 200 000 rows of a day and 2 000 of the day before, each look is bounded, whatever it is for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_page_looks_at_is_bounded() {
    let server = Postgres::start();
    let (pg, _) = fresh(&server).await;
    let log = PgLog::new(pg.clone());
    let mut at = 0;
    while at < ROWS {
        let batch = (at..ROWS.min(at + 20_000)).map(common).collect();
        log.append(batch).await.unwrap();
        at += 20_000;
    }
    let before = (0..2_000)
        .map(|n| common(n + 1_000))
        .map(|row| RequestRecord {
            at_ms: row.at_ms - DAY_MS,
            ..row
        });
    log.append(before.collect()).await.unwrap();
    // Of the time nothing is asserted: it is given for ever.
    let bounds = Bounds {
        time: Duration::from_secs(600),
        rows: 20_000,
    };
    let any = LogFilter::default;
    let one = |filter: LogFilter| (filter, 1, 200);
    let cases = [
        (any(), 50, 100),
        one(LogFilter {
            keys: vec![KeyId::declared("one")],
            ..any()
        }),
        one(LogFilter {
            account: text("rare"),
            ..any()
        }),
        one(LogFilter {
            model: text("rare"),
            ..any()
        }),
        one(LogFilter {
            owner: text("rare"),
            ..any()
        }),
        one(LogFilter {
            group: text("rare"),
            ..any()
        }),
        one(LogFilter {
            session: Some(u64::MAX),
            ..any()
        }),
        one(LogFilter {
            route: Some(Route::Relay),
            ..any()
        }),
        one(LogFilter {
            outcome: Some(Outcome::Truncated),
            ..any()
        }),
        one(LogFilter {
            status: Some("529".parse().unwrap()),
            ..any()
        }),
        one(LogFilter {
            status: Some("5xx".parse().unwrap()),
            ..any()
        }),
        one(LogFilter {
            stream: Some(false),
            ..any()
        }),
        one(LogFilter {
            error: text("rar"),
            ..any()
        }),
        one(LogFilter {
            upstream_request_id: text("rare"),
            ..any()
        }),
        // Frequent ones, alone and with a rare one.
        (
            LogFilter {
                keys: vec![KeyId::declared("many")],
                ..any()
            },
            50,
            100,
        ),
        (
            LogFilter {
                model: text("odd"),
                ..any()
            },
            50,
            100,
        ),
        (
            LogFilter {
                status: Some("2xx".parse().unwrap()),
                ..any()
            },
            50,
            100,
        ),
        one(LogFilter {
            keys: vec![KeyId::declared("many"), KeyId::declared("one")],
            model: text("rare"),
            ..any()
        }),
        (
            LogFilter {
                model: text("odd"),
                owner: text("rare"),
                ..any()
            },
            0,
            200,
        ),
        (
            LogFilter {
                model: text("nobody"),
                ..any()
            },
            0,
            0,
        ),
    ];
    for (filter, rows, most) in cases {
        let (found, looked_at, _) = looked_at(&pg, asked(&filter, 50), bounds).await;
        assert_eq!(found, rows, "{filter:?}");
        assert!(looked_at <= most, "{looked_at} for {filter:?}");
    }
    // Two frequent ones that no row has together, and what no index helps with: a page ends, and the next goes on.
    for filter in [
        LogFilter {
            model: text("odd"),
            owner: text("eve"),
            ..any()
        },
        LogFilter {
            min_cost_micro_usd: Some(u64::MAX),
            ..any()
        },
    ] {
        let (found, looked_at, has_more) = looked_at(&pg, asked(&filter, 50), bounds).await;
        assert_eq!(
            (found, looked_at, has_more),
            (0, 20_000, true),
            "{filter:?}"
        );
        assert_eq!(all(&log, asked(&filter, 50)).await, []);
    }
    // A page deep inside costs what the first one does.
    let deep = LogSearch {
        to_ms: Some(MIDNIGHT_MS + 60),
        ..asked(&any(), 50)
    };
    let (found, looked_at, has_more) = looked_at(&pg, deep, bounds).await;
    assert_eq!((found, has_more), (50, true));
    assert!(looked_at <= 100, "{looked_at}");
}
