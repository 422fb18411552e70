//! Changes of every kind arrive, once, within the promised two seconds.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

use super::super::watch::watch;

async fn arrives(receiver: &mut Receiver<()>, what: &str) {
    let unit = timeout(Duration::from_secs(2), receiver.recv()).await;
    assert_eq!(unit.expect(what), Some(()), "{what}");
}

async fn stays_silent(receiver: &mut Receiver<()>, what: &str) {
    let unit = timeout(Duration::from_millis(1500), receiver.recv()).await;
    assert!(unit.is_err(), "{what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_renames_and_removals_arrive_and_other_files_do_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("troupe.yaml");
    std::fs::write(&file, "a").expect("a write");
    let (_watcher, mut changed) = watch(vec![file.clone()]).expect("a watcher");

    std::fs::write(&file, "b").expect("a write");
    arrives(&mut changed, "a write of the same length").await;

    let swap = folder.path().join("troupe.yaml.new");
    std::fs::write(&swap, "c").expect("a write");
    std::fs::rename(&swap, &file).expect("a rename");
    arrives(&mut changed, "an editor's rename").await;

    std::fs::write(folder.path().join("other"), "x").expect("a write");
    std::fs::read(&file).expect("a read");
    stays_silent(&mut changed, "another file, or reading").await;

    std::fs::remove_file(&file).expect("a removal");
    arrives(&mut changed, "a removal").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_swapped_symlink_arrives() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| -> PathBuf { folder.path().join(name) };
    for (version, text) in [("v1", "a"), ("v2", "b")] {
        std::fs::create_dir(at(version)).expect("a folder");
        std::fs::write(at(version).join("troupe.yaml"), text).expect("a write");
    }
    let link = std::os::unix::fs::symlink::<&str, PathBuf>;
    link("v1", at("data")).expect("a link");
    link("data/troupe.yaml", at("troupe.yaml")).expect("a link");
    let (_watcher, mut changed) = watch(vec![at("troupe.yaml")]).expect("a watcher");

    link("v2", at("data.new")).expect("a link");
    std::fs::rename(at("data.new"), at("data")).expect("a swap");
    arrives(&mut changed, "a swapped folder").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sighup_arrives_and_dropping_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("troupe.yaml");
    let (watcher, mut changed) = watch(vec![file]).expect("a watcher");
    let hangup = std::process::Command::new("kill")
        .args(["-HUP", &std::process::id().to_string()])
        .status();
    assert!(hangup.expect("kill").success());
    arrives(&mut changed, "a SIGHUP").await;

    drop(watcher);
    let end = timeout(Duration::from_secs(2), changed.recv()).await;
    assert_eq!(end.expect("an end"), None);
}
