//! What is wrong with a file is told before anything is written to a store.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::store::{Store, embedded, filled, passphrase};
use super::{archive, back_up};
use crate::archive::{ArchiveError, Backup};

struct Made {
    folder: tempfile::TempDir,
    plain: Vec<u8>,
    sealed: Vec<u8>,
}

impl Made {
    fn put(&self, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join("file");
        fs::write(&path, bytes).unwrap();
        path
    }
}

async fn write(store: &Store, path: &Path, word: Option<&str>) -> Vec<u8> {
    let how = back_up(path, word);
    archive(store).back_up(how, Arc::default()).await.unwrap();
    fs::read(path).unwrap()
}

async fn made() -> Made {
    let folder = tempfile::tempdir().unwrap();
    let store = filled().await;
    let plain = write(&store, &folder.path().join("plain"), None).await;
    let sealed = write(&store, &folder.path().join("sealed"), Some("horse")).await;
    store.close().await;
    Made {
        folder,
        plain,
        sealed,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_change_and_any_cut_is_told() {
    let made = made().await;
    Backup::check(&made.put(&made.plain), None).unwrap();
    let len = made.plain.len();
    // Every byte of the ends, and of what is between them some of every kind.
    for at in (0..400)
        .chain((400..len - 300).step_by(11))
        .chain(len - 300..len)
    {
        let mut changed = made.plain.clone();
        changed[at] ^= 1 << (at % 8);
        let checked = Backup::check(&made.put(&changed), None);
        assert!(checked.is_err(), "byte {at} of {len}");
    }
    for at in (0..len).step_by(31) {
        let checked = Backup::check(&made.put(&made.plain[..at]), None);
        assert!(checked.is_err(), "cut at {at}");
    }
    let longer = [&made.plain[..], b"x"].concat();
    assert!(Backup::check(&made.put(&longer), None).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_file_tells_nothing_and_notices_everything() {
    let made = made().await;
    let text = String::from_utf8_lossy(&made.sealed);
    assert!(!text.contains("troupe-abc12345") && !text.contains("audit anchors\":"));
    let path = made.put(&made.sealed);
    Backup::check(&path, passphrase("horse")).unwrap();
    let refused = |bytes: &[u8]| {
        let checked = Backup::check(&made.put(bytes), passphrase("horse"));
        checked.unwrap_err()
    };
    // Each costs a derivation: one of every class of bytes.
    let header = 20 + u32::from_le_bytes(made.sealed[16..20].try_into().unwrap()) as usize;
    let len = made.sealed.len();
    for at in [
        header,
        header + 4,
        header + 5,
        header + 300,
        len - 60,
        len - 33,
        len - 1,
    ] {
        let mut changed = made.sealed.clone();
        changed[at] ^= 4;
        let error = refused(&changed);
        let told = matches!(
            error,
            ArchiveError::Damaged { .. } | ArchiveError::WrongPassphrase(_)
        );
        assert!(told, "byte {at}: {error}");
    }
    let salt = made
        .sealed
        .windows(6)
        .position(|part| part == b"\"salt\"")
        .unwrap();
    let mut changed = made.sealed.clone();
    changed[salt + 9] = if changed[salt + 9] == b'0' {
        b'1'
    } else {
        b'0'
    };
    assert!(matches!(
        refused(&changed),
        ArchiveError::WrongPassphrase(_)
    ));
    assert!(matches!(
        refused(&made.sealed[..len - 1]),
        ArchiveError::Damaged { .. }
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn passphrases_are_asked_for_and_compared() {
    let made = made().await;
    let sealed = |word| Backup::check(&made.put(&made.sealed), word).unwrap_err();
    assert!(matches!(sealed(None), ArchiveError::NeedsPassphrase(_)));
    assert!(matches!(
        sealed(passphrase("Horse")),
        ArchiveError::WrongPassphrase(_)
    ));
    let plain = Backup::check(&made.put(&made.plain), passphrase("horse")).unwrap_err();
    assert!(matches!(plain, ArchiveError::NotSealed(_)));
    assert!(!format!("{plain:?}{:?}", sealed(passphrase("zebra"))).contains("zebra"));
}

#[tokio::test(flavor = "multi_thread")]
async fn other_files_and_newer_ones_are_told_apart() {
    let made = made().await;
    for bytes in [
        &b""[..],
        b"TROUPE",
        b"{\"accounts\":[]}, and much more of it",
    ] {
        let error = Backup::check(&made.put(bytes), None).unwrap_err();
        assert!(matches!(error, ArchiveError::NotABackup(_)), "{error}");
    }
    let mut newer = made.plain.clone();
    newer[14] = 2;
    let error = Backup::check(&made.put(&newer), None).unwrap_err();
    let ArchiveError::Newer {
        found: 2, known: 1, ..
    } = error
    else {
        panic!("{error}");
    };
    let error = Backup::check(&made.folder.path().join("none"), None).unwrap_err();
    assert!(matches!(error, ArchiveError::Io { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_stands_is_kept_and_a_folder_that_is_not_there_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let store = embedded();
    let path = folder.path().join("mine");
    fs::write(&path, "mine").unwrap();
    let refused = archive(&store)
        .back_up(back_up(&path, None), Arc::default())
        .await;
    assert!(matches!(refused, Err(ArchiveError::Exists(_))));
    assert_eq!(fs::read(&path).unwrap(), b"mine");
    let mut how = back_up(&path, None);
    how.replace = true;
    archive(&store).back_up(how, Arc::default()).await.unwrap();
    Backup::check(&path, None).unwrap();
    let nowhere = folder.path().join("none/b");
    let refused = archive(&store)
        .back_up(back_up(&nowhere, None), Arc::default())
        .await;
    assert!(matches!(refused, Err(ArchiveError::Io { .. })));
    store.close().await;
}
