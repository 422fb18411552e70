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

use troupe_core::account::TokenRow;
use troupe_core::event::{DomainEvent, EventKind};
use troupe_core::key::KeyRecord;
use troupe_core::port::{Expect, ResourceOwner, SessionRow, Stores};
use troupe_core::{AccountId, KeyHash, KeyId, SessionKey};

const FOLDER: &str = "TROUPE_KILL_TEST_FOLDER";
const WRITERS: u64 = 4;
/// Rows of one `save`.
const BATCH: u64 = 32;

fn random() -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).unwrap();
    u64::from_le_bytes(bytes)
}

fn some_length() -> usize {
    usize::try_from(random() % 2000).unwrap()
}

/// The row that writer `n` writes as its `version`: every part of it tells which it is.
fn token(n: u64, version: u64) -> TokenRow {
    TokenRow {
        account: AccountId::declared(&n.to_string()),
        generation: version,
        obtained_ms: version,
        expires_ms: version,
        sealed: vec![u8::try_from(version % 256).unwrap(); some_length()],
        intent: None,
        needs_login: Some(version.to_string()),
        version,
    }
}

fn is_whole(row: &TokenRow) -> bool {
    let n = row.version;
    let sealed = row.sealed.iter().all(|byte| u64::from(*byte) == n % 256);
    let parts = [row.generation, row.obtained_ms, row.expires_ms];
    sealed && parts == [n; 3] && row.needs_login == Some(n.to_string())
}

fn sessions(n: u64, turn: u64) -> Vec<SessionRow> {
    let row = |session| SessionRow {
        session: SessionKey {
            key: KeyId::declared(&n.to_string()),
            session,
        },
        account: AccountId::declared("a"),
        cached_tokens: turn,
        until_ms: turn,
    };
    (0..BATCH).map(row).collect()
}

fn key(name: &str) -> KeyRecord {
    let mut hash = [0; 32];
    getrandom::fill(&mut hash).unwrap();
    KeyRecord {
        hash: KeyHash(hash),
        prefix: name.into(),
        owner: Some("x".repeat(some_length()).into()),
        ..KeyRecord::new(KeyId::declared(name), name.into(), 0)
    }
}

fn event(record: &KeyRecord) -> DomainEvent {
    told(EventKind::KeyUpdated {
        id: record.id,
        name: record.name.clone(),
    })
}

fn told(kind: EventKind) -> DomainEvent {
    DomainEvent::new(0, "system", kind)
}

fn acknowledge(name: &str, step: u64) {
    let mut out = std::io::stdout().lock();
    // Its own line, whatever the harness wrote before it; the end shows that it is whole.
    writeln!(out, "\nack {name} {step} .")
        .and_then(|()| out.flush())
        .unwrap();
}

/// A key, the key again, and a resource of it.
async fn write_key(stores: &Stores) {
    let name = format!("{:016x}", random());
    let first = key(&name);
    let first = stores
        .keys
        .put(first.clone(), Expect::Absent, event(&first))
        .await
        .unwrap();
    acknowledge(&name, 1);
    let rotated = KeyRecord {
        hash: key(&name).hash,
        ..first
    };
    stores
        .keys
        .put(rotated.clone(), Expect::Version(1), event(&rotated))
        .await
        .unwrap();
    acknowledge(&name, 2);
    let owner = ResourceOwner {
        resource: name.clone(),
        account: AccountId::declared("a"),
        key: rotated.id,
        created_ms: 0,
    };
    stores.resources.own(owner).await.unwrap();
    acknowledge(&name, 3);
}

/// The next version of the writer's tokens, with its event.
async fn write_token(stores: &Stores, n: u64) {
    let found = stores.accounts.token(token(n, 0).account).await.unwrap();
    let expect = found
        .as_ref()
        .map_or(Expect::Absent, |row| Expect::Version(row.version));
    let row = token(n, found.map_or(1, |row| row.version + 1));
    let event = told(EventKind::TokenRenewed {
        id: row.account,
        generation: row.generation,
    });
    let stored = stores.accounts.put_token(row, expect, Some(event)).await;
    acknowledge(&format!("token-{n}"), stored.unwrap().version);
}

/// Writes until it is killed.
async fn write_forever(stores: Stores, n: u64) {
    let loaded = stores.sessions.load(0, usize::MAX).await.unwrap();
    let own = sessions(n, 0)[0].session;
    let mut turn = loaded
        .iter()
        .find(|row| row.session == own)
        .map_or(0, |row| row.until_ms);
    loop {
        write_key(&stores).await;
        for _ in 0..3 {
            write_token(&stores, n).await;
        }
        turn += 1;
        stores.sessions.save(sessions(n, turn)).await.unwrap();
        acknowledge(&format!("sessions-{n}"), turn);
    }
}

/// The child's part; without the variable it is no test.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writer() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let backend = troupe_storage::open("sled:data", Path::new(&folder)).unwrap();
    let writers = (0..WRITERS).map(|n| tokio::spawn(write_forever(backend.stores.clone(), n)));
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
        // A line that the kill cut acknowledges nothing.
        let Some((name, step)) = line
            .strip_prefix("ack ")
            .and_then(|ack| ack.strip_suffix(" ."))
            .and_then(|ack| ack.split_once(' '))
        else {
            continue;
        };
        acknowledged.insert(name.to_owned(), step.parse().unwrap());
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

/// What was acknowledged is there; what was not may be there, whole.
async fn verify(stores: &Stores, acknowledged: &BTreeMap<String, u64>) {
    let (keys, versions) = verify_keys(stores, acknowledged).await;
    let token_versions = verify_tokens(stores, acknowledged).await;
    verify_sessions(stores, acknowledged).await;
    // Row, indexes and event stand together: one event per version, dense numbers, no name or hash left behind.
    let events = stores.events.after(0, usize::MAX).await.unwrap();
    assert!(
        events
            .iter()
            .map(|(number, _)| *number)
            .eq(1..=events.len() as u64)
    );
    assert_eq!(events.len() as u64, versions + token_versions);
    verify_indexes(stores, &keys).await;
}

async fn verify_keys(
    stores: &Stores,
    acknowledged: &BTreeMap<String, u64>,
) -> (Vec<KeyRecord>, u64) {
    let list = stores.keys.list().await.unwrap();
    let keys: BTreeMap<_, _> = list.iter().map(|key| (&*key.name, key)).collect();
    let is_key = |name: &&String| name.len() == 16;
    for name in acknowledged.keys().filter(is_key) {
        let step = acknowledged[name];
        assert!(
            keys[&**name].version >= step.min(2),
            "{name} lost step {step}"
        );
        if step == 3 {
            let owner = stores.resources.owner(name.clone()).await.unwrap();
            assert!(owner.is_some(), "{name} lost its resource");
        }
    }
    let versions = list.iter().map(|key| key.version).sum();
    (list, versions)
}

async fn verify_tokens(stores: &Stores, acknowledged: &BTreeMap<String, u64>) -> u64 {
    let mut versions = 0;
    for n in 0..WRITERS {
        let least = acknowledged.get(&format!("token-{n}")).copied();
        let row = stores.accounts.token(token(n, 0).account).await.unwrap();
        let version = row.as_ref().map_or(0, |row| row.version);
        let least = least.unwrap_or(0);
        assert!(version >= least, "token {n}: {version}, not {least}");
        assert!(row.is_none_or(|row| is_whole(&row)), "token {n} is torn");
        versions += version;
    }
    versions
}

async fn verify_sessions(stores: &Stores, acknowledged: &BTreeMap<String, u64>) {
    let loaded = stores.sessions.load(0, usize::MAX).await.unwrap();
    for n in 0..WRITERS {
        let key = KeyId::declared(&n.to_string());
        let own = loaded.iter().filter(|row| row.session.key == key);
        let turns: Vec<_> = own.map(|row| row.until_ms).collect();
        let least = acknowledged.get(&format!("sessions-{n}")).copied();
        let turn = turns.first().copied().unwrap_or(0);
        assert!(turn >= least.unwrap_or(0), "{n}: {turn}, not {least:?}");
        assert!(turns.iter().all(|other| *other == turn), "{n}: {turns:?}");
        assert!(turns.is_empty() || turns.len() as u64 == BATCH);
    }
}

async fn verify_indexes(stores: &Stores, keys: &[KeyRecord]) {
    let hashes: HashSet<_> = keys.iter().map(|key| key.hash).collect();
    assert_eq!(hashes.len(), keys.len());
    let Some(any) = keys.first() else {
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
            "round {round}: {} rows acknowledged so far",
            acknowledged.len()
        );
    }
}
