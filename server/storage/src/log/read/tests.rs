use std::fs::File;
use std::io::Write;

use troupe_core::log::LogFilter;
use troupe_core::port::LogStore;

use super::super::SegmentLog;
use super::*;
use crate::contract::sample;

const DAY: &str = "requests/1970-01-01.jsonl";

fn query(limit: usize) -> LogQuery {
    LogQuery {
        limit,
        ..LogQuery::default()
    }
}

async fn log_of(rows: Vec<RequestRecord>) -> (tempfile::TempDir, SegmentLog) {
    let folder = tempfile::tempdir().unwrap();
    let log = SegmentLog::open(folder.path()).unwrap();
    log.append(rows).await.unwrap();
    (folder, log)
}

fn add(folder: &tempfile::TempDir, text: &[u8]) {
    let path = folder.path().join(DAY);
    let mut file = File::options().append(true).open(path).unwrap();
    file.write_all(text).unwrap();
}

#[tokio::test]
async fn what_is_half_written_is_no_row_yet() {
    let rows = vec![sample::request(1), sample::request(2)];
    let (folder, log) = log_of(rows.clone()).await;
    let third = sample::request(3);
    let line = serde_json::to_string(&third).unwrap();
    for torn in [&line[..9], &line[9..]] {
        add(&folder, torn.as_bytes());
        let page = log.tail(query(9)).await.unwrap();
        assert_eq!((&page.rows, page.unreadable), (&rows, 0));
        assert_eq!(log.find(third.id).await.unwrap(), None);
    }
    let position = log.tail(query(9)).await.unwrap().position;
    add(&folder, b"\n");
    let after = Some(position);
    let page = log.tail(LogQuery { after, ..query(9) }).await.unwrap();
    assert_eq!(page.rows, std::slice::from_ref(&third));
    assert_eq!(log.find(third.id).await.unwrap(), Some(third));
}

#[tokio::test]
async fn damage_costs_its_line_only() {
    let (folder, _) = log_of(vec![sample::request(1)]).await;
    add(&folder, b"\xff\xfe not a row\n\n{\"id\":7}\n");
    add(&folder, &vec![b'x'; 3 * BLOCK_BYTES]);
    add(&folder, b"\n");
    let log = SegmentLog::open(folder.path()).unwrap();
    log.append(vec![sample::request(2)]).await.unwrap();
    let rows = [sample::request(1), sample::request(2)];
    let page = log.tail(query(9)).await.unwrap();
    assert_eq!(page.rows, rows);
    assert!(page.unreadable >= 3, "{page:?}");
    let after = Some(LogPosition::default());
    let page = log.tail(LogQuery { after, ..query(9) }).await.unwrap();
    assert_eq!(page.rows, rows);
    for row in rows {
        assert_eq!(log.find(row.id).await.unwrap(), Some(row));
    }
}

#[tokio::test]
async fn rows_cross_blocks() {
    let rows: Vec<_> = (0..6_000).map(sample::request).collect();
    let (folder, log) = log_of(rows.clone()).await;
    let len = folder.path().join(DAY).metadata().unwrap().len();
    assert!(len > 2 * BLOCK_BYTES as u64, "{len}");
    assert_eq!(log.tail(query(9_999)).await.unwrap().rows, rows);
    let after = Some(LogPosition::default());
    let page = log
        .tail(LogQuery {
            after,
            ..query(9_999)
        })
        .await
        .unwrap();
    assert_eq!((page.rows == rows, page.cut), (true, false));
    for at in [0, 1_999, 5_999] {
        assert_eq!(log.find(rows[at].id).await.unwrap(), Some(rows[at].clone()));
    }
}

#[tokio::test]
async fn a_look_ends_at_its_bound_and_says_so() {
    let rows: Vec<_> = (0..6_000).map(sample::request).collect();
    let (folder, _log) = log_of(rows.clone()).await;
    let requests = folder.path().join("requests");
    let all = segments(&requests).unwrap();
    let nobody = LogFilter {
        account: Some("nobody".into()),
        ..LogFilter::default()
    };
    let asked = LogQuery {
        filter: nobody,
        ..query(1)
    };
    let page = last(&all, &asked, 1).unwrap();
    assert_eq!((page.rows.len(), page.cut), (0, true));
    assert!(!last(&all, &asked, u64::MAX).unwrap().cut);

    // Forward, page by page, everything comes once.
    let (mut position, mut told, mut pages) = (LogPosition::default(), Vec::new(), 0);
    loop {
        let page = since(&all, &query(usize::MAX), &position, 1 << 20).unwrap();
        position = page.position;
        told.extend(page.rows);
        pages += 1;
        if !page.cut {
            break;
        }
    }
    assert_eq!((told == rows, pages > 2), (true, true));
}

#[tokio::test]
async fn a_segment_that_shrank_is_read_from_its_end() {
    let (folder, log) = log_of(vec![sample::request(1), sample::request(2)]).await;
    let after = Some(log.tail(query(1)).await.unwrap().position);
    std::fs::write(folder.path().join(DAY), b"").unwrap();
    let asked = LogQuery { after, ..query(9) };
    let page = log.tail(asked.clone()).await.unwrap();
    assert_eq!((page.rows.len(), page.cut), (0, false));
    let after = Some(page.position);
    let log = SegmentLog::open(folder.path()).unwrap();
    log.append(vec![sample::request(3)]).await.unwrap();
    let page = log.tail(LogQuery { after, ..asked }).await.unwrap();
    assert_eq!(page.rows.len(), 1);
}

/// As the first version wrote them, and with a field of a later one.
#[tokio::test]
async fn rows_of_other_versions_are_read() {
    let (folder, log) = log_of(Vec::new()).await;
    let id = "req_00000000000000000000000007";
    let first = format!(
        r#"{{"id":"{id}","at_ms":5,"route":"messages","status":200,"outcome":"completed","stream":false,"attempts":1,"usage":{{"input":1,"output":2,"cache_read":0,"cache_write_5m":0,"cache_write_1h":0}},"estimated":false,"gateway_us":3,"duration_us":4,"plan":"later"}}"#
    );
    std::fs::write(folder.path().join(DAY), first + "\n").unwrap();
    let row = log.find(RequestId::parse(id).unwrap()).await.unwrap();
    let row = row.unwrap();
    assert_eq!((row.usage.output, row.passed_over.len()), (2, 0));
    assert_eq!(log.tail(query(1)).await.unwrap().rows, [row]);
}
