//! Rows that the first version wrote are read for ever.
//!
//! Invariant: the structs here are copies of what that version stored; they never follow the core.

use std::collections::BTreeMap;

use ::sled::Tree;
use serde::Serialize;
use troupe_core::account::{AccountKind, AccountRecord, Auth, AuthScheme, Health, PreferredAuth};
use troupe_core::key::{AccountBinding, HashScheme};
use troupe_core::models::ModelRules;
use troupe_core::port::Stores;
use troupe_core::{AccountId, KeyHash, KeyId};

use super::recover;

#[derive(Serialize)]
struct Account {
    id: AccountId,
    name: &'static str,
    kind: &'static str,
    base_url: &'static str,
    auth: &'static str,
    sealed: Vec<u8>,
    headers: BTreeMap<&'static str, &'static str>,
    models: BTreeMap<&'static str, &'static str>,
    concurrent: Option<u32>,
    enabled: bool,
    created_ms: u64,
    updated_ms: u64,
    version: u64,
}

#[derive(Serialize)]
struct AccountState {
    id: AccountId,
    health: OldHealth,
    cooldowns: Vec<CoolDown>,
    updated_ms: u64,
}

#[derive(Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
enum OldHealth {
    Active,
    Rejected { since_ms: u64 },
    OutOfService { since_ms: u64, reason: &'static str },
}

#[derive(Serialize)]
struct CoolDown {
    model: Option<&'static str>,
    until_ms: u64,
    throttled: bool,
}

#[derive(Serialize)]
struct Key {
    id: KeyId,
    name: &'static str,
    hash: KeyHash,
    prefix: &'static str,
    owner: Option<&'static str>,
    group: Option<&'static str>,
    endpoints: &'static str,
    resources: &'static str,
    limits: Limits,
    enabled: bool,
    expires_ms: Option<u64>,
    revoked_ms: Option<u64>,
    created_ms: u64,
    updated_ms: u64,
    version: u64,
}

#[derive(Serialize)]
struct Limits {
    concurrent: Option<u32>,
}

fn write(tree: &Tree, id: uuid::Uuid, row: &impl Serialize) {
    let mut bytes = vec![1];
    rmp_serde::encode::write_named(&mut bytes, row).unwrap();
    tree.insert(id.as_bytes(), bytes).unwrap();
}

fn account() -> Account {
    Account {
        id: AccountId::declared("a"),
        name: "a",
        kind: "api_key",
        base_url: "https://api.example.org",
        auth: "bearer",
        sealed: vec![0, 255],
        headers: BTreeMap::from([("x-team", "t")]),
        models: BTreeMap::from([("here", "there")]),
        concurrent: Some(4),
        enabled: true,
        created_ms: 1,
        updated_ms: 2,
        version: 3,
    }
}

fn key() -> Key {
    Key {
        id: KeyId::declared("k"),
        name: "k",
        hash: KeyHash([7; 32]),
        prefix: "troupe-abc12345",
        owner: None,
        group: Some("g"),
        endpoints: "all",
        resources: "own",
        limits: Limits { concurrent: None },
        enabled: true,
        expires_ms: Some(8),
        revoked_ms: None,
        created_ms: 1,
        updated_ms: 2,
        version: 3,
    }
}

/// The account and the key, with defaults for what they did not have.
async fn read(stores: &Stores) {
    let read = stores.accounts.list().await.unwrap();
    let expected = AccountRecord {
        auth: AuthScheme::Bearer,
        sealed: vec![0, 255],
        headers: BTreeMap::from([("x-team".into(), "t".into())]),
        models: BTreeMap::from([("here".into(), "there".into())]),
        concurrent: Some(4),
        created_ms: 1,
        updated_ms: 2,
        version: 3,
        ..AccountRecord::new(
            AccountId::declared("a"),
            "a".into(),
            AccountKind::ApiKey,
            "https://api.example.org".into(),
        )
    };
    assert_eq!(
        (expected.weight, expected.preferred_auth),
        (1, PreferredAuth::Auto)
    );
    assert_eq!(read, [expected]);
    let keys = stores.keys.list().await.unwrap();
    assert_eq!(
        (keys.len(), keys[0].hash, keys[0].version),
        (1, KeyHash([7; 32]), 3)
    );
    assert_eq!(keys[0].scheme, HashScheme::HmacSha256);
    assert_eq!(
        (&keys[0].rules, &keys[0].binding),
        (&ModelRules::default(), &AccountBinding::default())
    );
}

#[tokio::test]
async fn rows_of_the_first_version_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    crate::open("sled:data", folder.path())
        .unwrap()
        .close()
        .await
        .unwrap();
    let health = [
        ("a", OldHealth::Active),
        ("b", OldHealth::Rejected { since_ms: 5 }),
        (
            "c",
            OldHealth::OutOfService {
                since_ms: 6,
                reason: "billing",
            },
        ),
    ];
    {
        let trees = recover(&data.join("store")).unwrap();
        write(&trees.accounts, account().id.0, &account());
        write(&trees.keys, key().id.0, &key());
        for (name, health) in health {
            let cooldown = |model, throttled| CoolDown {
                model,
                until_ms: 9,
                throttled,
            };
            let state = AccountState {
                id: AccountId::declared(name),
                health,
                cooldowns: vec![cooldown(None, true), cooldown(Some("claude"), false)],
                updated_ms: 4,
            };
            write(&trees.account_states, state.id.0, &state);
        }
        trees.flusher.durable().unwrap();
    }
    let backend = crate::contract::reopen(folder.path());
    read(&backend.stores).await;
    let states = backend.stores.accounts.states().await.unwrap();
    let of = |name| {
        let id = AccountId::declared(name);
        let state = states.iter().find(|state| state.id == id).unwrap().clone();
        assert_eq!(state.updated_ms, 4);
        let mut lanes = state.into_lanes();
        let lane = lanes.remove(&Auth::ApiKey).unwrap();
        assert!(lanes.is_empty() && lane.windows.is_empty());
        assert_eq!(lane.cooldowns.len(), 2);
        assert_eq!(lane.cooldowns[1].model.as_deref(), Some("claude"));
        assert!(lane.cooldowns[0].throttled && lane.cooldowns[0].betas.is_none());
        lane.health
    };
    assert_eq!(of("a"), Health::Active);
    assert_eq!(of("b"), Health::Rejected { since_ms: 5 });
    let reason = "billing".into();
    assert_eq!(
        of("c"),
        Health::OutOfService {
            since_ms: 6,
            reason
        }
    );
    backend.close().await.unwrap();
}
