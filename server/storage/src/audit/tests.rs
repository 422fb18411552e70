//! Chains that are written, cut, changed and followed.

mod tampering;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;
use troupe_core::audit::{AuditAnchor, AuditRow, AuditStatus};

use super::*;

const DAY_MS: u64 = 86_400_000;
/// 2026-02-24T10:00:00.123Z.
pub(super) const NOW_MS: u64 = 1_771_927_200_123;

pub(super) fn node() -> Arc<str> {
    "local".into()
}

pub(super) fn entry(name: &str) -> Entry {
    Entry {
        status: Some(AuditStatus::Ok),
        key: Some("0197".into()),
        remote: Some("::1".into()),
        before: Some(json!({ "note": "ü\"\n" })),
        after: Some(json!({ "enabled": false })),
        ..Entry::new(NOW_MS, "cli", "key.updated", format!("key:{name}"))
    }
}

fn entries(count: usize) -> Vec<Entry> {
    (0..count).map(|n| entry(&n.to_string())).collect()
}

fn open(dir: &Path) -> Trail {
    let (trail, found) = Trail::open(dir, &node()).unwrap();
    assert_eq!(found, []);
    trail
}

/// Lines on three days: 3, 4 and 3.
pub(super) fn three_days(dir: &Path) -> (Vec<PathBuf>, AuditAnchor) {
    let mut trail = open(dir);
    let mut last = Vec::new();
    for (day, count) in [(0, 3), (1, 4), (2, 3)] {
        last = trail
            .append(NOW_MS + day * DAY_MS, &entries(count))
            .unwrap();
    }
    (day_files(dir), anchor(last.last().unwrap()))
}

pub(super) fn day_files(dir: &Path) -> Vec<PathBuf> {
    let files = files::list(dir, "local").unwrap();
    files.into_iter().map(|(_, path)| path).collect()
}

fn anchor(row: &AuditRow) -> AuditAnchor {
    AuditAnchor {
        node: Arc::clone(&row.node),
        seq: row.seq,
        hash: Arc::clone(&row.hash),
    }
}

pub(super) fn judged(dir: &Path, anchor: Option<&AuditAnchor>) -> Report {
    verify(dir, &node(), anchor).unwrap()
}

#[test]
fn a_line_reads_as_it_was_written() {
    let mut chain = Chain::new(node());
    let row = chain.seal(&entry("ci"));
    let line = Line::read(row.line.as_bytes()).unwrap();
    assert_eq!(line.row(&row.line), row);
    assert_eq!(line.timestamp, "2026-02-24T10:00:00.123Z");
    assert_eq!((line.seq, &*line.prev), (1, GENESIS));
    assert_eq!(line.before, entry("ci").before);
    let json: serde_json::Value = serde_json::from_str(&row.line).unwrap();
    for field in [
        "timestamp",
        "actor",
        "action",
        "resource",
        "status",
        "prev",
        "hash",
    ] {
        assert!(json[field].is_string(), "{field} in {json}");
    }
    let next = chain.seal(&Entry {
        event: Some(9),
        ..entry("b")
    });
    assert_eq!(*Line::read(next.line.as_bytes()).unwrap().prev, *row.hash);
    assert_eq!(chain.told(), 9);
}

#[test]
fn what_is_too_large_is_left_out_and_said() {
    let huge = Entry {
        resource: "r".repeat(10_000),
        after: Some(json!("x".repeat(100_000))),
        ..entry("a")
    };
    let row = Chain::new(node()).seal(&huge);
    assert!(row.line.len() < 4_000, "{}", row.line.len());
    let line = Line::read(row.line.as_bytes()).unwrap();
    assert_eq!(
        line.after,
        Some(json!({"left_out": true, "size_bytes": 100_002}))
    );
}

#[test]
fn a_chain_goes_on_over_days_and_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let (files, end) = three_days(dir.path());
    assert_eq!(files.len(), 3);
    assert!(files[0].ends_with("local-2026-02-24.jsonl"), "{files:?}");
    let mut trail = open(dir.path());
    // The clock went back: the chain goes on in the last file.
    let row = trail.append(NOW_MS, &entries(1)).unwrap().remove(0);
    assert_eq!(row.seq, 11);
    let report = judged(dir.path(), Some(&end));
    assert_eq!((report.lines, report.first, report.last), (11, 1, 11));
    assert_eq!((report.broken, report.tail), (None, Tail::Whole));
    assert_eq!(judged(dir.path(), None).tail, Tail::NotJudged);
}

#[test]
fn only_this_user_reads_it_and_one_process_writes_it() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("audit");
    let mut trail = open(&dir);
    trail.append(NOW_MS, &entries(1)).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    assert_eq!(mode(&day_files(&dir)[0]), 0o600);
    let refusal = Trail::open(&dir, &node()).unwrap_err();
    assert_eq!(refusal.kind(), std::io::ErrorKind::WouldBlock);
    drop(trail);
    open(&dir);
}

#[test]
fn a_torn_last_line_is_taken_off_and_told() {
    let dir = tempfile::tempdir().unwrap();
    let (files, end) = three_days(dir.path());
    let whole = fs::read(&files[2]).unwrap();
    fs::write(&files[2], [&whole[..], b"{\"timestamp\":\"20"].concat()).unwrap();
    let torn = judged(dir.path(), Some(&end)).broken.unwrap();
    assert!(torn.what.starts_with("torn"), "{torn:?}");
    let (mut trail, found) = Trail::open(dir.path(), &node()).unwrap();
    assert!(
        matches!(found[..], [Found::Torn { size_bytes: 16, .. }]),
        "{found:?}"
    );
    assert_eq!(fs::read(&files[2]).unwrap(), whole);
    let told = trail.append(NOW_MS, &[found[0].entry(NOW_MS)]).unwrap();
    assert_eq!((told[0].seq, &*told[0].action), (11, REPAIRED));
    assert_eq!(judged(dir.path(), Some(&end)).broken, None);
}

#[test]
fn the_first_line_ever_may_be_torn() {
    let dir = tempfile::tempdir().unwrap();
    let path = files::path(dir.path(), "local", "2026-02-24");
    fs::write(&path, b"{\"time").unwrap();
    let (mut trail, found) = Trail::open(dir.path(), &node()).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(trail.append(NOW_MS, &entries(1)).unwrap()[0].seq, 1);
    assert_eq!(judged(dir.path(), None).broken, None);
}

#[test]
fn damage_at_the_end_is_left_as_it_is_and_told() {
    let dir = tempfile::tempdir().unwrap();
    let (files, _) = three_days(dir.path());
    let mut bytes = fs::read(&files[2]).unwrap();
    let last = bytes.len() - 100;
    bytes[last] ^= 1;
    fs::write(&files[2], &bytes).unwrap();
    let (mut trail, found) = Trail::open(dir.path(), &node()).unwrap();
    assert!(
        matches!(&found[..], [Found::Damaged { at, .. }] if at.line == 3),
        "{found:?}"
    );
    assert_eq!(
        trail.append(NOW_MS, &[found[0].entry(NOW_MS)]).unwrap()[0].seq,
        11
    );
    assert!(fs::read(&files[2]).unwrap().starts_with(&bytes));
    let broken = judged(dir.path(), None).broken.unwrap();
    assert_eq!((broken.at.unwrap().line, broken.seq), (3, Some(10)));
}

#[test]
fn numbers_that_the_store_has_are_not_given_again() {
    let dir = tempfile::tempdir().unwrap();
    let (files, end) = three_days(dir.path());
    fs::remove_file(&files[2]).unwrap();
    let mut trail = open(dir.path());
    let found = trail.judge(Some(&end), None).unwrap();
    assert_eq!(found, Found::TailCut { from: 8, to: 10 });
    let row = trail
        .append(NOW_MS, &[found.entry(NOW_MS)])
        .unwrap()
        .remove(0);
    assert_eq!(row.seq, 11);
    let broken = judged(dir.path(), Some(&anchor(&row))).broken.unwrap();
    assert!(
        broken.what.contains("lines 8 to 10 are missing"),
        "{broken:?}"
    );
    drop(trail);
    assert_eq!(open(dir.path()).judge(Some(&anchor(&row)), None), None);
}

#[test]
fn old_files_are_retired_and_the_rest_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (_, end) = three_days(dir.path());
    let mut trail = open(dir.path());
    assert_eq!(trail.retire(NOW_MS + 2 * DAY_MS, 2, end.seq).unwrap(), []);
    let told = trail.retire(NOW_MS + 3 * DAY_MS, 1, end.seq).unwrap();
    assert_eq!((told.len(), &*told[0].action), (1, RETIRED));
    let report = judged(dir.path(), Some(&end));
    assert_eq!((report.first, report.last, report.broken), (8, 11, None));
    // The rest of it is not retired by that.
    fs::remove_file(&day_files(dir.path())[0]).unwrap();
    let broken = judged(dir.path(), Some(&end)).broken.unwrap();
    assert!(
        broken.what.contains("lines 1 to 10 are missing"),
        "{broken:?}"
    );
}

#[test]
fn a_failed_write_leaves_nothing_in_the_chain() {
    // Every write to it fails as on a full disk.
    let full = Path::new("/dev/full");
    if !full.exists() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = files::path(dir.path(), "local", "2026-02-24");
    std::os::unix::fs::symlink(full, &path).unwrap();
    let (mut trail, _) = Trail::open(dir.path(), &node()).unwrap();
    trail.append(NOW_MS, &entries(1)).unwrap_err();
    assert_eq!(trail.chain().seq(), 0);
    assert_eq!(
        trail.append(NOW_MS + DAY_MS, &entries(1)).unwrap()[0].seq,
        1
    );
}

#[test]
fn a_follower_reads_each_durable_line_once() {
    let dir = tempfile::tempdir().unwrap();
    three_days(dir.path());
    for start in 0..=10 {
        for limit in 1..=11 {
            let mut follower = Follower::new(dir.path(), node());
            let (mut at, mut told) = (start, Vec::new());
            loop {
                let rows = follower.read(at, 9, limit).unwrap();
                let Some(last) = rows.last() else { break };
                assert!(rows.len() <= limit);
                at = last.seq;
                told.extend(rows.into_iter().map(|row| row.seq));
            }
            assert_eq!(told, (start + 1..=9).collect::<Vec<_>>(), "{start} {limit}");
        }
    }
    let mut follower = Follower::new(dir.path(), node());
    assert_eq!(follower.read(10, 10, 9).unwrap(), []);
    open(dir.path())
        .append(NOW_MS + 5 * DAY_MS, &entries(2))
        .unwrap();
    assert_eq!(follower.read(10, 12, 9).unwrap().len(), 2);
}

#[test]
fn a_follower_passes_over_what_cannot_be_read() {
    let change = |change: fn(&mut Vec<String>)| {
        let dir = tempfile::tempdir().unwrap();
        let (files, _) = three_days(dir.path());
        let text = fs::read_to_string(&files[1]).unwrap();
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        change(&mut lines);
        fs::write(&files[1], lines.join("\n") + "\n").unwrap();
        let mut rows = Vec::new();
        for limit in [1, 2, 99] {
            let mut follower = Follower::new(dir.path(), node());
            let (mut at, mut told) = (2, Vec::new());
            loop {
                let rows = follower.read(at, 10, limit).unwrap();
                let Some(last) = rows.last() else { break };
                assert!(rows.len() <= limit);
                at = last.seq;
                told.extend(rows);
            }
            assert!(rows.is_empty() || rows == told, "{limit}");
            rows = told;
        }
        let seqs: Vec<_> = rows.iter().map(|row| row.seq).collect();
        assert_eq!(seqs, (3..=10).collect::<Vec<_>>(), "each number once");
        rows.retain(|row| &*row.action == UNREADABLE);
        rows.into_iter().map(|row| row.seq).collect::<Vec<_>>()
    };
    assert_eq!(change(|_| {}), [0; 0]);
    assert_eq!(change(|l| l[1] = l[1].replace("key:1", "key:9")), [5]);
    assert_eq!(change(|l| l[0].truncate(20)), [4]);
    assert_eq!(change(|l| l[3].insert(9, '\n')), [7]);
    assert_eq!(change(|l| drop(l.drain(1..3))), [5, 6]);
    assert_eq!(change(|l| l.swap(1, 2)), [5]);
    assert_eq!(change(|l| l.insert(1, l[0].clone())), [0; 0]);
    assert_eq!(change(|l| l[1] = "x".repeat(3 << 20)), [5]);
}

#[test]
fn a_line_that_claims_a_number_to_come_stops_no_follower() {
    let dir = tempfile::tempdir().unwrap();
    let (files, _) = three_days(dir.path());
    let text = fs::read_to_string(&files[2]).unwrap();
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    lines[1] = entry("forged").seal("local", 1 << 40, 0, GENESIS).0;
    fs::write(&files[2], lines.join("\n") + "\n").unwrap();
    let rows = Follower::new(dir.path(), node()).read(7, 10, 99).unwrap();
    let told: Vec<_> = rows.iter().map(|row| (row.seq, &*row.action)).collect();
    assert_eq!(
        told,
        [(8, "key.updated"), (9, UNREADABLE), (10, "key.updated")]
    );
}

#[test]
fn files_that_the_store_does_not_have_yet_stay() {
    let dir = tempfile::tempdir().unwrap();
    let (files, _) = three_days(dir.path());
    let mut trail = open(dir.path());
    let later = NOW_MS + 30 * DAY_MS;
    assert_eq!(trail.retire(later, 1, 2).unwrap(), []);
    let told = trail.retire(later, 1, 6).unwrap();
    assert!(told[0].line.contains("\"through_seq\":3"), "{told:?}");
    assert!(!files[0].exists() && files[1].exists());
    trail.retire(later, 1, 99).unwrap();
    assert!(!files[1].exists() && judged(dir.path(), None).broken.is_none());
}

#[test]
fn a_young_file_under_an_old_name_stays() {
    let dir = tempfile::tempdir().unwrap();
    let (files, _) = three_days(dir.path());
    let name = files[1].file_name().unwrap().to_str().unwrap();
    let (node, _) = name.split_at(name.len() - "2026-01-01.jsonl".len());
    let renamed = dir.path().join(format!("{node}2001-01-01.jsonl"));
    fs::rename(&files[1], &renamed).unwrap();
    let mut trail = open(dir.path());
    assert_eq!(trail.retire(NOW_MS + 3 * DAY_MS, 9, 99).unwrap(), []);
    assert!(renamed.exists() && files[0].exists());
}

#[test]
fn a_folder_without_files_continues_what_the_store_has() {
    let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (_, end) = three_days(old.path());
    let mut trail = open(new.path());
    let found = trail.judge(Some(&end), Some(7)).unwrap();
    assert_eq!(trail.chain().told(), 7);
    trail.append(NOW_MS, &[found.entry(NOW_MS)]).unwrap();
    let last = trail.append(NOW_MS, &entries(2)).unwrap().remove(1);
    let report = judged(new.path(), Some(&anchor(&last)));
    assert_eq!((report.broken, report.continued), (None, Some(10)));
    assert_eq!((report.lines, report.first, report.last), (3, 11, 13));
    // Only as the first line, and only behind the line that it names.
    let file = day_files(new.path()).remove(0);
    let text = fs::read_to_string(&file).unwrap();
    let mut lines: Vec<_> = text.lines().collect();
    lines.remove(0);
    fs::write(&file, lines.join("\n") + "\n").unwrap();
    assert!(judged(new.path(), None).broken.is_some());
    let forged = found.entry(NOW_MS).seal("local", 12, 0, GENESIS).0;
    fs::write(&file, forged + "\n").unwrap();
    assert!(judged(new.path(), None).broken.is_some());
}
