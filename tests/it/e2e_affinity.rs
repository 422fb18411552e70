//! A session goes on with the account that served it: what names a session, whose it is, and what makes it leave.

use serde_json::json;
use troupe_mock::Scenario;

use crate::gateway::{Pool, Sessions, api, credential, keys};
use crate::process::until;

/// Turns: without affinity every request goes to another account.
fn config(names: &[&str]) -> String {
    let accounts: String = names.iter().map(|name| api(name, "")).collect();
    let keys = keys(&[("one", ""), ("two", "")]);
    format!("routing: {{ strategy: round_robin }}\naccounts:\n{accounts}{keys}")
}

/// Asks so often with this body and these headers; who answered, each account once.
async fn answered_by(pool: &Pool, key: &str, headers: &[(&str, &str)], body: &str) -> Vec<String> {
    let mut by = Vec::new();
    for _ in 0..6 {
        let before = pool.entries().len();
        let answer = pool.ask_with(key, headers, body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        by.extend(pool.asked().split_off(before));
    }
    by.sort();
    by.dedup();
    by
}

fn body(members: serde_json::Value) -> String {
    let mut body = json!({
        "model": "claude-sonnet-5", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}],
    });
    for (name, value) in members.as_object().expect("members") {
        body[name] = value.clone();
    }
    body.to_string()
}

#[tokio::test]
async fn what_names_a_session() {
    let pool = Pool::serving(&config(&["a", "b", "c"]));
    let plain = body(json!({}));
    let user = |id: &str| body(json!({"metadata": {"user_id": id}}));
    let cached = |text: &str| {
        let mark = json!({"type": "ephemeral"});
        body(json!({"system": [{"type": "text", "text": text, "cache_control": mark}]}))
    };
    assert_eq!(
        answered_by(&pool, "one", &[], &plain).await.len(),
        3,
        "no session"
    );
    assert_eq!(
        answered_by(&pool, "one", &[], &user("somebody"))
            .await
            .len(),
        3,
        "no session"
    );
    let by_user = user("user_ab_account_cd_session_0f-1");
    let as_json = user(r#"{"device_id":"d","account_uuid":"","session_id":"0f-2"}"#);
    for named in [&by_user, &as_json, &cached("A long story.")] {
        assert_eq!(
            answered_by(&pool, "one", &[], named).await.len(),
            1,
            "{named}"
        );
    }
    let header = [("x-claude-code-session-id", "0f-3")];
    assert_eq!(answered_by(&pool, "one", &header, &plain).await.len(), 1);
    // The header is asked before the body, and the same id in the body means the same session.
    let home = answered_by(&pool, "one", &header, &by_user).await;
    assert_eq!(
        home,
        answered_by(&pool, "one", &header, &cached("Another.")).await
    );
    let same = user("user_ab_account_cd_session_0f-3");
    assert_eq!(home, answered_by(&pool, "one", &[], &same).await);
}

#[tokio::test]
async fn a_session_is_its_keys() {
    let pool = Pool::serving(&config(&["a", "b"]));
    let mut pairs = Vec::new();
    for session in 0..12 {
        let session = format!("session-{session}");
        let one = pool.served_by("one", &session).await;
        let two = pool.served_by("two", &session).await;
        assert_eq!(pool.served_by("one", &session).await, one);
        assert_eq!(pool.served_by("two", &session).await, two);
        pairs.push(one == two);
    }
    assert!(
        pairs.contains(&false),
        "every session of one key is where the other's is"
    );
}

/// It leaves an account that cannot serve, is at home where it went, and the move is counted with what it costs.
#[tokio::test]
async fn a_session_leaves_a_sick_account_for_good_and_once() {
    let pool = Pool::serving(&config(&["a", "b"]));
    let usage = r#"{"usage":{"cache_read_input_tokens":5000,"cache_creation_input_tokens":300}}"#;
    for name in ["a", "b"] {
        pool.mock
            .treat(&credential(name), Scenario::parse(usage).ok());
    }
    let home = pool.served_by("one", "s").await;
    assert_eq!(pool.served_by("one", "s").await, home);
    let throttled = Scenario {
        headers: vec![("retry-after".to_owned(), "1".to_owned())],
        ..Scenario::status(429)
    };
    pool.mock.treat(&credential(&home), Some(throttled));
    let other = pool.served_by("one", "s").await;
    assert_ne!(other, home);
    pool.mock
        .treat(&credential(&home), Scenario::parse(usage).ok());
    pool.until_state(&home, "active");
    for _ in 0..4 {
        assert_eq!(
            pool.served_by("one", "s").await,
            other,
            "its cache is there now"
        );
    }
    let counted = || {
        (
            pool.metric("troupe_session_moves_total"),
            pool.metric("troupe_session_moved_tokens_total"),
        ) == (Some(1.0), Some(5_300.0))
    };
    assert!(
        until(std::time::Duration::from_secs(10), counted),
        "{}",
        pool.metrics()
    );
    let row = pool.until(&other, "told of the move", |account| {
        account["stats"]["moved_here"] == 1
    });
    assert_eq!(row["stats"]["moved_tokens"], 5_300);
}

/// Affinity is a preference: a home that is full sends its session on.
#[tokio::test]
async fn a_full_account_holds_no_session() {
    let names = ["a", "b"];
    let accounts: String = names
        .iter()
        .map(|name| api(name, ", concurrent: 1"))
        .collect();
    let pool = Pool::serving(&format!("accounts:\n{accounts}"));
    let home = pool.served_by("any", "s").await;
    let stalled = Scenario {
        stall_before_head: true,
        ..Scenario::default()
    };
    pool.script([stalled]);
    let hanging = pool.hang("any", "s").await;
    assert_ne!(pool.served_by("any", "s").await, home);
    drop(hanging);
}
