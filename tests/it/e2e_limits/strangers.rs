//! Keys that are revoked while their requests wait, and those that nobody knows.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{MODEL, queued, running, sent, small, streaming};
use crate::gateway::{Client, Pool, api, head, keys, secret};

/// At the key's own limit, at one it shares, and at a full account.
#[tokio::test]
async fn a_request_that_waits_ends_with_its_key() {
    let accounts = [api("a", ""), api("full", ", concurrent: 1")];
    let list = [("holding", ", group: team"), ("busy", ", accounts: [full]")];
    let pool = Pool::serving(&format!(
        "accounts:\n{}limits: {{ groups: {{ team: {{ limits: {{ concurrent: 1 }} }} }} }}\n{}",
        accounts.concat(),
        keys(&list)
    ));
    let endless = streaming(MODEL, 60, &json!({"endless": true}));
    for (name, rights, holds) in [
        (
            "own",
            json!({"limits": {"concurrent": 1}, "accounts": ["a"]}),
            "own",
        ),
        (
            "shared",
            json!({"group": "team", "accounts": ["a"]}),
            "holding",
        ),
        ("bound", json!({"accounts": ["full"]}), "busy"),
    ] {
        let mut key = rights.clone();
        (key["name"], key["secret"]) = (json!(name), json!(secret(name)));
        pool.operate("key.create", key).expect("a key");
        let _holding = running(&pool, holds, &endless).await;
        let mut waiting = sent(&pool, name, &small()).await;
        match name {
            "bound" => waits_for_account(&pool).await,
            _ => queued(&pool, name, "concurrent", 1),
        }
        pool.operate("key.revoke", json!({"name": name}))
            .expect("a revocation");
        let revoked = Instant::now();
        let answer = waiting.answer().await;
        assert_eq!(
            (answer.status, &*answer.error_type()),
            (401, "authentication_error"),
            "{name}: {}",
            answer.text()
        );
        assert!(
            revoked.elapsed() < Duration::from_secs(1),
            "{name}: {:?}",
            revoked.elapsed()
        );
        assert_eq!(answer.header("x-should-retry"), Some("false"));
    }
}

async fn metrics(pool: &Pool) -> String {
    pool.raw(&head("GET", "/metrics", &[])).await.text()
}

async fn waits_for_account(pool: &Pool) {
    let end = Instant::now() + super::PATIENCE;
    while !metrics(pool).await.contains("troupe_requests_waiting 1") {
        assert!(Instant::now() < end, "nobody waits");
    }
}

async fn memory_kib(pool: &Pool) -> u64 {
    let text = metrics(pool).await;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("process_resident_memory_bytes "));
    line.and_then(|value| value.parse::<f64>().ok())
        .expect("the memory") as u64
        / 1024
}

/// So many bad keys, each once.
async fn guess(pool: &Pool, from: usize, count: usize) {
    let mut running = tokio::task::JoinSet::new();
    for part in 0..16 {
        let address = pool.address;
        running.spawn(async move {
            let mut client = Client::connect(address).await;
            for number in (from..from + count).skip(part).step_by(16) {
                let key = format!("unknown-key-number-{number:032}");
                let request =
                    format!("GET /v1/models HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\n\r\n");
                client.send(request.as_bytes()).await;
                let answer = client.head().await;
                assert_eq!(answer.status, 401);
                let mut answer = answer;
                client.rest(&mut answer).await;
            }
        });
    }
    running.join_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_keys_leave_nothing_behind() {
    let pool = Pool::serving(&format!(
        "accounts:\n{}limits: {{ defaults: {{ requests_per_day: 5, tokens_per_day: 1000, concurrent: 2 }} }}\nrequest_log: {{ enabled: false }}\n{}",
        api("a", ""),
        keys(&[("any", "")])
    ));
    assert_eq!(pool.ask("any", small()).await.status, 200);
    let actors = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| line.starts_with("troupe_actor"));
        lines.map(str::to_owned).collect()
    };
    guess(&pool, 0, 5_000).await;
    let (before, memory) = (actors(&metrics(&pool).await), memory_kib(&pool).await);
    guess(&pool, 5_000, 20_000).await;
    assert_eq!(actors(&metrics(&pool).await), before);
    let grown = memory_kib(&pool).await.saturating_sub(memory);
    assert!(grown < 6 * 1024, "{grown} KiB more after {memory}");
}
