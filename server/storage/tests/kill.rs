//! `kill -9` at a random moment loses no acknowledged write and leaves nothing half done.
//!
//! The test starts this same binary as a child that writes and acknowledges on stdout, kills it, opens the folder and
//! compares. `TROUPE_SOAK_ROUNDS` sets the number of rounds (3).
#![allow(clippy::unwrap_used, reason = "a test's helpers")]

use std::collections::{BTreeMap, HashSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use troupe_core::event::{DomainEvent, EventKind};
use troupe_core::key::{Endpoints, KeyLimits, KeyRecord, ResourceScope};
use troupe_core::port::{Expect, ResourceOwner, Stores};
use troupe_core::{AccountId, KeyHash, KeyId};

const FOLDER: &str = "TROUPE_KILL_TEST_FOLDER";
const WRITERS: u64 = 4;

fn random() -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).unwrap();
    u64::from_le_bytes(bytes)
}

fn key(name: &str) -> KeyRecord {
    let mut hash = [0; 32];
    getrandom::fill(&mut hash).unwrap();
    KeyRecord {
        id: KeyId::declared(name),
        name: name.into(),
        hash: KeyHash(hash),
        prefix: name.into(),
        owner: Some("x".repeat(usize::try_from(random() % 2000).unwrap())),
        group: None,
        endpoints: Endpoints::Default,
        resources: ResourceScope::Own,
        limits: KeyLimits::default(),
        enabled: true,
        expires_ms: None,
        revoked_ms: None,
        created_ms: 0,
        updated_ms: 0,
        version: 0,
    }
}

fn event(record: &KeyRecord) -> DomainEvent {
    let kind = EventKind::KeyUpdated {
        id: record.id,
        name: record.name.clone(),
    };
    DomainEvent {
        at_ms: 0,
        actor: "system".into(),
        kind,
    }
}

fn acknowledge(text: &str) {
    let mut out = std::io::stdout().lock();
    // Its own line, whatever the harness wrote before it.
    writeln!(out, "\nack {text}")
        .and_then(|()| out.flush())
        .unwrap();
}

/// Writes until it is killed: a key, the key again, and a resource of it.
async fn write_forever(stores: Stores) {
    loop {
        let name = format!("{:016x}", random());
        let first = key(&name);
        let first = stores
            .keys
            .put(first.clone(), Expect::Absent, event(&first))
            .await
            .unwrap();
        acknowledge(&format!("{name} 1"));
        let rotated = KeyRecord {
            hash: key(&name).hash,
            ..first
        };
        stores
            .keys
            .put(rotated.clone(), Expect::Version(1), event(&rotated))
            .await
            .unwrap();
        acknowledge(&format!("{name} 2"));
        let owner = ResourceOwner {
            resource: name.clone(),
            account: AccountId::declared("a"),
            key: rotated.id,
            created_ms: 0,
        };
        stores.resources.own(owner).await.unwrap();
        acknowledge(&format!("{name} 3"));
    }
}

/// The child's part; without the variable it is no test.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writer() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let backend = troupe_storage::open("sled:data", Path::new(&folder)).unwrap();
    let writers = (0..WRITERS).map(|_| tokio::spawn(write_forever(backend.stores.clone())));
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
}

/// Adds what the child acknowledged before it was killed: name → the last step.
fn run_and_kill(folder: &Path, acknowledged: &mut BTreeMap<String, u64>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "writer", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut killer = None;
    for line in lines.map_while(Result::ok) {
        let Some((name, step)) = line
            .strip_prefix("ack ")
            .and_then(|ack| ack.split_once(' '))
        else {
            continue;
        };
        // A line that the kill cut acknowledges nothing.
        if name.len() == 16
            && let Ok(step) = step.parse()
        {
            acknowledged.insert(name.to_owned(), step);
        }
        if killer.is_none() {
            let pid = child.id().to_string();
            let after = Duration::from_micros(random() % 400_000);
            killer = Some(std::thread::spawn(move || {
                std::thread::park_timeout(after);
                Command::new("kill").args(["-9", &pid]).status().unwrap()
            }));
        }
    }
    assert!(killer.unwrap().join().unwrap().success());
    assert_eq!(
        std::os::unix::process::ExitStatusExt::signal(&child.wait().unwrap()),
        Some(9)
    );
}

async fn verify(stores: &Stores, acknowledged: &BTreeMap<String, u64>) {
    let keys: BTreeMap<_, _> = stores
        .keys
        .list()
        .await
        .unwrap()
        .into_iter()
        .map(|key| (key.name.clone(), key))
        .collect();
    for (name, step) in acknowledged {
        assert!(
            keys[name].version >= (*step).min(2),
            "{name} lost step {step}"
        );
        if *step == 3 {
            assert!(
                stores
                    .resources
                    .owner(name.clone())
                    .await
                    .unwrap()
                    .is_some(),
                "{name} lost its resource"
            );
        }
    }
    // Row, indexes and event stand together: one event per version, dense numbers, no name or hash left behind.
    let events = stores.events.after(0, usize::MAX).await.unwrap();
    assert!(
        events
            .iter()
            .map(|(number, _)| *number)
            .eq(1..=events.len() as u64)
    );
    assert_eq!(
        events.len() as u64,
        keys.values().map(|key| key.version).sum::<u64>()
    );
    let hashes: HashSet<_> = keys.values().map(|key| key.hash).collect();
    assert_eq!(hashes.len(), keys.len());
    let Some(any) = keys.values().next() else {
        return;
    };
    for taken in [
        KeyRecord {
            hash: KeyHash([0; 32]),
            ..any.clone()
        },
        KeyRecord {
            name: "free".into(),
            ..any.clone()
        },
    ] {
        let other = KeyRecord {
            id: KeyId::declared("other"),
            ..taken
        };
        assert!(
            stores
                .keys
                .put(other.clone(), Expect::Absent, event(&other))
                .await
                .is_err()
        );
    }
}

#[tokio::test]
async fn kill_9_loses_no_acknowledged_write() {
    let rounds = std::env::var("TROUPE_SOAK_ROUNDS").map_or(3, |rounds| rounds.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = BTreeMap::new();
    for round in 1..=rounds {
        run_and_kill(folder.path(), &mut acknowledged);
        let backend = troupe_storage::open("sled:data", folder.path()).unwrap();
        verify(&backend.stores, &acknowledged).await;
        backend.close().await.unwrap();
        println!(
            "round {round}: {} keys acknowledged so far",
            acknowledged.len()
        );
    }
}
