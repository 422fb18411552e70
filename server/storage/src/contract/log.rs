//! The contract of the request log as its readers see it.

use troupe_core::log::{LogFilter, LogQuery};
use troupe_core::port::Stores;
use troupe_core::record::RequestRecord;
use troupe_core::{KeyId, RequestId};

use super::sample::request;

/// A moment after midnight of some day.
const MIDNIGHT_MS: u64 = 1_795_478_400_000;

fn id_of(at_ms: u64, last: u8) -> RequestId {
    RequestId(uuid::Uuid::from_u128(
        u128::from(at_ms) << 80 | 7 << 76 | u128::from(last),
    ))
}

/// A row whose id and time agree, as those of requests do.
fn row(at_ms: u64, last: u8) -> RequestRecord {
    RequestRecord {
        id: id_of(at_ms, last),
        ..request(at_ms)
    }
}

pub(super) async fn a_row_is_found_by_its_id(stores: &Stores) {
    let rows = vec![
        row(MIDNIGHT_MS - 1, 1),
        row(MIDNIGHT_MS, 2),
        row(MIDNIGHT_MS, 3),
        // The id and the row's time are of two clocks.
        RequestRecord {
            id: id_of(MIDNIGHT_MS - 1, 4),
            ..request(MIDNIGHT_MS)
        },
        RequestRecord {
            id: id_of(MIDNIGHT_MS, 5),
            ..request(MIDNIGHT_MS - 1)
        },
    ];
    let first = rows[0].id;
    assert_eq!(stores.log.find(first).await.unwrap(), None, "there is none");
    stores.log.append(rows.clone()).await.unwrap();
    for row in rows {
        assert_eq!(stores.log.find(row.id).await.unwrap(), Some(row));
    }
    let other = stores.log.find(id_of(MIDNIGHT_MS, 6)).await.unwrap();
    assert_eq!(other, None);
    stores.log.retain(MIDNIGHT_MS).await.unwrap();
    assert_eq!(stores.log.find(first).await.unwrap(), None);
}

pub(super) async fn the_last_rows_are_told_in_order(stores: &Stores) {
    let none = stores.log.tail(query(5)).await.unwrap();
    assert_eq!((none.rows.len(), none.cut), (0, false));
    let rows: Vec<_> = (0..6).map(|n| row(MIDNIGHT_MS - 3 + n, 0)).collect();
    stores.log.append(rows.clone()).await.unwrap();
    for (limit, told) in [
        (0, &rows[6..]),
        (1, &rows[5..]),
        (4, &rows[2..]),
        (9, &rows[..]),
    ] {
        let page = stores.log.tail(query(limit)).await.unwrap();
        assert_eq!(page.rows, told, "{limit}");
        assert_eq!((page.cut, page.unreadable), (false, 0));
    }
}

fn query(limit: usize) -> LogQuery {
    LogQuery {
        limit,
        ..LogQuery::default()
    }
}

pub(super) async fn only_rows_that_match_are_told(stores: &Stores) {
    let mut rows: Vec<_> = (0..6).map(|n| row(MIDNIGHT_MS + n, 0)).collect();
    rows[1].status = 429;
    rows[3].status = 404;
    rows[3].key = Some(KeyId::declared("other"));
    stores.log.append(rows.clone()).await.unwrap();
    let filter = LogFilter {
        status: Some("4xx".parse().unwrap()),
        ..LogFilter::default()
    };
    let asked = LogQuery { filter, ..query(9) };
    let page = stores.log.tail(asked.clone()).await.unwrap();
    assert_eq!(page.rows, [rows[1].clone(), rows[3].clone()]);
    let mut narrow = asked.clone();
    narrow.filter.keys = vec![KeyId::declared("k")];
    let page = stores.log.tail(narrow).await.unwrap();
    assert_eq!(page.rows, [rows[1].clone()]);
    let mut last = asked;
    last.limit = 1;
    let page = stores.log.tail(last).await.unwrap();
    assert_eq!(page.rows, [rows[3].clone()]);
}

/// Over midnight, and also when a row of the day before comes late.
pub(super) async fn a_reader_reads_on_where_it_was(stores: &Stores) {
    let mut position = stores.log.tail(query(2)).await.unwrap().position;
    let steps = [
        vec![row(MIDNIGHT_MS - 2, 0)],
        vec![],
        vec![
            row(MIDNIGHT_MS, 1),
            row(MIDNIGHT_MS - 1, 2),
            row(MIDNIGHT_MS + 1, 3),
        ],
        vec![row(MIDNIGHT_MS - 1, 4), row(MIDNIGHT_MS + 2, 5)],
    ];
    for written in steps {
        stores.log.append(written.clone()).await.unwrap();
        let mut told = Vec::new();
        loop {
            let asked = LogQuery {
                after: Some(position),
                ..query(1)
            };
            let page = stores.log.tail(asked).await.unwrap();
            position = page.position;
            told.extend(page.rows);
            if !page.cut {
                break;
            }
        }
        let order = |rows: &mut Vec<RequestRecord>| rows.sort_by_key(|row| row.id);
        let mut written = written;
        order(&mut told);
        order(&mut written);
        assert_eq!(told, written);
    }
}
