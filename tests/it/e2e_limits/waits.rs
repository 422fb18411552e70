//! What happens at a limit: waiting for what others have reserved, shadows, soft caps, grants, what can never fit.

use std::time::Duration;

use serde_json::json;
use troupe_mock::Entry;

use super::{
    MODEL, PATIENCE, asking, assert_throttled, line, now_ms, queued, running, sent, settled,
    slowly, small, using,
};
use crate::gateway::{Pool, api, keys};
use crate::process;

fn pool(keys_of: &[(&str, &str)], limits: &str) -> Pool {
    Pool::serving(&format!(
        "accounts:\n{}{}limits: {{ {limits} }}\n{}",
        api("a", ""),
        super::PRICES,
        keys(keys_of)
    ))
}

fn overlap(entries: &[Entry]) -> bool {
    entries.windows(2).any(|pair| {
        pair[0]
            .finished_at_ms
            .is_none_or(|end| end > pair[1].started_at_ms)
    })
}

/// What others have reserved and do not use is waited for; with no time to wait it is a short throttle.
#[tokio::test]
async fn what_is_only_reserved_is_waited_for() {
    for (limit, said) in [
        ("tokens_per_day: 2000", "2000 tokens per day"),
        ("output_tokens_per_day: 1500", "1500 output tokens per day"),
        ("usd_per_day: 0.003", "per day"),
    ] {
        let list = [("any", &*format!(", limits: {{ {limit} }}"))];
        let pool = pool(&list, "concurrency_queue: 10s");
        let body = asking(MODEL, 1_000, &slowly(1_500));
        let mut first = running(&pool, "any", &body).await;
        let mut second = sent(&pool, "any", &body).await;
        let name = limit.split(':').next().expect("a name");
        queued(&pool, "any", name, 1);
        for client in [&mut first, &mut second] {
            let answer = client.answer().await;
            assert_eq!(answer.status, 200, "{limit}: {}", answer.text());
        }
        assert!(!overlap(&pool.entries()), "{limit}");
        let used = match name {
            "tokens_per_day" => json!(300),
            "output_tokens_per_day" => json!(100),
            _ => json!(0.0004),
        };
        settled(&pool, "any", name, used);

        let pool = self::pool(&list, "concurrency_queue: 0s");
        let silent = asking(MODEL, 1_000, &json!({"name": "stall_before_head"}));
        let holding = running(&pool, "any", &silent).await;
        let refused = pool.ask("any", &body).await;
        assert_throttled(&refused, said);
        let after = refused.header("retry-after").expect("seconds");
        assert!(after.parse::<u64>().is_ok_and(|s| s <= 5), "{after}");
        drop(holding);
    }
}

#[tokio::test]
async fn what_can_never_fit_is_no_matter_of_time() {
    let list = [
        ("tokens", ", limits: { tokens_per_day: 2000 }"),
        ("money", ", limits: { usd_per_month: 0.01 }"),
    ];
    let pool = pool(&list, "");
    for (key, max_tokens, needs, limit) in [
        ("tokens", 9_000, "9", "2000"),
        ("money", 90_000, "$0.18", "$0.01"),
    ] {
        assert_eq!(pool.ask(key, small()).await.status, 200);
        let body = asking(MODEL, max_tokens, &using(100, 50));
        let never = pool.ask(key, &body).await;
        let text = never.text();
        assert_eq!(
            (never.status, &*never.error_type()),
            (400, "invalid_request_error"),
            "{text}"
        );
        assert!(
            text.contains("can never fit") && text.contains(needs) && text.contains(limit),
            "{text}"
        );
        assert_eq!(never.header("x-should-retry"), Some("false"));
        assert_eq!(never.header("retry-after"), None);
        assert_eq!(pool.ask(key, small()).await.status, 200);
    }
    assert_eq!(pool.entries().len(), 4);
    settled(&pool, "tokens", "tokens_per_day", 300);
}

#[tokio::test]
async fn a_shadow_limit_counts_and_lets_pass() {
    let list = [(
        "any",
        ", limits: { requests_per_day: { limit: 1, on_limit: shadow }, tokens_per_day: { limit: 400, on_limit: shadow } }",
    )];
    let pool = pool(&list, "");
    for _ in 0..4 {
        let answer = pool.ask("any", small()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("anthropic-ratelimit-requests-limit"), None);
        process::until(PATIENCE, || {
            line(&pool, "any", "requests_per_day")["open"] == 0
        });
    }
    settled(&pool, "any", "requests_per_day", 4);
    settled(&pool, "any", "tokens_per_day", 600);
    let of = line(&pool, "any", "requests_per_day");
    assert_eq!(
        (&of["limit"], &of["remaining"], &of["on_limit"]),
        (&json!(1), &json!(0), &json!("shadow"))
    );
    let metrics = pool
        .raw(&crate::gateway::head("GET", "/metrics", &[]))
        .await
        .text();
    for counted in [
        "troupe_limit_shadow_total{limit=\"requests_per_day\"} 3",
        // The third may need more than is left.
        "troupe_limit_shadow_total{limit=\"tokens_per_day\"} 2",
    ] {
        assert!(metrics.contains(counted), "{counted} in\n{metrics}");
    }
    assert!(!metrics.contains("troupe_limit_rejections_total{limit=\"requests_per_day\"}"));
}

/// After the first it is known what a request uses: that much is reserved.
#[tokio::test]
async fn a_soft_cap_reserves_what_was_learnt() {
    let list = [(
        "soft",
        ", limits: { tokens_per_day: { limit: 2500, cap: soft } }",
    )];
    let pool = pool(&list, "concurrency_queue: 10s");
    assert_eq!(
        pool.ask("soft", asking(MODEL, 1_000, &using(100, 50)))
            .await
            .status,
        200
    );
    let body = asking(MODEL, 2_000, &slowly(500));
    let (first, second) = (
        running(&pool, "soft", &body).await,
        running(&pool, "soft", &body).await,
    );
    assert_eq!(line(&pool, "soft", "tokens_per_day")["reserved"], 300);
    for mut client in [first, second] {
        assert_eq!(client.answer().await.status, 200);
    }
    settled(&pool, "soft", "tokens_per_day", 450);
    // It is a limit all the same.
    let used = pool
        .ask("soft", asking(MODEL, 1_000, &using(100, 2_500)))
        .await;
    assert_eq!(used.status, 200);
    settled(&pool, "soft", "tokens_per_day", 3_050);
    assert_throttled(&pool.ask("soft", small()).await, "2500 tokens per day");
}

#[tokio::test]
async fn a_grant_ends_with_its_date() {
    let until = jiff::Timestamp::from_millisecond(i64::try_from(now_ms() + 4_000).expect("a time"))
        .expect("a time");
    let list = [
        (
            "long",
            ", limits: { requests_per_month: { limit: 1, grant: { extra: 2, until: \"2090-01-01\" } } }",
        ),
        (
            "short",
            &*format!(
                ", limits: {{ requests_per_month: {{ limit: 1, grant: {{ extra: 2, until: \"{until}\" }} }} }}"
            ),
        ),
    ];
    let pool = pool(&list, "");
    for _ in 0..2 {
        assert_eq!(pool.ask("short", small()).await.status, 200);
    }
    for _ in 0..3 {
        assert_eq!(pool.ask("long", small()).await.status, 200);
    }
    assert_throttled(&pool.ask("long", small()).await, "3 requests per month");
    let of = line(&pool, "long", "requests_per_month");
    assert_eq!(
        (&of["limit"], &of["granted"]),
        (&json!(3), &json!(2)),
        "{of}"
    );
    let is_over = || line(&pool, "short", "requests_per_month")["granted"].is_null();
    assert!(process::until(Duration::from_secs(6), is_over));
    assert_throttled(&pool.ask("short", small()).await, "1 requests per month");
}
