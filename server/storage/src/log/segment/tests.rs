use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::contract::sample;

const DAY_MS: u64 = 86_400_000;

fn lines(path: PathBuf) -> Vec<RequestRecord> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn rows_go_to_the_segment_of_their_day() {
    let folder = tempfile::tempdir().unwrap();
    let log = SegmentLog::open(folder.path()).unwrap();
    let rows: Vec<_> = [1, 2, DAY_MS, 3].map(sample::request).to_vec();
    log.append(rows.clone()).await.unwrap();
    let first = folder.path().join("requests/1970-01-01.jsonl");
    assert_eq!(
        lines(first.clone()),
        [rows[0].clone(), rows[1].clone(), rows[3].clone()]
    );
    assert_eq!(
        lines(folder.path().join("requests/1970-01-02.jsonl")),
        [rows[2].clone()]
    );
    assert_eq!(
        first.metadata().unwrap().permissions().mode() & 0o777,
        0o600
    );
}

#[tokio::test]
async fn a_torn_last_line_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("requests/1970-01-01.jsonl");
    SegmentLog::open(folder.path())
        .unwrap()
        .append(vec![sample::request(1)])
        .await
        .unwrap();
    let whole = std::fs::read(&path).unwrap();
    for torn in ["{\"id\":".to_owned(), "x".repeat(9000)] {
        std::fs::write(&path, [&whole, torn.as_bytes()].concat()).unwrap();
        let log = SegmentLog::open(folder.path()).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), whole);
        log.append(vec![sample::request(2)]).await.unwrap();
        assert_eq!(lines(path.clone()).len(), 2);
    }
    std::fs::write(&path, "no line at all").unwrap();
    SegmentLog::open(folder.path()).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"");
}

#[tokio::test]
async fn old_days_go_and_foreign_files_stay() {
    let folder = tempfile::tempdir().unwrap();
    let log = SegmentLog::open(folder.path()).unwrap();
    let foreign = folder.path().join("requests/notes.jsonl");
    std::fs::write(&foreign, "mine").unwrap();
    log.append((0..4).map(|day| sample::request(day * DAY_MS)).collect())
        .await
        .unwrap();
    assert_eq!(log.retain(2 * DAY_MS + 5).await.unwrap(), 2);
    assert_eq!(log.retain(2 * DAY_MS + 5).await.unwrap(), 0);
    assert!(foreign.exists());
    assert_eq!(log.retain(9 * DAY_MS).await.unwrap(), 2);
    log.append(vec![sample::request(3 * DAY_MS)]).await.unwrap();
    assert!(folder.path().join("requests/1970-01-04.jsonl").exists());
}
