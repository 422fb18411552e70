//! Files that are not as this program left them.

use std::fs;

use super::*;
use crate::ledger::chunk::{CHUNK_BYTES, ROW_BYTES};

/// The bytes of a file whose counters are `(limit, charged)`, in this order.
fn file_of(rows: &[(u64, u64)]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::begin(folder.path()).unwrap();
    let cells = ledger.cells();
    let counters: Vec<_> = rows
        .iter()
        .map(|(n, charged)| open(&*cells, *n, 0, *charged))
        .collect();
    let bytes = fs::read(cells_file(folder.path())).unwrap();
    drop(counters);
    bytes
}

fn read(bytes: &[u8]) -> Result<Vec<QuotaRow>, OpenError> {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("ledger")).unwrap();
    fs::write(cells_file(folder.path()), bytes).unwrap();
    Ledger::left(folder.path())
}

#[test]
fn no_file_is_no_rows() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Ledger::left(folder.path()).unwrap().is_empty());
}

#[test]
fn a_file_that_is_none_of_these_is_refused() {
    let whole = file_of(&[(1, 2)]);
    let mut torn_header = whole.clone();
    torn_header[9] ^= 1;
    for bytes in [
        &[][..],
        &whole[..ROW_BYTES - 1],
        &[0xa5; CHUNK_BYTES],
        &[0; CHUNK_BYTES],
        &torn_header,
    ] {
        let refusal = read(bytes).unwrap_err();
        assert!(matches!(refusal, OpenError::Counters { .. }), "{refusal}");
    }
}

#[tokio::test]
async fn a_store_with_such_a_file_says_what_to_do_and_keeps_it() {
    let folder = tempfile::tempdir().unwrap();
    let backend = crate::open("sled:data", folder.path()).unwrap();
    backend.close().await.unwrap();
    let file = cells_file(&folder.path().join("data"));
    fs::write(&file, "garbage").unwrap();
    let refusal = crate::open("sled:data", folder.path()).unwrap_err();
    let refusal = refusal.to_string();
    assert!(refusal.contains("move the file away"), "{refusal}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "garbage");
    fs::remove_file(&file).unwrap();
    let backend = loop {
        // The store that did not open lets go in its own time.
        match crate::open("sled:data", folder.path()) {
            Err(OpenError::Locked { .. }) => tokio::task::yield_now().await,
            other => break other.unwrap(),
        }
    };
    backend.close().await.unwrap();
}

#[test]
fn a_newer_file_is_refused() {
    let mut newer = file_of(&[]);
    let words = [&newer[..8], &2_u64.to_ne_bytes()].concat();
    newer[8..16].copy_from_slice(&words[8..]);
    let check = crc32fast::hash(&words);
    newer[16..24].copy_from_slice(&u64::from(check).to_ne_bytes());
    let refusal = read(&newer).unwrap_err();
    assert!(
        matches!(&refusal, OpenError::Newer { found, known: 1, .. } if found == "2"),
        "{refusal}"
    );
}

#[test]
fn a_cut_file_has_the_rows_before_the_cut() {
    let whole = file_of(&[(1, 10), (2, 20), (3, 30)]);
    let rows = [row(1, 0, 10), row(2, 0, 20), row(3, 0, 30)];
    assert_eq!(read(&whole).unwrap(), rows);
    for (cut, kept) in [(1, 0), (2, 1), (3, 2), (4, 3)] {
        assert_eq!(read(&whole[..cut * ROW_BYTES]).unwrap(), rows[..kept]);
        assert_eq!(
            read(&whole[..cut * ROW_BYTES + 40]).unwrap(),
            rows[..kept],
            "half a row"
        );
    }
}

#[test]
fn a_damaged_row_is_left_out_and_the_others_count() {
    let whole = file_of(&[(1, 10), (2, 20), (3, 30)]);
    let others = [row(1, 0, 10), row(3, 0, 30)];
    let place = 2 * ROW_BYTES..3 * ROW_BYTES;
    for garbage in [[0xff; ROW_BYTES], [1; ROW_BYTES], [0; ROW_BYTES]] {
        let mut bytes = whole.clone();
        bytes[place.clone()].copy_from_slice(&garbage);
        assert_eq!(read(&bytes).unwrap(), others);
    }
    // Any bit of its identity or of its check.
    for bit in 0..40 * 8 {
        let mut bytes = whole.clone();
        bytes[place.start + bit / 8] ^= 1 << (bit % 8);
        assert_eq!(read(&bytes).unwrap(), others, "bit {bit}");
    }
    // A row of the file before, where a page was not written.
    let mut bytes = whole.clone();
    bytes[place.start..place.start + 32].copy_from_slice(&file_of(&[(7, 70)])[64..96]);
    assert_eq!(read(&bytes).unwrap(), others);
}
