//! The contract of `KeyStore`.

use troupe_core::key::{HashScheme, KeyRecord, KeyTotals, StoredSecret};
use troupe_core::port::{Expect, StoreError, Stores};
use troupe_core::{KeyHash, KeyId};

use super::is_conflict;
use super::sample::{key, key_event, totals};

async fn put(stores: &Stores, record: &KeyRecord, expect: Expect) -> Result<KeyRecord, StoreError> {
    stores
        .keys
        .put(record.clone(), expect, key_event(record))
        .await
}

pub(crate) async fn create(stores: &Stores, name: &str, hash: u8) -> KeyRecord {
    put(stores, &key(name, hash), Expect::Absent).await.unwrap()
}

async fn revoke(stores: &Stores, record: &KeyRecord) -> KeyRecord {
    let revoked = KeyRecord {
        revoked_ms: Some(1),
        ..record.clone()
    };
    put(stores, &revoked, Expect::Version(record.version))
        .await
        .unwrap()
}

/// Another key of that name.
fn namesake(name: &str, hash: u8) -> KeyRecord {
    KeyRecord {
        id: KeyId::declared(&format!("{name} {hash}")),
        ..key(name, hash)
    }
}

pub(super) async fn put_and_list(stores: &Stores) {
    assert_eq!(stores.keys.list().await.unwrap(), []);
    let (b, a) = (create(stores, "b", 1).await, create(stores, "a", 2).await);
    assert_eq!(
        a,
        KeyRecord {
            version: 1,
            ..key("a", 2)
        }
    );
    let b = revoke(stores, &b).await;
    assert_eq!(stores.keys.list().await.unwrap(), [a, b]);
}

pub(super) async fn a_stale_key_version_is_refused(stores: &Stores) {
    let first = create(stores, "a", 1).await;
    assert!(is_conflict(put(stores, &first, Expect::Absent).await));
    let second = put(stores, &first, Expect::Version(1)).await.unwrap();
    assert_eq!(second.version, 2);
    assert!(is_conflict(put(stores, &first, Expect::Version(1)).await));
    assert!(is_conflict(
        put(stores, &key("unknown", 9), Expect::Version(1)).await
    ));
    assert_eq!(stores.keys.list().await.unwrap(), [second]);
}

pub(super) async fn a_live_name_is_taken_and_a_revoked_one_is_free(stores: &Stores) {
    let a = create(stores, "a", 1).await;
    assert!(is_conflict(
        put(stores, &namesake("a", 2), Expect::Absent).await
    ));
    let a = revoke(stores, &a).await;
    let heir = put(stores, &namesake("a", 2), Expect::Absent)
        .await
        .unwrap();
    assert!(is_conflict(
        put(stores, &namesake("a", 3), Expect::Absent).await
    ));
    let back = KeyRecord {
        revoked_ms: None,
        ..a
    };
    assert!(
        is_conflict(put(stores, &back, Expect::Version(2)).await),
        "its name is taken by now"
    );
    put(
        stores,
        &KeyRecord {
            name: "b".into(),
            ..heir
        },
        Expect::Version(1),
    )
    .await
    .unwrap();
    put(stores, &back, Expect::Version(2)).await.unwrap();
}

pub(super) async fn a_revoked_key_is_written_beside_its_names_heir(stores: &Stores) {
    let a = create(stores, "a", 1).await;
    let a = revoke(stores, &a).await;
    put(stores, &namesake("a", 2), Expect::Absent)
        .await
        .unwrap();
    put(stores, &KeyRecord { owner: None, ..a }, Expect::Version(2))
        .await
        .unwrap();
    assert!(
        is_conflict(put(stores, &namesake("a", 3), Expect::Absent).await),
        "the heir keeps the name"
    );
}

pub(super) async fn a_hash_is_taken_also_by_a_revoked_key(stores: &Stores) {
    let a = create(stores, "a", 1).await;
    let b = create(stores, "b", 2).await;
    assert!(is_conflict(put(stores, &key("c", 1), Expect::Absent).await));
    assert!(is_conflict(
        put(stores, &KeyRecord { hash: a.hash, ..b }, Expect::Version(1)).await
    ));
    revoke(stores, &a).await;
    let refusal = put(stores, &key("c", 1), Expect::Absent).await;
    assert_eq!(
        refusal,
        Err(StoreError::Conflict("another key has this secret".into()))
    );
}

pub(super) async fn rotation_frees_the_old_hash(stores: &Stores) {
    let a = create(stores, "a", 1).await;
    put(
        stores,
        &KeyRecord {
            hash: KeyHash([2; 32]),
            ..a
        },
        Expect::Version(1),
    )
    .await
    .unwrap();
    assert!(is_conflict(put(stores, &key("b", 2), Expect::Absent).await));
    create(stores, "b", 1).await;
}

pub(super) async fn both_secrets_of_a_rotated_key_are_taken(stores: &Stores) {
    let rotated = |key: &KeyRecord, hash: u8, grace: bool| {
        let (scheme, prefix) = (HashScheme::HmacSha256, format!("troupe-{hash}"));
        let new = StoredSecret {
            hash: KeyHash([hash; 32]),
            scheme,
            prefix,
        };
        let mut key = key.clone();
        key.rotate(new, grace.then_some(u64::MAX));
        key
    };
    let a = create(stores, "a", 1).await;
    let a = put(stores, &rotated(&a, 2, true), Expect::Version(1))
        .await
        .unwrap();
    let all = stores.keys.list().await.unwrap();
    assert_eq!(all, std::slice::from_ref(&a));
    for hash in [1, 2] {
        let refusal = put(stores, &key("b", hash), Expect::Absent).await;
        assert!(is_conflict(refusal), "{hash}");
    }
    let b = create(stores, "b", 9).await;
    let stolen = rotated(&rotated(&b, 1, false), 8, true);
    assert!(is_conflict(put(stores, &stolen, Expect::Version(1)).await));
    // The oldest of three is free, and the key may take its own old secret again.
    let a = put(stores, &rotated(&a, 3, true), Expect::Version(2))
        .await
        .unwrap();
    create(stores, "c", 1).await;
    let a = put(stores, &rotated(&a, 2, true), Expect::Version(3))
        .await
        .unwrap();
    assert!(is_conflict(put(stores, &key("d", 3), Expect::Absent).await));
    let a = revoke(stores, &a).await;
    for hash in [2, 3] {
        let refusal = put(stores, &key("d", hash), Expect::Absent).await;
        assert!(is_conflict(refusal), "{hash} of a revoked key");
    }
    put(stores, &rotated(&a, 4, false), Expect::Version(5))
        .await
        .unwrap();
    create(stores, "d", 2).await;
    create(stores, "e", 3).await;
}

pub(super) async fn totals_start_at_zero_and_are_replaced(stores: &Stores) {
    let id = KeyId::declared("k");
    assert_eq!(stores.keys.totals(id).await.unwrap(), KeyTotals::default());
    for requests in [1, 2] {
        stores.keys.save_totals(id, totals(requests)).await.unwrap();
    }
    assert_eq!(stores.keys.totals(id).await.unwrap(), totals(2));
}

pub(super) async fn of_eight_writers_one_wins(stores: &Stores) {
    let a = create(stores, "a", 1).await;
    let writers = (0..8).map(|n| {
        let (stores, mine) = (
            stores.clone(),
            KeyRecord {
                prefix: n.to_string(),
                ..a.clone()
            },
        );
        let namesake = namesake("new", 10 + n);
        tokio::spawn(async move {
            let update = put(&stores, &mine, Expect::Version(1)).await;
            (update, put(&stores, &namesake, Expect::Absent).await)
        })
    });
    let (mut updates, mut created) = (Vec::new(), Vec::new());
    for writer in writers.collect::<Vec<_>>() {
        let (update, new) = writer.await.unwrap();
        updates.extend(update.ok());
        created.extend(new.ok());
    }
    assert_eq!((updates.len(), created.len()), (1, 1));
    assert_eq!(
        stores.keys.list().await.unwrap(),
        [updates.remove(0), created.remove(0)]
    );
    assert_eq!(stores.events.after(0, 99).await.unwrap().len(), 3);
}
