//! What is done to a trail, and where the verification finds it.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use troupe_core::audit::AuditAnchor;

use super::super::*;
use super::{judged, three_days};

type Lines = Vec<String>;

fn lines(path: &Path) -> Lines {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn write(path: &Path, lines: &Lines) {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    fs::write(path, text).unwrap();
}

/// The line with another resource, and a hash that fits it.
fn forged(line: &str) -> String {
    let read = Line::read(line.as_bytes()).unwrap();
    let entry = Entry {
        status: Some(read.status),
        ..Entry::new(read.at_ms(), "cli", &read.action, "key:forged")
    };
    entry.seal(&read.node, read.seq, read.told, &read.prev).0
}

/// What a hand does to the lines 4 to 7, and what is found: the number of the line in its file, and words.
#[test]
fn every_kind_of_change_is_found_and_placed() {
    type Change = fn(&mut Lines);
    let table: [(&str, Change, u64, u64, &str); 14] = [
        (
            "a changed value",
            |l| l[1] = l[1].replace("key:1", "key:9"),
            2,
            5,
            "hash mismatch",
        ),
        (
            "a changed number",
            |l| l[1] = l[1].replace("\"seq\":5", "\"seq\":6"),
            2,
            5,
            "hash mismatch",
        ),
        (
            "a changed time",
            |l| l[0] = l[0].replace("10:00", "11:00"),
            1,
            4,
            "hash mismatch",
        ),
        (
            "a changed hash",
            |l| {
                let end = l[3].len() - 3;
                l[3].replace_range(end..=end, "g");
            },
            4,
            7,
            "hash mismatch",
        ),
        (
            "another spelling",
            |l| l[2] = l[2].replace("\"actor\":", "\"actor\": "),
            3,
            6,
            "hash mismatch",
        ),
        (
            "a space behind it",
            |l| l[2].push(' '),
            3,
            6,
            "no hash at its end",
        ),
        (
            "an empty line",
            |l| l.insert(2, String::new()),
            3,
            6,
            "no hash at its end",
        ),
        (
            "a removed line",
            |l| drop(l.remove(1)),
            2,
            6,
            "sequence gap: line 5 is missing",
        ),
        (
            "the first one removed",
            |l| drop(l.remove(0)),
            1,
            5,
            "sequence gap: line 4 is missing",
        ),
        (
            "two removed",
            |l| drop(l.drain(1..3)),
            2,
            7,
            "sequence gap: lines 5 to 6 are missing",
        ),
        (
            "two reordered",
            |l| l.swap(1, 2),
            2,
            6,
            "reordered: line 5 stands behind it",
        ),
        (
            "one moved to the end",
            |l| {
                let line = l.remove(0);
                l.push(line);
            },
            1,
            5,
            "reordered",
        ),
        (
            "a duplicated line",
            |l| l.insert(2, l[1].clone()),
            3,
            5,
            "duplicated",
        ),
        (
            "edited and hashed anew",
            |l| l[1] = forged(&l[1]),
            3,
            6,
            "its prev is not the hash of the line before",
        ),
    ];
    for (name, change, line, seq, words) in table {
        let dir = tempfile::tempdir().unwrap();
        let (files, anchor) = three_days(dir.path());
        let mut changed = lines(&files[1]);
        change(&mut changed);
        write(&files[1], &changed);
        for anchor in [None, Some(&anchor)] {
            let broken = judged(dir.path(), anchor).broken.expect(name);
            let at = broken.at.clone().expect(name);
            assert_eq!((at.file, at.line), (files[1].clone(), line), "{name}");
            assert_eq!(broken.seq, Some(seq), "{name}: {broken:?}");
            assert!(broken.what.contains(words), "{name}: {broken:?}");
        }
    }
}

#[test]
fn a_cut_tail_shows_by_the_anchor_alone() {
    let cuts: [fn(&Path, &Path); 3] = [
        |_, last| {
            let mut l = lines(last);
            l.pop();
            write(last, &l);
        },
        |_, last| write(last, &Vec::new()),
        |_, last| fs::remove_file(last).unwrap(),
    ];
    for (number, cut) in cuts.into_iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        let (files, anchor) = three_days(dir.path());
        cut(&files[1], &files[2]);
        let alone = judged(dir.path(), None);
        assert_eq!(
            (alone.broken, alone.tail),
            (None, Tail::NotJudged),
            "{number}"
        );
        let broken = judged(dir.path(), Some(&anchor)).broken.unwrap();
        assert!(
            broken.what.contains("the tail is cut"),
            "{number}: {broken:?}"
        );
        assert_eq!(
            broken.seq,
            Some(if number == 0 { 9 } else { 7 }),
            "{number}"
        );
    }
}

#[test]
fn deleted_files_show() {
    for (deleted, line, words) in [
        (0, 4, "lines 1 to 3 are missing before it"),
        (1, 8, "sequence gap: lines 4 to 7 are missing"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (files, _) = three_days(dir.path());
        fs::remove_file(&files[deleted]).unwrap();
        let broken = judged(dir.path(), None).broken.unwrap();
        assert_eq!(broken.seq, Some(line), "{broken:?}");
        assert_eq!(broken.at.as_ref().unwrap().file, files[deleted + 1]);
        assert!(broken.what.contains(words), "{broken:?}");
    }
    let dir = tempfile::tempdir().unwrap();
    let (files, anchor) = three_days(dir.path());
    files.iter().for_each(|file| fs::remove_file(file).unwrap());
    let broken = judged(dir.path(), Some(&anchor)).broken.unwrap();
    assert_eq!((broken.at, broken.seq), (None, None));
}

#[test]
fn a_tail_that_was_forged_as_a_whole_is_not_what_the_store_mirrors() {
    let dir = tempfile::tempdir().unwrap();
    let (files, anchor) = three_days(dir.path());
    let mut last = lines(&files[2]);
    last[2] = forged(&last[2]);
    write(&files[2], &last);
    assert_eq!(
        judged(dir.path(), None).broken,
        None,
        "nothing follows on it"
    );
    let broken = judged(dir.path(), Some(&anchor)).broken.unwrap();
    assert_eq!(broken.seq, Some(10));
    assert!(broken.what.contains("another line"), "{broken:?}");
}

/// Every byte of a line, one after the other, by each kind of change.
#[test]
fn no_byte_of_a_line_may_be_another() {
    let dir = tempfile::tempdir().unwrap();
    let (files, _) = three_days(dir.path());
    let whole = fs::read(&files[1]).unwrap();
    let first = whole.iter().position(|b| *b == b'\n').unwrap() + 1;
    let second = first + whole[first..].iter().position(|b| *b == b'\n').unwrap();
    for at in first..=second {
        for byte in [whole[at] ^ 1, whole[at] ^ 0x20, b'\n', 0] {
            if byte == whole[at] {
                continue;
            }
            let mut bytes = whole.clone();
            bytes[at] = byte;
            fs::write(&files[1], &bytes).unwrap();
            let broken = judged(dir.path(), None).broken.expect("found");
            let place = broken.at.unwrap();
            assert_eq!((place.file, place.line), (files[1].clone(), 2), "byte {at}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_single_byte_is_found(day in 0_usize..3, at in any::<prop::sample::Index>(), flip in 1_u8..=255) {
        let dir = tempfile::tempdir().unwrap();
        let (files, _): (_, AuditAnchor) = three_days(dir.path());
        let mut bytes = fs::read(&files[day]).unwrap();
        let at = at.index(bytes.len());
        let line = bytes[..at].iter().filter(|b| **b == b'\n').count() as u64 + 1;
        bytes[at] ^= flip;
        fs::write(&files[day], &bytes).unwrap();
        let broken = judged(dir.path(), None).broken;
        let place = broken.and_then(|broken| broken.at);
        prop_assert_eq!(place.map(|at| (at.file, at.line)), Some((files[day].clone(), line)));
    }
}
