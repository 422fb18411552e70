//! Limits that change, and gateways that end: what was used stays.

use serde_json::{Value, json};

use super::{PATIENCE, assert_throttled, line, settled, small};
use crate::gateway::{Pool, api, keys, secret};
use crate::process;

fn config(limits: &str, key: &str) -> String {
    format!(
        "accounts:\n{}limits: {{ {limits} }}\n{}",
        api("a", ""),
        keys(&[("any", key)])
    )
}

fn until_limit(pool: &Pool, key: &str, limit: impl Into<Value>) {
    let limit = limit.into();
    let is_so = || line(pool, key, "requests_per_month")["limit"] == limit;
    assert!(
        process::until(PATIENCE, is_so),
        "{}\n{}",
        line(pool, key, "requests_per_month"),
        pool.log()
    );
}

async fn passes(pool: &Pool, key: &str, count: usize) {
    for _ in 0..count {
        let answer = pool.ask(key, small()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

async fn is_refused(pool: &Pool, key: &str, said: &str) {
    assert_throttled(&pool.ask(key, small()).await, said);
}

#[tokio::test]
async fn a_reload_changes_limits_and_keeps_what_was_used() {
    let own = |value: &str| format!(", limits: {{ requests_per_month: {value} }}");
    let pool = Pool::serving(&config("", &own("2")));
    passes(&pool, "any", 2).await;
    is_refused(&pool, "any", "2 requests per month for key").await;
    pool.configure(&config("", &own("4")));
    until_limit(&pool, "any", 4);
    passes(&pool, "any", 2).await;
    is_refused(&pool, "any", "4 requests per month for key").await;
    pool.configure(&config("", &own("1")));
    until_limit(&pool, "any", 1);
    is_refused(&pool, "any", "1 requests per month for key").await;
    settled(&pool, "any", "requests_per_month", 4);
    // Without it nothing is counted; when it returns it knows what was.
    pool.configure(&config("", ""));
    until_limit(&pool, "any", Value::Null);
    passes(&pool, "any", 3).await;
    pool.configure(&config("defaults: { requests_per_month: 5 }", ""));
    until_limit(&pool, "any", 5);
    settled(&pool, "any", "requests_per_month", 4);
    passes(&pool, "any", 1).await;
    is_refused(&pool, "any", "5 requests per month for key").await;
    // A default that is lifted for one key; one for the gateway; all of them off.
    pool.configure(&config("defaults: { requests_per_month: 5 }", &own("null")));
    until_limit(&pool, "any", Value::Null);
    passes(&pool, "any", 1).await;
    pool.configure(&config("gateway: { requests_per_month: 1 }", ""));
    until_limit(&pool, "any", 1);
    passes(&pool, "any", 1).await;
    is_refused(&pool, "any", "1 requests per month for this gateway").await;
    pool.configure(&config(
        "enabled: false, gateway: { requests_per_month: 1 }",
        &own("1"),
    ));
    until_limit(&pool, "any", Value::Null);
    passes(&pool, "any", 3).await;
    pool.configure(&config("gateway: { requests_per_month: 1 }", ""));
    until_limit(&pool, "any", 1);
    is_refused(&pool, "any", "1 requests per month for this gateway").await;
}

#[tokio::test]
async fn limits_of_stored_keys_change_at_once_and_outlive_the_process() {
    let account = |limit: &str| {
        format!(
            "accounts:\n{}{}",
            api("a", &format!(", limits: {{ {limit} }}")),
            keys(&[("any", "")])
        )
    };
    let mut pool = Pool::serving(&account("requests_per_month: 9"));
    let set = |pool: &Pool, limits: Value| {
        let changed = pool.operate("key.update", json!({"name": "stored", "limits": limits}));
        changed.expect("a change");
    };
    pool.operate(
        "key.create",
        json!({"name": "stored", "secret": secret("stored"), "limits": {"requests_per_month": 2}}),
    )
    .expect("a key");
    passes(&pool, "stored", 2).await;
    is_refused(&pool, "stored", "2 requests per month").await;
    set(&pool, json!({"requests_per_month": 3}));
    passes(&pool, "stored", 1).await;
    is_refused(&pool, "stored", "3 requests per month").await;
    set(&pool, json!({"requests_per_month": "default"}));
    passes(&pool, "stored", 1).await;
    set(&pool, json!({"requests_per_month": 5}));
    settled(&pool, "stored", "requests_per_month", 3);

    pool.stop();
    pool.serve();
    settled(&pool, "stored", "requests_per_month", 3);
    passes(&pool, "stored", 1).await;
    pool.kill();
    pool.serve();
    settled(&pool, "stored", "requests_per_month", 4);
    passes(&pool, "stored", 1).await;
    is_refused(&pool, "stored", "5 requests per month").await;
    set(&pool, json!({"requests_per_month": 100}));
    // Six were counted by the account: three are left of its nine, whichever processes they were in.
    passes(&pool, "any", 3).await;
    is_refused(&pool, "any", "every account is throttled").await;
    // The account leaves with the file and comes back within the window.
    pool.configure(&format!(
        "accounts:\n{}{}",
        api("b", ""),
        keys(&[("any", "")])
    ));
    let served = process::until(PATIENCE, || {
        let accounts = pool
            .operate("account.list", json!({}))
            .expect("accounts")
            .to_string();
        accounts.contains("\"b\"") && !accounts.contains("\"a\"")
    });
    assert!(served, "{}", pool.log());
    passes(&pool, "any", 1).await;
    pool.configure(&account("requests_per_month: 10"));
    assert!(process::until(PATIENCE, || pool
        .operate("account.show", json!({"name": "a"}))
        .is_ok()));
    passes(&pool, "any", 1).await;
    is_refused(&pool, "any", "every account is throttled").await;
}
