//! A large store to PostgreSQL and back. `TROUPE_SOAK_ROWS` sets the rows of the request log (20 000); for a million of
//! them there are a thousand accounts and ten thousand keys. It prints what every kind holds, and how long each way took.
//!
//! Invariant: rows differ in every column that is searched, and are of several days.

use std::sync::Arc;
use std::time::{Duration, Instant};

use troupe_core::port::{Expect, Stores};
use troupe_core::record::{Outcome, RequestRecord};
use troupe_core::{AccountId, KeyId};

use super::store::{Store, embedded, fill, holds_the_same};
use super::{archive, summary};
use crate::archive::{Kind, Summary};
use crate::contract::sample;
use crate::postgres::testing::Postgres;

const ROWS: u64 = 20_000;
/// Rows for which there is an account, and keys to each.
const ROWS_AN_ACCOUNT: u64 = 1_000;
const FEWEST_ACCOUNTS: u64 = 50;
const KEYS_AN_ACCOUNT: u64 = 10;
const BATCH: u64 = 1_000;
/// Puts that are under way at once.
const AT_ONCE: u64 = 32;
const FIRST_MS: u64 = 1_795_478_400_000;
const DAYS: u64 = 10;
const DAY_MS: u64 = 86_400_000;

#[derive(Clone, Copy)]
struct Size {
    accounts: u64,
    keys: u64,
    rows: u64,
}

impl Size {
    fn asked() -> Self {
        let rows = std::env::var("TROUPE_SOAK_ROWS").map_or(ROWS, |rows| rows.parse().unwrap());
        let accounts = FEWEST_ACCOUNTS.max(rows / ROWS_AN_ACCOUNT);
        Self {
            accounts,
            keys: accounts * KEYS_AN_ACCOUNT,
            rows,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_store_is_the_same_on_postgresql_and_back() {
    let (size, server) = (Size::asked(), Postgres::start());
    let (from, took) = timed(grown(size)).await;
    let all = summary(&from).await;
    tell(size, &all);
    assert!(all.of(Kind::Account).rows >= size.accounts && all.of(Kind::Key).rows >= size.keys);
    assert!(all.of(Kind::Request).rows >= size.rows);
    assert_eq!(all.0.len(), Kind::ALL.len(), "every kind");

    let folder = tempfile::tempdir().unwrap();
    let options = server.options(folder.path()).await;
    let backend = options.open_to_fill().await.unwrap();
    let there = Store { backend, folder };
    let (copied, out) = timed(copy(&from, &there)).await;
    assert_eq!(copied, all);
    let folder = there.close().await;
    let backend = options.open().await.unwrap();
    let there = Store { backend, folder };

    let back = embedded();
    let (copied, home) = timed(copy(&there, &back)).await;
    assert_eq!(copied, all);
    let back = back.reopen().await;
    assert_eq!(summary(&back).await, all, "as it serves");
    println!("made in {took:.1?}, to PostgreSQL in {out:.1?}, and back in {home:.1?}");
    holds_the_same(&from.backend.stores, &back.backend.stores).await;
    for store in [from, there, back] {
        store.close().await;
    }
}

async fn copy(from: &Store, to: &Store) -> Summary {
    let (from, to) = (archive(from), archive(to));
    from.copy_to(&to, Arc::default()).await.unwrap()
}

async fn timed<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let begun = Instant::now();
    let done = work.await;
    (done, begun.elapsed())
}

fn tell(size: Size, all: &Summary) {
    let Size {
        accounts,
        keys,
        rows,
    } = size;
    println!("{accounts} accounts, {keys} keys, {rows} requests:");
    for (kind, digest) in &all.0 {
        let (name, hash) = (kind.name(), digest.hash());
        println!("{name:15} {:>8} {hash}", digest.rows);
    }
}

/// Rows of every kind, and many of those that a store has many of.
async fn grown(size: Size) -> Store {
    let store = embedded();
    let stores = &store.backend.stores;
    fill(stores).await;
    let mut tasks = tokio::task::JoinSet::new();
    for first in 0..AT_ONCE {
        let stores = stores.clone();
        tasks.spawn(async move {
            let mine = |all| (first..all).step_by(usize::try_from(AT_ONCE).unwrap());
            for nth in mine(size.accounts) {
                put_account(&stores, nth).await;
            }
            for nth in mine(size.keys) {
                put_key(&stores, nth).await;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let mut first = 0;
    while first < size.rows {
        let end = size.rows.min(first + BATCH);
        let rows = (first..end).map(|nth| request(size, nth)).collect();
        stores.log.append(rows).await.unwrap();
        first = end;
    }
    store
}

async fn put_account(stores: &Stores, nth: u64) {
    let record = sample::account(&format!("account {nth}"));
    let (id, event) = (record.id, sample::account_event(&record));
    let put = stores.accounts.put(record, Expect::Absent, event);
    put.await.unwrap();
    let saved = stores.accounts.save_state(sample::state(id), Vec::new());
    saved.await.unwrap();
}

async fn put_key(stores: &Stores, nth: u64) {
    let mut key = sample::key(&format!("key {nth}"), 255);
    key.hash.0[..8].copy_from_slice(&nth.to_le_bytes());
    let (id, event) = (key.id, sample::key_event(&key));
    stores.keys.put(key, Expect::Absent, event).await.unwrap();
    let saved = stores.keys.save_totals(id, sample::totals(nth));
    saved.await.unwrap();
}

fn request(size: Size, nth: u64) -> RequestRecord {
    let account = format!("account {}", nth % size.accounts);
    let fails = nth.is_multiple_of(50);
    RequestRecord {
        key: Some(KeyId::declared(&format!("key {}", nth % size.keys))),
        account: Some(AccountId::declared(&account)),
        account_name: Some(account.into()),
        session: Some(nth / 20),
        status: if fails { 529 } else { 200 },
        outcome: if fails {
            Outcome::Failed
        } else {
            Outcome::Completed
        },
        duration_us: nth,
        cost_micro_usd: nth,
        ..sample::request(FIRST_MS + nth * (DAYS * DAY_MS / size.rows))
    }
}
