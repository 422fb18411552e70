//! Requests at once: in line, for so long, and free again whatever happens.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{
    MODEL, PATIENCE, asking, assert_throttled, line, queued, running, sent, settled, slowly, small,
    streaming,
};
use crate::gateway::{Pool, api, keys};
use crate::process;

fn pool(keys_of: &[(&str, &str)], limits: &str, more: &str) -> Pool {
    Pool::serving(&format!(
        "accounts:\n{}limits: {{ {limits} }}\n{more}{}",
        api("a", ""),
        keys(keys_of)
    ))
}

#[tokio::test]
async fn slots_go_to_whoever_came_first() {
    let pool = pool(&[("one", ", limits: { concurrent: 1 }")], "", "");
    let holding = running(
        &pool,
        "one",
        &streaming(MODEL, 60, &json!({"endless": true})),
    )
    .await;
    let mut clients = Vec::new();
    for number in 0..10 {
        let mut scenario = slowly(20);
        scenario["text"] = format!("number {number}.").into();
        clients.push(sent(&pool, "one", &asking(MODEL, 60, &scenario)).await);
        queued(&pool, "one", "concurrent", number + 1);
    }
    drop(holding);
    for client in &mut clients {
        let answer = client.answer().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let entries = pool.entries();
    for (number, entry) in entries.iter().skip(1).enumerate() {
        let text = String::from_utf8_lossy(&entry.body).into_owned();
        assert!(
            text.contains(&format!("number {number}.")),
            "{number}: {text}"
        );
    }
    for pair in entries[1..].windows(2) {
        assert!(
            pair[0]
                .finished_at_ms
                .is_some_and(|end| end <= pair[1].started_at_ms)
        );
    }
    settled(&pool, "one", "concurrent", 0);
}

/// In every scope that has slots.
#[tokio::test]
async fn a_slot_is_waited_for_only_so_long() {
    let list = [
        ("own", ", limits: { concurrent: 1 }"),
        (
            "model",
            ", limits: { models: { \"claude-haiku-*\": { concurrent: 1 } } }",
        ),
        ("team", ", group: team"),
    ];
    let pool = pool(
        &list,
        "concurrency_queue: 300ms, groups: { team: { limits: { concurrent: 1 } } }",
        "",
    );
    for (key, whose) in [
        ("own", "1 concurrent requests for key"),
        (
            "model",
            "1 concurrent requests for models claude-haiku-* of key",
        ),
        ("team", "1 concurrent requests for group team"),
    ] {
        let holding = running(&pool, key, &streaming(MODEL, 60, &json!({"endless": true}))).await;
        let began = Instant::now();
        let refused = pool.ask(key, small()).await;
        assert!(
            began.elapsed() >= Duration::from_millis(290),
            "{:?}",
            began.elapsed()
        );
        assert_throttled(&refused, whose);
        assert_eq!(refused.header("retry-after"), Some("1"));
        let told = &refused.json()["limits"]["concurrent"];
        assert_eq!(told, &json!({"limit": 1, "remaining": 0}));
        drop(holding);
        assert!(process::until(PATIENCE, || line(&pool, key, "concurrent")
            ["open"]
            == 0));
        assert_eq!(pool.ask(key, small()).await.status, 200);
    }
    assert_eq!(pool.entries().len(), 6, "who was refused went nowhere");
}

#[tokio::test]
async fn a_slot_comes_back_whatever_becomes_of_its_request() {
    let pool = pool(
        &[("one", ", limits: { concurrent: 1 }")],
        "concurrency_queue: 5s",
        "routing: { max_attempts: 1 }\n",
    );
    for scenario in [
        "status_500",
        "status_529",
        "status_400",
        "status_401",
        "truncate",
        "reset",
        "mid_error",
        "early_end",
        "short_body",
        "reset_before_head",
        "close_before_head",
        "not_http",
        "default",
    ] {
        for stream in [true, false] {
            let text = format!("[[mock:{scenario}]]");
            let body = json!({"model": MODEL, "max_tokens": 60, "stream": stream, "messages": [{"role": "user", "content": text}]});
            pool.ask("one", body.to_string()).await;
            let free = process::until(PATIENCE, || line(&pool, "one", "concurrent")["open"] == 0);
            assert!(free, "{scenario}: {}", line(&pool, "one", "concurrent"));
            pool.operate("account.enable", json!({"name": "a"}))
                .expect("an account");
        }
    }
    // Who leaves, at any point.
    for body in [
        streaming(MODEL, 60, &json!({"endless": true})),
        streaming(MODEL, 60, &json!({"name": "stall"})),
        asking(MODEL, 60, &json!({"name": "stall_before_head"})),
    ] {
        let leaving = running(&pool, "one", &body).await;
        let waiting = sent(&pool, "one", &small()).await;
        queued(&pool, "one", "concurrent", 1);
        drop(waiting);
        queued(&pool, "one", "concurrent", 0);
        drop(leaving);
        settled(&pool, "one", "concurrent", 0);
    }
}

/// It holds its slot while it reads, however slowly, and loses it when it does not read at all.
#[tokio::test]
async fn who_does_not_read_loses_the_slot() {
    let pool = pool(
        &[("one", ", limits: { concurrent: 1 }")],
        "concurrency_queue: 15s",
        "streaming: { idle_timeout: 1s }\n",
    );
    // More than sockets hold.
    let large = json!({"text_bytes": 24_000_000, "count": 500});
    let mut stuck = running(&pool, "one", &streaming(MODEL, 9_000_000, &large)).await;
    assert_eq!(stuck.head().await.status, 200);
    let answer = pool.ask("one", small()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    settled(&pool, "one", "concurrent", 0);
}
