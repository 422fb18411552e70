//! The contract of the smaller ports: resources, meta, events, log.

use troupe_core::port::{Expect, Stores};

use super::sample::{account, account_event, key, key_event, owner, request};
use super::{accounts, is_conflict, keys};

pub(super) async fn the_first_owner_wins(stores: &Stores) {
    let first = owner("file_1", "k");
    assert_eq!(stores.resources.owner("file_1".into()).await.unwrap(), None);
    assert_eq!(stores.resources.own(first.clone()).await.unwrap(), first);
    assert_eq!(
        stores
            .resources
            .own(owner("file_1", "other"))
            .await
            .unwrap(),
        first
    );
    assert_eq!(
        stores.resources.owner("file_1".into()).await.unwrap(),
        Some(first)
    );
    assert_eq!(stores.resources.owner("file_".into()).await.unwrap(), None);
}

pub(super) async fn of_eight_owners_one_wins(stores: &Stores) {
    let tasks = (0..8).map(|n| {
        let stores = stores.clone();
        tokio::spawn(async move { stores.resources.own(owner("file_1", &n.to_string())).await })
    });
    let mut told = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        told.push(task.await.unwrap().unwrap());
    }
    let stands = stores
        .resources
        .owner("file_1".into())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(told, vec![stands; 8]);
}

pub(super) async fn meta_is_written_once(stores: &Stores) {
    assert_eq!(stores.meta.get("pepper").await.unwrap(), None);
    assert_eq!(
        stores.meta.put_if_absent("pepper", vec![1]).await.unwrap(),
        [1]
    );
    assert_eq!(
        stores.meta.put_if_absent("pepper", vec![2]).await.unwrap(),
        [1]
    );
    assert_eq!(stores.meta.get("pepper").await.unwrap(), Some(vec![1]));
}

pub(super) async fn meta_is_replaced_by_comparison(stores: &Stores) {
    let replace = |old: u8, new: u8| stores.meta.replace("pepper", vec![old], vec![new]);
    assert!(is_conflict(replace(1, 2).await), "there is none");
    assert_eq!(stores.meta.get("pepper").await.unwrap(), None);
    stores.meta.put_if_absent("pepper", vec![1]).await.unwrap();
    replace(1, 2).await.unwrap();
    assert!(is_conflict(replace(1, 3).await));
    assert_eq!(stores.meta.get("pepper").await.unwrap(), Some(vec![2]));
}

pub(super) async fn events_come_in_commit_order(stores: &Stores) {
    assert_eq!(stores.events.after(0, 10).await.unwrap(), []);
    let k = keys::create(stores, "k", 1).await;
    let a = accounts::create(stores, "a").await;
    let l = keys::create(stores, "l", 2).await;
    let all = [
        (1, key_event(&k)),
        (2, account_event(&a)),
        (3, key_event(&l)),
    ];
    assert_eq!(stores.events.after(0, 10).await.unwrap(), all);
    assert_eq!(stores.events.after(0, 2).await.unwrap(), all[..2]);
    assert_eq!(stores.events.after(2, 10).await.unwrap(), all[2..]);
    assert_eq!(stores.events.after(3, 10).await.unwrap(), []);
    assert_eq!(stores.events.after(u64::MAX, 10).await.unwrap(), []);
}

pub(super) async fn a_refused_change_leaves_no_event(stores: &Stores) {
    let k = keys::create(stores, "k", 1).await;
    let refused = [
        stores
            .keys
            .put(k.clone(), Expect::Version(9), key_event(&k))
            .await
            .is_err(),
        stores
            .keys
            .put(key("l", 1), Expect::Absent, key_event(&k))
            .await
            .is_err(),
        stores
            .accounts
            .put(account("a"), Expect::Version(1), key_event(&k))
            .await
            .is_err(),
        stores
            .accounts
            .remove(account("a").id, key_event(&k))
            .await
            .is_err(),
    ];
    assert_eq!(refused, [true; 4]);
    keys::create(stores, "m", 3).await;
    let numbers: Vec<_> = stores
        .events
        .after(0, 10)
        .await
        .unwrap()
        .into_iter()
        .map(|(n, _)| n)
        .collect();
    assert_eq!(numbers, [1, 2]);
}

pub(super) async fn the_log_takes_batches_and_drops_old_days(stores: &Stores) {
    const DAY_MS: u64 = 86_400_000;
    stores.log.append(Vec::new()).await.unwrap();
    stores
        .log
        .append((0..6).map(|half| request(half * DAY_MS / 2)).collect())
        .await
        .unwrap();
    assert_eq!(stores.log.retain(2 * DAY_MS + 1).await.unwrap(), 2);
    assert_eq!(stores.log.retain(2 * DAY_MS + 1).await.unwrap(), 0);
}
