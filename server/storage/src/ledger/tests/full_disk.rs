//! A disk that has no room: this test starts itself again with a limit on the size of files.

use std::process::Command;

use super::*;

const FOLDER: &str = "TROUPE_FULL_DISK_TEST_FOLDER";
/// More rows than fit into the file that the child may write.
const ROWS: u64 = 20_000;

/// What the child does: takes rows until the file is full, and more.
fn fill(folder: &Path) {
    let ledger = Ledger::begin(folder).unwrap();
    let cells = ledger.cells();
    let mut held = Vec::new();
    while cells.is_durable() {
        assert!((held.len() as u64) < ROWS, "the file is not limited");
        held.push(open(&*cells, held.len() as u64, 0, 7));
    }
    assert!(held.len() > 1_000, "{}", held.len());
    let in_file = held.len() - 1;
    assert_eq!(left(folder).len(), in_file);
    // What has no row counts all the same, and what has one goes on.
    for _ in 0..10 {
        held.push(open(&*cells, held.len() as u64, 0, 7));
    }
    assert!(held.iter().all(|one| value(one) == 7));
    for one in &held {
        one.value().fetch_add(1, Ordering::Relaxed);
    }
    assert!(held.iter().all(|one| value(one) == 8));
    assert_eq!(cells.in_use(), in_file + 11);
    assert!(left(folder).values().all(|row| row.charged == 8));
    // The newest go first, then rows are free again and all counters are in the file.
    held.truncate(in_file);
    assert!(cells.is_durable());
    held.truncate(in_file - 5);
    let again = open(&*cells, 1, 10, 3);
    assert!(cells.is_durable());
    assert_eq!(left(folder).len(), in_file - 4);
    drop((held, again));
    assert_eq!(cells.in_use(), 0);
    println!("\nfilled {in_file}");
}

#[test]
fn a_full_disk_is_no_signal_and_costs_only_what_does_not_fit() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return fill(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    let name =
        "ledger::tests::full_disk::a_full_disk_is_no_signal_and_costs_only_what_does_not_fit";
    // 300 blocks of 512 or 1024 bytes. The signal is ignored as a full disk has none; the write fails.
    let out = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 300; exec \"$@\"", "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(
        out.status.success() && text.contains("\nfilled "),
        "{text}{}",
        String::from_utf8_lossy(&out.stderr)
    );
}
