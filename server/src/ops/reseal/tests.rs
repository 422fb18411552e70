//! Rotation of the master key against stores in memory and on sled. [`racing`]: against a faster writer.

mod racing;

use std::path::Path;
use std::sync::Arc;

use troupe_core::account::{AccountKind, SecretName};
use troupe_core::port::Stores;
use troupe_storage::Backend;
use troupe_storage::crypt::{Keyring, MasterKey, MasterKeys};

use super::super::tests::operations;
use super::*;

const QUICK: Pace = Pace {
    row: Duration::ZERO,
    settle: Duration::ZERO,
};
const ACCOUNTS: u64 = 8;

fn key(digit: &str) -> MasterKey {
    MasterKey::parse(&digit.repeat(64)).unwrap()
}

/// Key 2 in force, key 1 before it.
fn both() -> MasterKeys {
    MasterKeys {
        current: key("2"),
        previous: vec![key("1")],
    }
}

/// Operations on `stores` by the vault of `keys`.
async fn on(stores: &Stores, keys: impl Into<MasterKeys>) -> Result<Operations, CryptError> {
    let ring = Keyring::open_with(stores.meta.as_ref(), &keys.into()).await?;
    Ok(Operations {
        stores: stores.clone(),
        vault: Arc::new(ring.vault),
        hasher: Arc::new(ring.hasher),
        ..operations().await
    })
}

async fn run(ops: &Operations, pace: Pace) -> Result<Resealed, OpError> {
    Resealer::new(ops).run(pace).await
}

fn id(n: u64) -> AccountId {
    AccountId::declared(&n.to_string())
}

fn name_of(n: u64) -> SecretName {
    match n % 3 {
        0 => SecretName::Proxy,
        1 => SecretName::WebCookie,
        _ => SecretName::ClientSecret,
    }
}

fn token(vault: &Vault, n: u64, generation: u64) -> TokenRow {
    let sealed = vault.seal(&aad::token(id(n), generation), &generation.to_le_bytes());
    TokenRow {
        account: id(n),
        generation,
        obtained_ms: 0,
        expires_ms: 0,
        sealed: sealed.unwrap(),
        intent: None,
        needs_login: None,
        version: 0,
    }
}

async fn put_token(
    ops: &Operations,
    row: TokenRow,
    expect: Expect,
) -> Result<TokenRow, StoreError> {
    ops.stores.accounts.put_token(row, expect, None).await
}

/// Accounts with two secrets each, and with tokens; and tokens of an account that is not stored.
async fn fill(ops: &Operations) {
    for n in 0..ACCOUNTS {
        let name = format!("account {n}");
        let url = "https://upstream.example".into();
        let mut record = AccountRecord::new(id(n), name.clone(), AccountKind::Oauth, url);
        let seal = |aad: Vec<u8>| ops.vault.seal(&aad, &n.to_le_bytes()).unwrap();
        record.sealed = seal(aad::api_key(id(n)));
        let named = seal(aad::secret(id(n), name_of(n)));
        record.secrets.insert(name_of(n), named);
        let event = ops.event(EventKind::AccountUpdated { id: id(n), name });
        let put = ops.stores.accounts.put(record, Expect::Absent, event);
        put.await.unwrap();
    }
    for n in 0..=ACCOUNTS {
        put_token(ops, token(&ops.vault, n, 1), Expect::Absent)
            .await
            .unwrap();
    }
}

/// Everything opens with `vault` and is what it was; gives the generations by account.
async fn verify(stores: &Stores, vault: &Vault) -> Vec<u64> {
    let accounts = stores.accounts.list().await.unwrap();
    assert_eq!(accounts.len() as u64, ACCOUNTS);
    for (n, record) in (0..).zip(&accounts) {
        let open = |aad: Vec<u8>, sealed: &[u8]| vault.open(&aad, sealed).unwrap().to_vec();
        let named = &record.secrets[&name_of(n)];
        let opened = [
            open(aad::api_key(record.id), &record.sealed),
            open(aad::secret(record.id, name_of(n)), named),
        ];
        assert_eq!(opened, [n.to_le_bytes().to_vec(), n.to_le_bytes().to_vec()]);
    }
    let mut generations = Vec::new();
    for n in 0..=ACCOUNTS {
        let row = stores.accounts.token(id(n)).await.unwrap().unwrap();
        let aad = aad::token(row.account, row.generation);
        let opened = vault.open(&aad, &row.sealed).unwrap();
        assert_eq!(opened.as_slice(), row.generation.to_le_bytes());
        generations.push(row.generation);
    }
    generations
}

/// Renews tokens as a keeper does, and gives the generation that the store acknowledged last.
async fn renew(ops: Operations, n: u64, times: usize) -> u64 {
    let mut last = 1;
    for _ in 0..times {
        let row = ops.stores.accounts.token(id(n)).await.unwrap().unwrap();
        let (generation, expect) = (row.generation + 1, Expect::Version(row.version));
        match put_token(&ops, token(&ops.vault, n, generation), expect).await {
            Ok(row) => last = row.generation,
            Err(StoreError::Conflict(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
    last
}

async fn a_rotation_loses_nothing(url: &str) {
    let folder = tempfile::tempdir().unwrap();
    let backend = troupe_storage::open(url, folder.path()).unwrap();
    let stores = backend.stores.clone();
    let ops = on(&stores, key("1")).await.unwrap();
    fill(&ops).await;
    let renewals: Vec<_> = (0..=ACCOUNTS)
        .map(|n| tokio::spawn(renew(ops.clone(), n, 40)))
        .collect();
    ops.vault.rotate(&both());
    let first = run(&ops, QUICK).await.unwrap();
    let mut acknowledged = Vec::new();
    for renewal in renewals {
        acknowledged.push(renewal.await.unwrap());
    }
    assert_eq!((first.accounts as u64, first.skipped), (ACCOUNTS, 0));
    // With a pace of zero a renewal may have been under way: sealed before, written after.
    run(&ops, QUICK).await.unwrap();
    let nothing = run(&ops, QUICK).await.unwrap();
    assert_eq!(nothing, Resealed::default());
    assert!(on(&stores, key("1")).await.is_err(), "the old key is out");
    let alone = on(&stores, key("2")).await.unwrap();
    assert_eq!(verify(&stores, &alone.vault).await, acknowledged);
    assert_eq!(alone.hasher.hash(b"secret"), ops.hasher.hash(b"secret"));
    backend.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_loses_nothing_in_memory() {
    a_rotation_loses_nothing("memory:").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_loses_nothing_on_sled() {
    a_rotation_loses_nothing("sled:data").await;
}

fn memory() -> Backend {
    troupe_storage::open("memory:", Path::new("")).unwrap()
}

#[tokio::test]
async fn each_key_alone_opens_in_its_time() {
    let stores = memory().stores;
    fill(&on(&stores, key("1")).await.unwrap()).await;
    assert!(on(&stores, key("2")).await.is_err());
    let ops = on(&stores, both()).await.unwrap();
    verify(&stores, &ops.vault).await;
    verify(&stores, &on(&stores, key("1")).await.unwrap().vault).await;
    let done = run(&ops, QUICK).await.unwrap();
    let (accounts, tokens) = (ACCOUNTS as usize, ACCOUNTS as usize + 1);
    let all = Resealed {
        accounts,
        tokens,
        skipped: 0,
    };
    assert_eq!(done, all);
    assert!(on(&stores, key("1")).await.is_err());
    verify(&stores, &on(&stores, key("2")).await.unwrap().vault).await;
    assert_eq!(run(&ops, QUICK).await.unwrap(), Resealed::default());
}

#[tokio::test]
async fn damage_is_counted_and_keeps_the_old_key() {
    let stores = memory().stores;
    let ops = on(&stores, key("1")).await.unwrap();
    fill(&ops).await;
    let mut row = stores.accounts.token(id(3)).await.unwrap().unwrap();
    row.sealed[40] ^= 1;
    let expect = Expect::Version(row.version);
    put_token(&ops, row, expect).await.unwrap();
    let mut record = stores.accounts.list().await.unwrap().remove(5);
    record.sealed.truncate(20);
    let expect = Expect::Version(record.version);
    let name = record.name.clone();
    let event = ops.event(EventKind::AccountUpdated { id: id(5), name });
    let put = stores.accounts.put(record, expect, event);
    put.await.unwrap();

    let ops = on(&stores, both()).await.unwrap();
    let done = run(&ops, QUICK).await.unwrap();
    let (accounts, tokens) = (ACCOUNTS as usize, ACCOUNTS as usize);
    let all = Resealed {
        accounts,
        tokens,
        skipped: 2,
    };
    assert_eq!(done, all, "the other secret of the damaged account too");
    let again = run(&ops, QUICK).await.unwrap();
    assert_eq!((again.accounts, again.tokens, again.skipped), (0, 0, 2));
    let meta = stores.meta.as_ref();
    assert_eq!(bound_to(meta).await.unwrap(), Some(key("1").key_id()));

    // Both go, or get new secrets: then it ends.
    let row = stores.accounts.token(id(3)).await.unwrap().unwrap();
    put_token(&ops, token(&ops.vault, 3, 2), Expect::Version(row.version))
        .await
        .unwrap();
    let name = String::new();
    let event = ops.event(EventKind::AccountRemoved { id: id(5), name });
    stores.accounts.remove(id(5), event).await.unwrap();
    assert_eq!(run(&ops, QUICK).await.unwrap(), Resealed::default());
    assert_eq!(bound_to(meta).await.unwrap(), Some(key("2").key_id()));
}

#[tokio::test(start_paused = true)]
async fn what_was_interrupted_begins_again() {
    let stores = memory().stores;
    fill(&on(&stores, key("1")).await.unwrap()).await;
    let ops = on(&stores, both()).await.unwrap();
    let slow = Pace {
        row: Duration::from_secs(1),
        settle: Duration::ZERO,
    };
    let cut = Duration::from_millis(3_500);
    let interrupted = tokio::time::timeout(cut, run(&ops, slow)).await;
    assert!(interrupted.is_err());
    let meta = stores.meta.as_ref();
    assert_eq!(bound_to(meta).await.unwrap(), Some(key("1").key_id()));
    let ops = on(&stores, both()).await.unwrap();
    verify(&stores, &ops.vault).await;
    let rest = run(&ops, QUICK).await.unwrap();
    assert_eq!(rest.accounts as u64, ACCOUNTS - 4);
    verify(&stores, &on(&stores, key("2")).await.unwrap().vault).await;
}

#[tokio::test(start_paused = true)]
async fn a_box_that_was_on_its_way_is_waited_for() {
    let stores = memory().stores;
    let ops = on(&stores, key("1")).await.unwrap();
    fill(&ops).await;
    let late = token(&ops.vault, 0, 2);
    ops.vault.rotate(&both());
    let resealing = tokio::spawn({
        let ops = ops.clone();
        async move { reseal(&ops).await }
    });
    let writing = tokio::spawn({
        let (ops, stores) = (ops.clone(), stores.clone());
        async move {
            tokio::time::sleep(Duration::from_secs(50)).await;
            let row = stores.accounts.token(id(0)).await.unwrap().unwrap();
            assert!(
                ops.vault.is_current(&row.sealed),
                "it was sealed anew before"
            );
            put_token(&ops, late, Expect::Version(row.version)).await
        }
    });
    writing.await.unwrap().unwrap();
    let done = resealing.await.unwrap().unwrap();
    assert_eq!(done.tokens as u64, ACCOUNTS + 2);
    let alone = on(&stores, key("2")).await.unwrap();
    assert_eq!(verify(&stores, &alone.vault).await[0], 2);
}

#[tokio::test(start_paused = true)]
async fn in_the_background_it_ends_when_it_is_done() {
    let stores = memory().stores;
    let ops = on(&stores, key("1")).await.unwrap();
    fill(&ops).await;
    Resealer::new(&ops).until_done().await;
    assert!(
        on(&stores, key("2")).await.is_err(),
        "nothing was to be done"
    );
    ops.vault.rotate(&both());
    Resealer::new(&ops).until_done().await;
    verify(&stores, &on(&stores, key("2")).await.unwrap().vault).await;
}
