//! What is given back, and what was used all the same; what is not counted at all.

use std::time::Duration;

use serde_json::{Value, json};

use super::{MODEL, asking, assert_throttled, line, settled, small, using};
use crate::gateway::{Pool, api, credential, keys, request, secret};
use crate::process;

const LIMITS: &str =
    ", limits: { requests_per_day: 1000, tokens_per_day: 1000000, concurrent: 50 }";

fn dead(name: &str) -> String {
    let nobody = process::free_address();
    format!(
        "  - {{ name: {name}, kind: api_key, api_key: {}, base_url: \"http://{nobody}\" }}\n",
        credential(name)
    )
}

fn assert_nothing_used(pool: &Pool, key: &str) {
    settled(pool, key, "requests_per_day", 0);
    settled(pool, key, "tokens_per_day", 0);
    settled(pool, key, "concurrent", 0);
}

#[tokio::test]
async fn an_error_of_the_gateways_own_gives_everything_back() {
    let accounts = [
        api("a", ""),
        dead("dead"),
        api("limited", ", limits: { requests_per_day: 1 }"),
        api("tiny", ", limits: { tokens_per_day: 10 }"),
        api("full", ", concurrent: 1"),
    ];
    let of = |account: &str| format!("{LIMITS}, accounts: [{account}]");
    let list = ["a", "dead", "limited", "tiny", "full"].map(|name| (name, of(name)));
    let list: Vec<_> = list.iter().map(|(name, more)| (*name, &**more)).collect();
    let pool = Pool::serving(&format!(
        "accounts:\n{}routing: {{ max_attempts: 1 }}\nstreaming: {{ first_event_timeout: 300ms, response_timeout: 300ms }}\nlimits: {{ concurrency_queue: 200ms }}\n{}",
        accounts.concat(),
        keys(&list)
    ));
    let silent = |more: Value| asking(MODEL, 60, &more);
    for (key, body, status, kind) in [
        ("dead", small(), 502, "api_error"),
        (
            "a",
            silent(json!({"name": "stall_before_head"})),
            504,
            "timeout_error",
        ),
        (
            "a",
            silent(json!({"name": "close_before_head"})),
            502,
            "api_error",
        ),
        ("a", silent(json!({"name": "not_http"})), 502, "api_error"),
        ("tiny", small(), 503, "api_error"),
    ] {
        let answer = pool.ask(key, &body).await;
        let said = (answer.status, &*answer.error_type());
        assert_eq!(said, (status, kind), "{key}: {}", answer.text());
        assert_nothing_used(&pool, key);
    }
    // A stream that never begins is none.
    let stall = super::streaming(MODEL, 60, &json!({"name": "stall_after_head"}));
    assert_eq!(pool.ask("a", &stall).await.status, 504);
    assert_eq!(pool.ask("limited", small()).await.status, 200);
    assert_throttled(
        &pool.ask("limited", small()).await,
        "every account is throttled",
    );
    settled(&pool, "limited", "requests_per_day", 1);
    let holding = super::running(
        &pool,
        "full",
        &super::streaming(MODEL, 60, &json!({"endless": true, "event_delay_ms": 10})),
    )
    .await;
    assert_eq!(pool.ask("full", small()).await.status, 503);
    assert_eq!(line(&pool, "full", "requests_per_day")["used"], 1);
    drop(holding);
    settled(&pool, "full", "concurrent", 0);
}

#[tokio::test]
async fn an_answer_of_any_status_keeps_the_request() {
    let pool = Pool::serving(&format!(
        "accounts:\n{}routing: {{ max_attempts: 1 }}\n{}",
        api("a", ""),
        keys(&[("any", LIMITS)])
    ));
    let mut counted = 0;
    for (scenario, status) in [
        (json!({"status": 400}), 400),
        (json!({"status": 413}), 413),
        (json!({"status": 404}), 404),
        (json!({"status": 500}), 500),
        (json!({"status": 529}), 529),
        (json!({"status": 429}), 429),
        (json!({"status": 401}), 503),
        (json!({"status": 403}), 503),
    ] {
        let answer = pool.ask("any", asking(MODEL, 60, &scenario)).await;
        assert_eq!(answer.status, status, "{scenario}: {}", answer.text());
        counted += 1;
        settled(&pool, "any", "requests_per_day", counted);
        settled(&pool, "any", "tokens_per_day", 0);
        // A fault is not held against the account here.
        for operation in ["account.disable", "account.enable"] {
            let _ = pool.operate(operation, json!({"name": "a"}));
        }
        let served = process::until(Duration::from_secs(20), || {
            pool.account("a")["state"] == "active"
        });
        if !served {
            pool.mock.journal().clear();
            return assert_eq!(scenario["status"], 403, "{}", pool.account("a"));
        }
    }
}

#[tokio::test]
async fn what_is_not_counted_is_not_limited() {
    let pool = Pool::serving(&format!(
        "accounts:\n{}{}limits: {{ groups: {{ team: {{ limits: {{ usd_per_day: 5 }} }} }} }}\n{}",
        api("a", ""),
        super::PRICES,
        keys(&[
            (
                "spent",
                ", limits: { requests_per_day: 1, usd_per_day: 0.0004, concurrent: 1 }"
            ),
            (
                "metered",
                ", resources: all, limits: { tokens_per_day: 100000 }"
            ),
            (
                "models",
                ", resources: all, limits: { models: { \"claude-*\": { requests_per_day: 9 } } }"
            ),
            (
                "plain",
                ", resources: all, limits: { requests_per_day: 9, concurrent: 4 }"
            ),
            ("grouped", ", resources: all, group: team"),
        ])
    ));
    assert_eq!(pool.ask("spent", small()).await.status, 200);
    settled(&pool, "spent", "requests_per_day", 1);
    assert_throttled(&pool.ask("spent", small()).await, "1 requests per day");
    let secret_of = |key: &str| secret(key);
    let call = |method: &'static str, path: &'static str, key: &'static str, body: String| {
        let secret = secret_of(key);
        let headers = [
            ("x-api-key", &*secret),
            ("content-type", "application/json"),
        ];
        request(method, path, &headers, body.as_bytes())
    };
    let count = asking(MODEL, 60, &using(1, 1));
    for _ in 0..3 {
        let counted = pool
            .raw(&call(
                "POST",
                "/v1/messages/count_tokens",
                "spent",
                count.clone(),
            ))
            .await;
        assert_eq!(counted.status, 200, "{}", counted.text());
        assert_eq!(
            pool.raw(&call("GET", "/v1/models", "spent", String::new()))
                .await
                .status,
            200
        );
    }
    settled(&pool, "spent", "requests_per_day", 1);
    let batch = r#"{"requests":[]}"#.to_owned();
    for (key, status) in [
        ("metered", 400),
        ("models", 400),
        ("grouped", 400),
        ("plain", 200),
    ] {
        let answer = pool
            .raw(&call("POST", "/v1/messages/batches", key, batch.clone()))
            .await;
        assert_eq!(answer.status, status, "{key}: {}", answer.text());
        if status == 400 {
            assert_eq!(answer.error_type(), "invalid_request_error");
            assert_eq!(answer.header("x-should-retry"), Some("false"));
        }
    }
    settled(&pool, "plain", "requests_per_day", 1);
}
