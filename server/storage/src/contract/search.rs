//! The contract of searches of the request log: the newest first, page by page.

use std::collections::BTreeSet;

use troupe_core::log::{LogCursor, LogFilter, LogSearch};
use troupe_core::port::{StoreError, Stores};
use troupe_core::record::{Outcome, RequestRecord, Route};
use troupe_core::{KeyId, RequestId};

use super::sample::request;

/// A moment after midnight of some day.
const MIDNIGHT_MS: u64 = 1_795_478_400_000;

/// A row whose id and time agree, as those of requests do.
pub(crate) fn row(at_ms: u64, last: u32) -> RequestRecord {
    let id = u128::from(at_ms) << 80 | 7 << 76 | u128::from(last);
    RequestRecord {
        id: RequestId(uuid::Uuid::from_u128(id)),
        ..request(at_ms)
    }
}

/// Around midnight, a millisecond apart, the oldest first.
fn rows(count: u64) -> Vec<RequestRecord> {
    (0..count)
        .map(|n| row(MIDNIGHT_MS - count / 2 + n, 0))
        .collect()
}

fn asked(limit: usize) -> LogSearch {
    LogSearch {
        limit,
        ..LogSearch::default()
    }
}

/// Every page, until there is no cursor.
pub(crate) async fn all_of(stores: &Stores, mut search: LogSearch) -> Vec<RequestRecord> {
    let mut told = Vec::new();
    loop {
        let found = stores.log.search(search.clone()).await.unwrap();
        assert!(found.rows.len() <= search.limit);
        assert_eq!(found.unreadable, 0);
        told.extend(found.rows);
        match found.next {
            Some(next) => search.after = Some(next),
            None => return told,
        }
    }
}

pub(super) async fn the_newest_rows_are_found_first(stores: &Stores) {
    let none = stores.log.search(asked(5)).await.unwrap();
    assert_eq!((none.rows.len(), none.next), (0, None));
    let mut written = rows(7);
    stores.log.append(written.clone()).await.unwrap();
    written.reverse();
    let first = stores.log.search(asked(3)).await.unwrap();
    assert_eq!(first.rows, written[..3]);
    assert!(first.next.is_some());
    for limit in [1, 2, 3, 7, 99] {
        assert_eq!(all_of(stores, asked(limit)).await, written, "{limit}");
    }
}

pub(super) async fn a_search_knows_times(stores: &Stores) {
    let written = rows(6);
    stores.log.append(written.clone()).await.unwrap();
    let at = |n: usize| Some(written[n].at_ms);
    for (from_ms, to_ms, told) in [
        (None, None, 0..6),
        (at(2), None, 2..6),
        (None, at(2), 0..2),
        (at(1), at(5), 1..5),
        (at(3), at(4), 3..4),
        (at(4), at(4), 0..0),
        (at(4), at(1), 0..0),
        (Some(0), Some(u64::MAX), 0..6),
        (Some(u64::MAX), None, 0..0),
        (None, Some(0), 0..0),
    ] {
        let search = LogSearch {
            from_ms,
            to_ms,
            ..asked(2)
        };
        let mut found = all_of(stores, search).await;
        found.reverse();
        assert_eq!(found, written[told.clone()], "{told:?}");
    }
}

/// For each part of a filter, how a row is that it finds.
type Change = fn(&mut RequestRecord, &mut LogFilter);

const CHANGES: [(&str, Change); 13] = [
    ("key", |row, filter| {
        row.key = Some(KeyId::declared("another"));
        filter.keys = vec![KeyId::declared("nobody"), KeyId::declared("another")];
    }),
    ("account", |row, filter| {
        row.account_name = Some("ü \"quoted\"\\".into());
        filter.account = Some("ü \"quoted\"\\".into());
    }),
    ("tried account", |row, filter| {
        row.failed[0].account = "tried".into();
        filter.account = Some("tried".into());
    }),
    ("status", |row, filter| {
        row.status = 503;
        filter.status = Some("503".parse().unwrap());
    }),
    ("class", |row, filter| {
        row.status = 451;
        filter.status = Some("4xx".parse().unwrap());
    }),
    ("owner", |row, filter| {
        row.owner = Some("bob".into());
        filter.owner = Some("bob".into());
    }),
    ("group", |row, filter| {
        row.group = Some("other".into());
        filter.group = Some("other".into());
    }),
    ("model", |row, filter| {
        row.model = Some("claude-z".into());
        filter.model = Some("claude-z".into());
    }),
    ("route", |row, filter| {
        row.route = Route::CountTokens;
        filter.route = Some(Route::CountTokens);
    }),
    ("outcome", |row, filter| {
        row.outcome = Outcome::Truncated;
        filter.outcome = Some(Outcome::Truncated);
    }),
    ("session", |row, filter| {
        row.session = Some(77);
        filter.session = Some(77);
    }),
    ("upstream id", |row, filter| {
        row.upstream_request_id = Some("req_up".into());
        filter.upstream_request_id = Some("req_up".into());
    }),
    ("error", |row, filter| {
        row.error = Some("upstream said \"no\"\nand left: 100 %_".into());
        filter.error = Some("\"no\"\nand left: 100 %".into());
    }),
];

pub(super) async fn a_search_knows_every_part_of_a_filter(stores: &Stores) {
    let mut written = rows(CHANGES.len() as u64);
    let plain = LogFilter::default();
    for ((_, change), row) in CHANGES.iter().zip(&mut written) {
        change(row, &mut plain.clone());
    }
    stores.log.append(written.clone()).await.unwrap();
    for (nth, (name, change)) in CHANGES.iter().enumerate() {
        let mut filter = LogFilter::default();
        change(&mut written[nth].clone(), &mut filter);
        let search = LogSearch { filter, ..asked(9) };
        let found = all_of(stores, search).await;
        assert_eq!(found, std::slice::from_ref(&written[nth]), "{name}");
    }
}

pub(super) async fn a_search_knows_measures(stores: &Stores) {
    let mut written = rows(4);
    written[1].duration_us = 9_000_000;
    written[1].stream = !written[0].stream;
    written[2].cost_micro_usd = 5_000_000_000;
    written[3].route = Route::Other;
    written[3].key = None;
    written[3].status = 200;
    stores.log.append(written.clone()).await.unwrap();
    let of = |filter: LogFilter| LogSearch { filter, ..asked(9) };
    let slow = LogFilter {
        min_duration_us: Some(9_000_000),
        ..LogFilter::default()
    };
    assert_eq!(all_of(stores, of(slow)).await, [written[1].clone()]);
    let dear = LogFilter {
        min_cost_micro_usd: Some(4_999_999_999),
        ..LogFilter::default()
    };
    assert_eq!(all_of(stores, of(dear)).await, [written[2].clone()]);
    let streamed = LogFilter {
        stream: Some(written[1].stream),
        ..LogFilter::default()
    };
    assert_eq!(all_of(stores, of(streamed)).await, [written[1].clone()]);
    let api = LogFilter {
        api_only: true,
        ..LogFilter::default()
    };
    assert_eq!(all_of(stores, of(api)).await.len(), 3);
    let both = LogFilter {
        min_duration_us: Some(9_000_000),
        min_cost_micro_usd: Some(5_000_000_000),
        ..LogFilter::default()
    };
    assert!(all_of(stores, of(both)).await.is_empty());
}

/// Rows that come while somebody pages change nothing before the cursor, and none is told twice.
pub(super) async fn rows_come_while_somebody_pages(stores: &Stores) {
    let mut written = rows(20);
    stores.log.append(written.clone()).await.unwrap();
    let mut search = asked(3);
    let mut told = Vec::new();
    for n in 0.. {
        let found = stores.log.search(search.clone()).await.unwrap();
        told.extend(found.rows.into_iter().map(|row| row.id));
        let later = vec![
            row(MIDNIGHT_MS + 1_000 + n, 1),
            row(MIDNIGHT_MS + 1_000 + n, 2),
        ];
        stores.log.append(later).await.unwrap();
        match found.next {
            Some(next) => search.after = Some(next),
            None => break,
        }
    }
    written.reverse();
    let wanted: Vec<_> = written.iter().map(|row| row.id).collect();
    assert_eq!(told, wanted);
    let unique: BTreeSet<_> = told.iter().collect();
    assert_eq!(unique.len(), told.len());
}

pub(super) async fn a_foreign_cursor_is_refused(stores: &Stores) {
    stores.log.append(rows(3)).await.unwrap();
    for cursor in [
        "",
        "x",
        "1",
        "z1.2026-11-24.5",
        "req_0",
        "\u{0}",
        "e1.",
        "m1.-1",
    ] {
        let search = LogSearch {
            after: Some(LogCursor(cursor.into())),
            ..asked(1)
        };
        let refused = stores.log.search(search).await;
        assert!(
            matches!(refused, Err(StoreError::Conflict(_))),
            "{cursor:?}: {refused:?}"
        );
    }
}
