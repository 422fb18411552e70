//! `kill -9` at a random moment loses nothing that a limit's counter was raised by, and invents nothing.
//!
//! The test starts this same binary as a child that charges, drops and opens counters and tells on stdout what it is
//! about to do and what it has done; kills it, opens the folder and compares. `TROUPE_SOAK_ROUNDS` sets the number of
//! rounds (3).
#![allow(clippy::unwrap_used, reason = "a test's helpers")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use troupe_core::LimitId;
use troupe_core::port::{Counter, QuotaRow, Stores};

const FOLDER: &str = "TROUPE_KILL_CELLS_TEST_FOLDER";
const TEST: &str = "kill_9_loses_no_charge";
const CHARGERS: u64 = 4;
/// Counters of one charger: together more than a piece of the file has.
const EACH: u64 = 400;
const END_MS: u64 = u64::MAX;

fn random() -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).unwrap();
    u64::from_le_bytes(bytes)
}

fn limit(n: u64) -> LimitId {
    LimitId::declared(&n.to_string())
}

fn tell(word: &str, n: u64, value: u64) {
    let mut out = std::io::stdout().lock();
    // Its own line, whatever the harness wrote before it; the end shows that it is whole.
    writeln!(out, "\n{word} {n} {value} .")
        .and_then(|()| out.flush())
        .unwrap();
}

/// What the store has of each limit's window.
async fn stored(stores: &Stores) -> BTreeMap<u64, u64> {
    let limits: BTreeMap<_, _> = (0..CHARGERS * EACH).map(|n| (limit(n), n)).collect();
    let rows = stores.quotas.load(limits.keys().copied().collect(), 0);
    let rows = rows.await.unwrap();
    rows.iter()
        .map(|row| (limits[&row.limit], row.charged))
        .collect()
}

fn open(stores: &Stores, n: u64, charged: u64) -> Arc<dyn Counter> {
    stores.cells.open(limit(n), 0, END_MS, charged)
}

/// Saves the counter's value, gives the row back and takes another.
async fn leave_and_return(stores: &Stores, n: u64, counter: &mut Arc<dyn Counter>) {
    let row = QuotaRow {
        limit: limit(n),
        start_ms: 0,
        end_ms: END_MS,
        charged: counter.value().load(Ordering::Relaxed),
    };
    stores.quotas.save(vec![row]).await.unwrap();
    let spare = open(stores, CHARGERS * EACH + random() % 1_000, random());
    *counter = open(stores, n, row.charged);
    drop(spare);
}

/// Charges until it is killed.
async fn charge_forever(stores: Stores, charger: u64, from: Arc<BTreeMap<u64, u64>>) {
    let own = charger * EACH..(charger + 1) * EACH;
    let base = |n| from.get(&n).copied().unwrap_or(0);
    let mut counters: Vec<_> = own.map(|n| (n, open(&stores, n, base(n)))).collect();
    loop {
        let which = usize::try_from(random() % EACH).unwrap();
        let (n, counter) = &mut counters[which];
        let by = random() % 1_000;
        let after = counter.value().load(Ordering::Relaxed) + by;
        tell("about", *n, after);
        counter.value().fetch_add(by, Ordering::Relaxed);
        tell("charged", *n, after);
        if random().is_multiple_of(50) {
            leave_and_return(&stores, *n, counter).await;
        }
    }
}

async fn child(folder: &Path) {
    let backend = troupe_storage::open("sled:data", folder).unwrap();
    let from = Arc::new(stored(&backend.stores).await);
    let tasks: Vec<_> = (0..CHARGERS)
        .map(|charger| {
            let stores = backend.stores.clone();
            tokio::spawn(charge_forever(stores, charger, Arc::clone(&from)))
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

/// What a limit has charged at least and at most, as told.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    charged: u64,
    about: u64,
}

/// Runs the child, kills it soon after its first charge, and notes what it told.
fn run_and_kill(folder: &Path, told: &mut BTreeMap<u64, Told>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", TEST, "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut killer = None;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let Ok(line) = line else { break };
        let words: Vec<&str> = line.split(' ').collect();
        let [word @ ("about" | "charged"), n, value, "."] = words[..] else {
            continue;
        };
        let of = told.entry(n.parse().unwrap()).or_default();
        let value = value.parse().unwrap();
        of.about = value;
        if word == "charged" {
            of.charged = value;
        }
        killer.get_or_insert_with(|| {
            let pid = child.id().to_string();
            let after = Duration::from_micros(random() % 300_000);
            std::thread::spawn(move || {
                std::thread::park_timeout(after);
                Command::new("kill").args(["-9", &pid]).status().unwrap()
            })
        });
    }
    assert!(killer.unwrap().join().unwrap().success());
    assert_eq!(
        std::os::unix::process::ExitStatusExt::signal(&child.wait().unwrap()),
        Some(9)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_loses_no_charge() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return child(Path::new(&folder)).await;
    }
    let rounds = std::env::var("TROUPE_SOAK_ROUNDS").map_or(3, |rounds| rounds.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let mut told = BTreeMap::new();
    for round in 1..=rounds {
        run_and_kill(folder.path(), &mut told);
        let backend = troupe_storage::open("sled:data", folder.path()).unwrap();
        let stored = stored(&backend.stores).await;
        for (n, of) in &mut told {
            let found = stored.get(n).copied().unwrap_or(0);
            assert!(
                (of.charged..=of.about).contains(&found),
                "{n}: {found}, told {of:?}"
            );
            // The next child goes on from there.
            *of = Told {
                charged: found,
                about: found,
            };
        }
        let others = stored.iter().filter(|(n, _)| !told.contains_key(n));
        assert!(others.clone().all(|(_, charged)| *charged == 0));
        backend.close().await.unwrap();
        println!("round {round}: {} limits charged", told.len());
    }
}
