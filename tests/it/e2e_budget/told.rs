//! What callers hear of their spend: on every success what it was before, and at its end one clear refusal.

use serde_json::{Value, json};
use troupe_mock::Scenario;

use super::{MODEL, PRICES, rest};
use crate::gateway::{Answer, Pool, api, keys};

const UNIFIED: &str = "anthropic-ratelimit-unified";

fn ask() -> String {
    json!({"model": MODEL, "max_tokens": 1, "messages": [{"role": "user", "content": "Hello"}]})
        .to_string()
}

/// The upstream says that the next prompt had so many tokens, at ten micro-dollars each.
fn next_costs(pool: &Pool, input: u64) {
    let told = json!({"usage": {"input_tokens": input, "output_tokens": 0}});
    pool.script([Scenario::parse(&told.to_string()).expect("a scenario")]);
}

fn unified<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.header(&format!("{UNIFIED}-{name}"))
}

fn pool() -> Pool {
    Pool::serving(&format!(
        "accounts:\n{}{PRICES}limits: {{ spend_message: ask the operator }}\n{}",
        api("a", ""),
        keys(&[
            ("any", ", limits: { usd_per_month: 1 }"),
            ("rest", ", limits: { usd_per_month: 0.01 }"),
            ("free", ""),
        ])
    ))
}

#[tokio::test]
async fn a_success_tells_the_spend_from_before_it() {
    let pool = pool();
    for (input, status, share, threshold) in [
        (74_999, "allowed", "0", None),
        (1, "allowed", "0.75", None),
        (19_999, "allowed_warning", "0.75", Some("0.75")),
        (1, "allowed_warning", "0.95", Some("0.75")),
        (4_600, "allowed_warning", "0.95", Some("0.95")),
        (2_400, "allowed_warning", "0.99", Some("0.95")),
    ] {
        next_costs(&pool, input);
        let answer = pool.ask("any", ask()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let told = [
            "status",
            "overage-status",
            "overage-utilization",
            "representative-claim",
        ];
        let told = told.map(|name| unified(&answer, name).unwrap_or_default());
        assert_eq!(told, [status, status, share, "overage"], "{input}");
        assert_eq!(
            unified(&answer, "overage-surpassed-threshold"),
            threshold,
            "{input}"
        );
        let reset: u64 = unified(&answer, "reset")
            .expect("a reset")
            .parse()
            .expect("seconds");
        assert_eq!(unified(&answer, "overage-reset"), Some(&*reset.to_string()));
        assert!(
            unified(&answer, "overage-period").is_none()
                && unified(&answer, "overage-disabled-reason").is_none()
        );
        rest(&pool, "any", "usd_per_month");
    }
    is_refused(&pool).await;
    // Who has no cap hears of none.
    let answer = pool.ask("free", ask()).await;
    assert_eq!((answer.status, unified(&answer, "status")), (200, None));
}

/// 1.02 of the cap are spent.
async fn is_refused(pool: &Pool) {
    let reached = pool.entries().len();
    let answer = pool.ask("any", ask()).await;
    let (body, text) = (answer.json(), answer.text());
    assert_eq!(
        (answer.status, answer.error_type()),
        (429, "billing_error".to_owned()),
        "{text}"
    );
    for (name, value) in [
        ("status", "rejected"),
        ("overage-utilization", "1.02"),
        ("overage-surpassed-threshold", "1"),
        ("overage-period", "monthly"),
        ("overage-disabled-reason", "org_spend_cap_reached"),
    ] {
        assert_eq!(unified(&answer, name), Some(value), "{name}");
    }
    assert_eq!(unified(&answer, "reset"), unified(&answer, "overage-reset"));
    assert!(unified(&answer, "reset").is_some());
    assert!(
        unified(&answer, "representative-claim").is_none()
            && unified(&answer, "overage-status").is_none()
    );
    assert_eq!(answer.header("x-should-retry"), Some("false"));
    let after: u64 = answer
        .header("retry-after")
        .expect("retry-after")
        .parse()
        .expect("seconds");
    assert_eq!(body["retry_after"], after);
    let said = body["error"]["message"].as_str().expect("a message");
    let day = said
        .strip_prefix("spend limit reached · resets ")
        .and_then(|rest| rest.strip_suffix(" · ask the operator"));
    assert!(day.is_some_and(|day| day.ends_with(" 1")), "{said}");
    assert!(!text.contains("api-key"), "{text}");
    assert_eq!(pool.entries().len(), reached, "it reached the upstream");
    // Counting costs nothing and is never blocked.
    let secret = crate::gateway::secret("any");
    let headers = [
        ("x-api-key", &*secret),
        ("content-type", "application/json"),
    ];
    let count = crate::gateway::request(
        "POST",
        "/v1/messages/count_tokens",
        &headers,
        ask().as_bytes(),
    );
    assert_eq!(pool.raw(&count).await.status, 200);
}

#[tokio::test]
async fn money_that_is_left_but_too_little_is_no_spent_cap() {
    let pool = pool();
    next_costs(&pool, 999);
    assert_eq!(pool.ask("rest", ask()).await.status, 200);
    rest(&pool, "rest", "usd_per_month");
    let answer = pool.ask("rest", ask()).await;
    assert_eq!(
        (answer.status, answer.error_type()),
        (429, "rate_limit_error".to_owned()),
        "{}",
        answer.text()
    );
    let never = json!({"model": MODEL, "max_tokens": 100_000, "messages": [{"role": "user", "content": "Hello"}]});
    let answer = pool.ask("rest", never.to_string()).await;
    assert_eq!(
        (answer.status, answer.error_type()),
        (400, "invalid_request_error".to_owned()),
        "{}",
        answer.text()
    );
    assert_eq!(
        answer
            .json()
            .pointer("/error/message")
            .and_then(Value::as_str)
            .map(|m| m.contains("$0.01")),
        Some(true)
    );
}
