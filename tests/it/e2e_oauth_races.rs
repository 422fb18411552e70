//! What an operator does while a renewal runs.

use serde_json::json;
use troupe_mock::{Entry, FamilyFacts, FamilySeed};

use crate::{
    gateway::{Pool, api, keys, message, store},
    process,
};

const TOKEN: &str = "/oauth/token";

/// A pool with a spare account, and a key that may use the account `a` alone.
fn pool() -> Pool {
    let bound = keys(&[("any", ""), ("a", ", accounts: [a]")]);
    Pool::serving(&["accounts:\n", &api("spare", ", priority: 2"), &bound].concat())
}

async fn until_spent(pool: &Pool) {
    let spent = |families: &[FamilyFacts]| families.iter().any(|family| family.spends > 0);
    pool.mock.oauth().wait_for(spent).await.unwrap();
}

/// Waits until the exchange has ended, whoever still listens.
async fn until_answered(pool: &Pool) {
    let is_over = |entry: &Entry| entry.path() == TOKEN && entry.is_over();
    let over = |entries: &[Entry]| entries.iter().any(is_over);
    pool.mock.journal().wait_for(over).await.unwrap();
}

/// Tokens of a login stand, though an older grant is answered after it.
#[tokio::test]
async fn a_login_during_a_renewal_stands() {
    let mut pool = pool();
    store(&pool, "a", "app~slow_1200", 1_000);
    until_spent(&pool).await;
    let seeded = pool.mock.oauth().seed(FamilySeed {
        family: "b".into(),
        ..FamilySeed::default()
    });
    let login = json!({"name": "a", "tokens": {
        "access_token": seeded.access_token, "refresh_token": seeded.refresh_token, "expires_in_s": 3600,
    }});
    pool.operate("account.update", login).unwrap();
    let (answer, asked) = pool.tell("a", message()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(asked, ["oauth:b"]);
    until_answered(&pool).await;
    for _ in 0..2 {
        let (answer, asked) = pool.tell("a", message()).await;
        assert_eq!((answer.status, &*asked[0]), (200, "oauth:b"));
        pool.kill();
        pool.serve();
    }
    let (answer, asked) = pool.tell("a", message()).await;
    assert_eq!((answer.status, &*asked[0]), (200, "oauth:b"));
    assert_eq!(pool.family("b").spends, 0);
    assert_eq!(pool.family("a").spends, 1);
}

/// An account that goes while its tokens are renewed takes them along; one of its name begins anew.
#[tokio::test]
async fn a_removal_during_a_renewal_ends_it() {
    let pool = pool();
    store(&pool, "a", "app~slow_800", 1_000);
    until_spent(&pool).await;
    pool.operate("account.remove", json!({"name": "a"}))
        .unwrap();
    assert_eq!(pool.ask("a", message()).await.status, 503);
    store(&pool, "a", "app", 3_600_000);
    until_answered(&pool).await;
    let (answer, asked) = pool.tell("a", message()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(asked, ["oauth:a"]);
    assert_eq!(
        pool.account("a")["credentials"][0]["token"]["generation"],
        1
    );
    assert_eq!(pool.ask("any", message()).await.status, 200);
}

/// An account that is switched off renews nothing; switched on it does so before it serves.
#[tokio::test]
async fn a_disabled_account_is_not_renewed() {
    let pool = pool();
    store(&pool, "a", "app", 800);
    pool.operate("account.disable", json!({"name": "a"}))
        .unwrap();
    let ended = process::until(std::time::Duration::from_secs(10), || {
        pool.family("a").live_access_tokens == 0
    });
    assert!(ended, "{:?}", pool.family("a"));
    assert_eq!(pool.ask("a", message()).await.status, 503);
    assert_eq!(pool.family("a").spends, 0);
    pool.operate("account.enable", json!({"name": "a"}))
        .unwrap();
    let (answer, asked) = pool.tell("a", message()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(asked, ["oauth:a"]);
    assert_eq!(pool.family("a").spends, 1);
}

/// Two hundred requests while the account is disabled and enabled, and its token ends again and again: none fails that
/// another account could have served, and no grant is presented twice.
#[tokio::test]
async fn switching_on_and_off_under_load_loses_nothing() {
    let pool = pool();
    store(&pool, "a", "app", 3_600_000);
    for _ in 0..4 {
        let switching = async {
            for name in [
                "account.disable",
                "account.enable",
                "account.disable",
                "account.enable",
            ] {
                pool.operate(name, json!({"name": "a"})).unwrap();
                pool.mock.oauth().expire("a");
                tokio::task::yield_now().await;
            }
        };
        let body = message();
        let (answers, ()) = tokio::join!(pool.burst(50, "any", &body), switching);
        let bad = answers.iter().find(|answer| answer.status != 200);
        assert!(bad.is_none(), "{bad:?}");
    }
    let family = pool.family("a");
    assert_eq!(
        (family.reuse_attempts, family.revoked),
        (0, false),
        "{family:?}"
    );
    assert_eq!(family.spends, family.generation - 1);
}
