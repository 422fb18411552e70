//! The contract of `AccountStore`.

use troupe_core::AccountId;
use troupe_core::account::{AccountRecord, AccountState};
use troupe_core::port::{Expect, StoreError, Stores};

use super::is_conflict;
use super::sample::{account, account_event, state};

async fn put(
    stores: &Stores,
    record: &AccountRecord,
    expect: Expect,
) -> Result<AccountRecord, StoreError> {
    stores
        .accounts
        .put(record.clone(), expect, account_event(record))
        .await
}

pub(super) async fn create(stores: &Stores, name: &str) -> AccountRecord {
    put(stores, &account(name), Expect::Absent).await.unwrap()
}

pub(super) async fn put_list_and_remove(stores: &Stores) {
    assert_eq!(stores.accounts.list().await.unwrap(), []);
    let (b, a) = (create(stores, "b").await, create(stores, "a").await);
    assert_eq!(
        a,
        AccountRecord {
            version: 1,
            ..account("a")
        }
    );
    assert_eq!(
        stores.accounts.list().await.unwrap(),
        [a.clone(), b.clone()]
    );
    stores
        .accounts
        .remove(a.id, account_event(&a))
        .await
        .unwrap();
    assert!(is_conflict(
        stores.accounts.remove(a.id, account_event(&a)).await
    ));
    assert_eq!(stores.accounts.list().await.unwrap(), [b]);
    assert_eq!(create(stores, "a").await.version, 1);
}

pub(super) async fn a_stale_version_is_refused(stores: &Stores) {
    let first = create(stores, "a").await;
    assert!(is_conflict(put(stores, &first, Expect::Absent).await));
    let second = put(stores, &first, Expect::Version(1)).await.unwrap();
    assert_eq!(second.version, 2);
    assert!(is_conflict(put(stores, &first, Expect::Version(1)).await));
    assert!(is_conflict(
        put(stores, &account("unknown"), Expect::Version(1)).await
    ));
    assert_eq!(stores.accounts.list().await.unwrap(), [second]);
}

pub(super) async fn a_taken_name_is_refused(stores: &Stores) {
    create(stores, "a").await;
    let b = create(stores, "b").await;
    let namesake = AccountRecord {
        id: AccountId::declared("other"),
        ..account("a")
    };
    assert!(is_conflict(put(stores, &namesake, Expect::Absent).await));
    assert!(is_conflict(
        put(
            stores,
            &AccountRecord {
                name: "a".into(),
                ..b
            },
            Expect::Version(1)
        )
        .await
    ));
}

pub(super) async fn a_renamed_account_frees_its_name(stores: &Stores) {
    let a = create(stores, "a").await;
    put(
        stores,
        &AccountRecord {
            name: "z".into(),
            ..a
        },
        Expect::Version(1),
    )
    .await
    .unwrap();
    let heir = AccountRecord {
        id: AccountId::declared("other"),
        ..account("a")
    };
    put(stores, &heir, Expect::Absent).await.unwrap();
    let names: Vec<_> = stores
        .accounts
        .list()
        .await
        .unwrap()
        .into_iter()
        .map(|row| row.name)
        .collect();
    assert_eq!(names, ["a", "z"]);
}

pub(super) async fn states_are_kept_and_go_with_the_account(stores: &Stores) {
    let a = create(stores, "a").await;
    let declared = state(AccountId::declared("in the file"));
    let save = |state: &AccountState, events| stores.accounts.save_state(state.clone(), events);
    let told = account_event(&a);
    save(&state(a.id), vec![told.clone(), told.clone()])
        .await
        .unwrap();
    save(&declared, Vec::new()).await.unwrap();
    let mut newer = state(a.id);
    newer.lanes.clear();
    save(&newer, Vec::new()).await.unwrap();
    let found = stores.accounts.states().await.unwrap();
    assert!(
        found.len() == 2 && found.contains(&newer) && found.contains(&declared),
        "{found:?}"
    );
    let events = stores.events.after(1, 10).await.unwrap();
    assert_eq!(events, [(2, told.clone()), (3, told)]);
    stores
        .accounts
        .remove(a.id, account_event(&a))
        .await
        .unwrap();
    let states = stores.accounts.states().await.unwrap();
    assert_eq!(states, std::slice::from_ref(&declared));
    // What a declared account left has no row and is removed all the same.
    let remove = || stores.accounts.remove(declared.id, account_event(&a));
    remove().await.unwrap();
    assert!(is_conflict(remove().await));
    assert_eq!(stores.accounts.states().await.unwrap(), []);
}
