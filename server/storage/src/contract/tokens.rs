//! The contract of accounts' tokens.

use troupe_core::AccountId;
use troupe_core::account::TokenRow;
use troupe_core::port::{Expect, StoreError, Stores};

use super::accounts::create;
use super::is_conflict;
use super::sample::{account_event, token, token_event};

async fn put(stores: &Stores, row: &TokenRow, expect: Expect) -> Result<TokenRow, StoreError> {
    stores
        .accounts
        .put_token(row.clone(), expect, Some(token_event(row)))
        .await
}

fn next(row: &TokenRow) -> TokenRow {
    TokenRow {
        generation: row.generation + 1,
        sealed: vec![1],
        intent: None,
        needs_login: None,
        ..row.clone()
    }
}

pub(super) async fn a_token_is_kept_without_its_account(stores: &Stores) {
    let new = token("in the file");
    assert_eq!(stores.accounts.token(new.account).await.unwrap(), None);
    assert_eq!(stores.accounts.tokens().await.unwrap(), []);
    let kept = put(stores, &new, Expect::Absent).await.unwrap();
    assert_eq!(kept, TokenRow { version: 1, ..new });
    let newer = stores
        .accounts
        .put_token(next(&kept), Expect::Version(1), None)
        .await
        .unwrap();
    assert_eq!((newer.version, newer.generation), (2, 4));
    let other = put(stores, &token("other"), Expect::Absent).await.unwrap();
    let found = stores.accounts.token(newer.account).await.unwrap();
    assert_eq!(found.as_ref(), Some(&newer));
    let mut all = stores.accounts.tokens().await.unwrap();
    all.sort_by_key(|row| row.version);
    assert_eq!(all, [other.clone(), newer]);
    let events = stores.events.after(0, 10).await.unwrap();
    assert_eq!(events, [(1, token_event(&kept)), (2, token_event(&other))]);
}

pub(super) async fn a_stale_token_is_refused_and_leaves_no_event(stores: &Stores) {
    let first = token("a");
    assert!(is_conflict(put(stores, &first, Expect::Version(1)).await));
    let first = put(stores, &first, Expect::Absent).await.unwrap();
    assert!(is_conflict(put(stores, &first, Expect::Absent).await));
    let second = put(stores, &next(&first), Expect::Version(1))
        .await
        .unwrap();
    assert!(is_conflict(put(stores, &first, Expect::Version(1)).await));
    assert!(is_conflict(put(stores, &first, Expect::Version(3)).await));
    assert_eq!(stores.accounts.tokens().await.unwrap(), [second]);
    assert_eq!(stores.events.after(0, 10).await.unwrap().len(), 2);
}

pub(super) async fn tokens_go_with_the_account(stores: &Stores) {
    let a = create(stores, "a").await;
    put(stores, &token("a"), Expect::Absent).await.unwrap();
    let other = put(stores, &token("other"), Expect::Absent).await.unwrap();
    let none = AccountId::declared("none");
    let unknown = stores.accounts.remove(none, account_event(&a)).await;
    assert!(is_conflict(unknown));
    stores
        .accounts
        .remove(a.id, account_event(&a))
        .await
        .unwrap();
    assert_eq!(stores.accounts.tokens().await.unwrap(), [other]);
    let late = put(stores, &next(&token("a")), Expect::Version(1)).await;
    assert!(is_conflict(late), "a renewal that was under way");
}

pub(super) async fn of_eight_renewals_one_wins(stores: &Stores) {
    let first = put(stores, &token("a"), Expect::Absent).await.unwrap();
    let writers = (0..8).map(|n| {
        let stores = stores.clone();
        let mine = TokenRow {
            sealed: vec![n],
            ..next(&first)
        };
        tokio::spawn(async move { put(&stores, &mine, Expect::Version(1)).await })
    });
    let mut won = Vec::new();
    for writer in writers.collect::<Vec<_>>() {
        won.extend(writer.await.unwrap().ok());
    }
    assert_eq!(won, stores.accounts.tokens().await.unwrap());
    assert_eq!(won.len(), 1);
    assert_eq!(stores.events.after(0, 99).await.unwrap().len(), 2);
}
