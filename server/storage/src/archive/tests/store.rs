//! Stores to archive, and what they must tell afterwards.

use std::path::Path;

use secrecy::SecretString;
use troupe_core::audit::{AuditRow, AuditSearch, AuditStatus};
use troupe_core::bodies::StoredBodies;
use troupe_core::key::{KeyRecord, PreviousSecret};
use troupe_core::log::LogSearch;
use troupe_core::port::{Expect, QuotaRow, Stores};
use troupe_core::usage::{
    Grain, SeriesKey, SeriesOf, SeriesQuery, SeriesRow, UsageQuery, UsageSums,
};
use troupe_core::{AccountId, KeyHash, LimitId};
use uuid::Uuid;

use crate::contract::{sample, usage};
use crate::{Backend, OpenError};

/// More events than any of the stores here has.
const EVENTS: usize = 100_000;

/// An open store and its folder.
pub(crate) struct Store {
    pub backend: Backend,
    pub folder: tempfile::TempDir,
}

impl Store {
    pub async fn close(self) -> tempfile::TempDir {
        self.backend.close().await.unwrap();
        self.folder
    }

    pub async fn reopen(self) -> Self {
        let folder = self.close().await;
        let backend = crate::open("sled:data", folder.path()).unwrap();
        Self { backend, folder }
    }
}

pub(crate) fn open_to_fill(folder: &Path) -> Result<Backend, OpenError> {
    crate::open_here("sled:data", folder, true)
}

pub(crate) fn embedded() -> Store {
    let folder = tempfile::tempdir().unwrap();
    let backend = open_to_fill(folder.path()).unwrap();
    Store { backend, folder }
}

/// With rows of every kind.
pub(crate) async fn filled() -> Store {
    let store = embedded();
    fill(&store.backend.stores).await;
    store
}

pub(crate) async fn fill(stores: &Stores) {
    let facts = [
        ("pepper", vec![0, 255]),
        ("master_key_id", b"0123456789abcdef".to_vec()),
    ];
    for (name, value) in facts {
        stores.meta.put_if_absent(name, value).await.unwrap();
    }
    for name in ["a", "ünïcode \u{1f980}", "\u{10ffff}"] {
        let record = sample::account(name);
        let event = sample::account_event(&record);
        let put = stores.accounts.put(record, Expect::Absent, event);
        let id = put.await.unwrap().id;
        stores
            .accounts
            .save_state(sample::state(id), Vec::new())
            .await
            .unwrap();
        let row = sample::token(name);
        let event = sample::token_event(&row);
        let put = stores.accounts.put_token(row, Expect::Absent, Some(event));
        put.await.unwrap();
    }
    for (nth, name) in ["k", "ключ", "revoked", "k2"].into_iter().enumerate() {
        let mut key = sample::key(name, u8::try_from(nth).unwrap());
        if name == "ключ" {
            key.previous = Some(PreviousSecret {
                hash: KeyHash([200; 32]),
                ..previous()
            });
        }
        let stored = put_key(stores, key, Expect::Absent).await;
        if name == "revoked" {
            let gone = KeyRecord {
                revoked_ms: Some(9),
                ..stored.clone()
            };
            put_key(stores, gone, Expect::Version(stored.version)).await;
            let mut heir = sample::key("heir", 77);
            heir.name = "revoked".into();
            put_key(stores, heir, Expect::Absent).await;
        }
        stores
            .keys
            .save_totals(stored.id, sample::totals(u64::MAX))
            .await
            .unwrap();
    }
    let sessions = (0..5).map(|n| sample::session(u64::MAX - n, 5 + n));
    stores.sessions.save(sessions.collect()).await.unwrap();
    stores
        .quotas
        .save((0..5).map(quota).collect())
        .await
        .unwrap();
    for resource in ["file_1", "file_ü"] {
        stores
            .resources
            .own(sample::owner(resource, "k"))
            .await
            .unwrap();
    }
    for day in 7..10 {
        let mut batch = usage::batch_of(day, 0..20);
        batch.series = points(day);
        stores.usage.add(batch).await.unwrap();
    }
    let lines = (1..=3).map(|seq| audit("local", seq)).collect();
    stores.audit.append(lines).await.unwrap();
    stores.audit.append(vec![audit("ü", 1)]).await.unwrap();
    let rows = (0..50).map(|n| sample::request(n * 10_000_000)).collect();
    stores.log.append(rows).await.unwrap();
    let bodies = (0..5).map(|n| bodies(n * 40_000_000)).collect();
    stores.bodies.append(bodies).await.unwrap();
}

/// One of everything at every grain.
fn points(point: u32) -> Vec<SeriesRow> {
    let all = Grain::ALL
        .into_iter()
        .flat_map(|grain| SeriesOf::ALL.map(|of| (grain, of)));
    let points = all.map(|(grain, of)| SeriesRow {
        key: SeriesKey {
            grain,
            of,
            point,
            value: "ü".into(),
        },
        sums: UsageSums::of(&sample::request(u64::from(point))),
    });
    points.collect()
}

fn previous() -> PreviousSecret {
    PreviousSecret {
        hash: KeyHash([0; 32]),
        scheme: troupe_core::key::HashScheme::default(),
        prefix: "troupe-old".into(),
        until_ms: u64::MAX,
    }
}

async fn put_key(stores: &Stores, key: KeyRecord, expect: Expect) -> KeyRecord {
    let event = sample::key_event(&key);
    stores.keys.put(key, expect, event).await.unwrap()
}

fn quota(nth: u64) -> QuotaRow {
    QuotaRow {
        limit: LimitId(Uuid::from_u128(u128::MAX - u128::from(nth))),
        start_ms: nth,
        end_ms: 1 << 50,
        charged: u64::MAX - nth,
    }
}

pub(crate) fn audit(node: &str, seq: u64) -> AuditRow {
    AuditRow {
        node: node.into(),
        seq,
        at_ms: 10 + seq,
        actor: "cli".into(),
        action: "key.created".into(),
        resource: "key:ü".into(),
        status: AuditStatus::Ok,
        hash: format!("{node}{seq}").into(),
        line: "{\"a\":\"ü\"}".into(),
    }
}

pub(crate) fn bodies(at_ms: u64) -> StoredBodies {
    StoredBodies {
        id: sample::request(at_ms).id,
        at_ms,
        packed: (0..=255).collect(),
    }
}

/// All that ports tell is the same, and goes on the same.
pub(crate) async fn holds_the_same(one: &Stores, other: &Stores) {
    let of = |stores: &Stores| stores.clone();
    for name in ["pepper", "master_key_id"] {
        let (one, other) = (of(one), of(other));
        assert_eq!(one.meta.get(name).await, other.meta.get(name).await);
    }
    assert_eq!(one.accounts.list().await, other.accounts.list().await);
    assert_eq!(one.accounts.states().await, other.accounts.states().await);
    assert_eq!(one.accounts.tokens().await, other.accounts.tokens().await);
    let keys = one.keys.list().await.unwrap();
    assert_eq!(Ok(&keys), other.keys.list().await.as_ref());
    for key in &keys {
        let (here, there) = (
            one.keys.totals(key.id).await,
            other.keys.totals(key.id).await,
        );
        assert_eq!(here, there);
        // The indexes are there.
        let mut twin = sample::key("twin", 99);
        twin.name.clone_from(&key.name);
        let event = sample::key_event(&twin);
        assert!(
            other.keys.put(twin, Expect::Absent, event).await.is_err(),
            "{}",
            key.name
        );
        let mut twin = sample::key("twin", 99);
        twin.hash = key
            .previous
            .as_ref()
            .map_or(key.hash, |previous| previous.hash);
        let event = sample::key_event(&twin);
        assert!(other.keys.put(twin, Expect::Absent, event).await.is_err());
    }
    assert_eq!(
        one.sessions.load(0, 99).await,
        other.sessions.load(0, 99).await
    );
    let limits: Vec<_> = (0..5).map(|nth| quota(nth).limit).collect();
    let loaded = one.quotas.load(limits.clone(), 0).await.unwrap();
    assert_eq!(loaded.len(), 5);
    assert_eq!(Ok(loaded), other.quotas.load(limits, 0).await);
    let owner = one.resources.owner("file_ü".into()).await;
    assert_eq!(owner, other.resources.owner("file_ü".into()).await);
    let events = one.events.after(0, EVENTS).await.unwrap();
    assert_eq!(Ok(&events), other.events.after(0, EVENTS).await.as_ref());
    same_records(one, other).await;
    let last = events.last().unwrap().0;
    let event = sample::key_event(&sample::key("next", 98));
    let state = sample::state(AccountId::declared("next"));
    other.accounts.save_state(state, vec![event]).await.unwrap();
    let next = other.events.after(last, 9).await.unwrap();
    assert_eq!((next.len(), next[0].0), (1, last + 1), "numbers go on");
    other
        .accounts
        .remove(
            AccountId::declared("next"),
            sample::key_event(&sample::key("x", 1)),
        )
        .await
        .unwrap();
}

async fn same_records(one: &Stores, other: &Stores) {
    let days = UsageQuery {
        to_day: u32::MAX,
        ..UsageQuery::default()
    };
    assert_eq!(
        one.usage.query(days.clone()).await,
        other.usage.query(days).await
    );
    for (grain, of) in Grain::ALL
        .into_iter()
        .flat_map(|g| SeriesOf::ALL.map(|of| (g, of)))
    {
        let query = SeriesQuery {
            grain,
            of,
            from: 0,
            to: u32::MAX,
            values: None,
        };
        assert_eq!(
            one.usage.series(query.clone()).await,
            other.usage.series(query).await
        );
    }
    let all = AuditSearch {
        limit: 99,
        ..AuditSearch::default()
    };
    assert_eq!(
        one.audit.search(all.clone()).await,
        other.audit.search(all).await
    );
    let anchor = one.audit.anchor("local".into()).await;
    assert_eq!(anchor, other.audit.anchor("local".into()).await);
    let all = LogSearch {
        limit: 99,
        ..LogSearch::default()
    };
    let (mut here, mut there) = (
        one.log.search(all.clone()).await.unwrap(),
        other.log.search(all).await.unwrap(),
    );
    for found in [&mut here, &mut there] {
        found.rows.sort_by_key(|row| row.id);
    }
    assert_eq!(here.rows, there.rows);
    let id = bodies(40_000_000).id;
    assert_eq!(one.bodies.find(id).await, other.bodies.find(id).await);
}

pub(crate) fn passphrase(text: &str) -> Option<SecretString> {
    Some(text.into())
}
