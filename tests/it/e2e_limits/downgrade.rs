//! A limit that sends requests to a cheaper model: its client is told, and the other model's limits hold.

use serde_json::json;

use super::{PRICES, asking, assert_throttled, line, settled, using};
use crate::gateway::{Pool, api, keys};
use crate::process;

const DEAR: &str = "claude-opus-5";
const CHEAP: &str = "claude-haiku-4-5";

fn rules() -> String {
    format!(
        ", limits: {{ models: {{ \"claude-opus-*\": {{ requests_per_day: {{ limit: 1, on_limit: downgrade, model: {CHEAP} }} }}, \"claude-haiku-*\": {{ requests_per_day: 3 }} }} }}"
    )
}

#[tokio::test]
async fn a_downgraded_request_is_told_so_and_keeps_the_other_models_limits() {
    let pool = Pool::serving(&format!(
        "accounts:\n{}models: {{ aliases: {{ best: {DEAR} }} }}\n{}",
        api("a", ""),
        keys(&[("any", &rules())])
    ));
    // As no library would write it: what is not the model's name stays byte for byte.
    let body = |model: &str| {
        format!(
            "{{ \"max_tokens\" : 60,\"big\":123456789012345678901234567890, \"model\" :\"{model}\",\n\"messages\":[{{\"role\":\"user\",\"content\":\"the model is {model}\"}}],\"big\":1.0 }}"
        )
    };
    for (asked, model, from) in [
        (DEAR, DEAR, None),
        (DEAR, CHEAP, Some(DEAR)),
        ("best", CHEAP, Some("best")),
        (CHEAP, CHEAP, None),
    ] {
        let answer = pool.ask("any", body(asked)).await;
        assert_eq!(answer.status, 200, "{asked}: {}", answer.text());
        assert_eq!(answer.header("x-troupe-downgraded-from"), from, "{asked}");
        assert_eq!(answer.json()["model"], model);
        let sent = pool.entries().pop().expect("an entry").body;
        let written = body(asked).replacen(&format!("\"{asked}\""), &format!("\"{model}\""), 1);
        assert_eq!(String::from_utf8_lossy(&sent), written);
        let id = answer.header("request-id").expect("an id").to_owned();
        let mut row = json!(null);
        assert!(process::until(super::PATIENCE, || {
            row = pool
                .operate("request.show", json!({"id": id}))
                .unwrap_or_default();
            row.is_object()
        }));
        let text = row.to_string();
        assert_eq!(text.contains("downgraded_from"), from.is_some(), "{text}");
    }
    // Both are at their end: the cheap one speaks, and it is not asked again.
    for asked in [DEAR, CHEAP] {
        let refused = pool.ask("any", body(asked)).await;
        assert_throttled(
            &refused,
            "3 requests per day for models claude-haiku-* of key",
        );
    }
    let told = pool
        .operate("key.limits", json!({"name": "any", "model": DEAR}))
        .expect("limits");
    assert_eq!(told["request"]["result"], "downgraded", "{told}");
    assert_eq!(told["limits"][0]["model"], CHEAP, "{told}");
    assert_eq!(told["limits"][0]["used"], 1, "{told}");
    assert_eq!(pool.entries().len(), 4);
}

/// It is the account's name for the other model that goes up, streams too; and money decides as requests do.
#[tokio::test]
async fn the_upstream_is_asked_by_its_own_name_for_the_other_model() {
    let limits = format!(
        ", limits: {{ models: {{ \"claude-opus-*\": {{ usd_per_day: {{ limit: 0.0004, on_limit: downgrade, model: {CHEAP} }} }} }} }}"
    );
    let account = format!(", models: {{ {CHEAP}: vendor/small, {DEAR}: vendor/large }}");
    let pool = Pool::serving(&format!(
        "accounts:\n{}{PRICES}{}",
        api("a", &account),
        keys(&[("any", &limits)])
    ));
    for (asked, from) in [("vendor/large", None), ("vendor/small", Some(DEAR))] {
        let body = super::streaming(DEAR, 60, &using(100, 50));
        let answer = pool.ask("any", body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("x-troupe-downgraded-from"), from);
        assert!(answer.text().contains("message_stop"), "{}", answer.text());
        assert_eq!(
            pool.entries().pop().expect("an entry").json()["model"],
            asked
        );
        settled(&pool, "any", "usd_per_day", 0.0002);
    }
    // One that only waits for what others hold is not sent elsewhere.
    assert_eq!(line(&pool, "any", "usd_per_day")["model"], CHEAP);
    let never = pool.ask("any", asking(DEAR, 6_000, &using(1, 1))).await;
    assert_eq!(
        never.header("x-troupe-downgraded-from"),
        Some(DEAR),
        "{}",
        never.text()
    );
}
