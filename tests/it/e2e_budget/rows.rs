//! Who is charged what: in the request's row, in the balances of every scope, and in usage.

use serde_json::{Value, json};

use super::{PRICES, asking, logged, micro, rest};
use crate::gateway::{Pool, api, keys};

fn usage(input: u64, output: u64) -> Value {
    json!({"usage": {"input_tokens": input, "output_tokens": output}})
}

#[tokio::test]
async fn a_groups_multiplier_is_counted_by_its_keys_and_by_nobody_else() {
    let pool = Pool::serving(&format!(
        "accounts:\n{}{PRICES}limits: {{ gateway: {{ usd_per_month: 10 }}, groups: {{ dear: {{ multiplier: 1.25, limits: {{ usd_per_week: 10 }} }} }} }}\n{}",
        api("a", ""),
        keys(&[
            ("capped", ", group: dear, limits: { usd_per_day: 10 }"),
            ("plain", ""),
        ])
    ));
    for key in ["capped", "plain"] {
        let answer = pool
            .ask(key, asking(super::MODEL, 60, false, &usage(101, 0)))
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    for (limit, used) in [
        ("usd_per_day", 1_263),
        ("usd_per_week", 1_263),
        ("usd_per_month", 2_020),
    ] {
        assert_eq!(
            micro(&rest(&pool, "capped", limit)["used"]),
            used,
            "{limit}"
        );
    }
    let rows = logged(&pool, 2);
    for (key, charged) in [("capped", json!(1_263)), ("plain", Value::Null)] {
        let row = rows
            .iter()
            .find(|row| row["key_name"] == key)
            .expect("a row");
        assert_eq!(
            (&row["cost_micro_usd"], &row["charged_micro_usd"]),
            (&json!(1_010), &charged),
            "{row}"
        );
    }
    let report = pool
        .operate("usage.report", json!({"by": "key"}))
        .expect("a report");
    let total = &report["total"];
    assert_eq!(
        (&total["cost_micro_usd"], &total["charged_micro_usd"]),
        (&json!(2_020), &json!(2_273)),
        "{report}"
    );
}

#[tokio::test]
async fn what_has_no_price_is_dearest_and_tiers_and_searches_have_theirs() {
    let pool = Pool::serving(&format!(
        "accounts:\n{}{}",
        api("a", ""),
        keys(&[("any", ", limits: { usd_per_month: 10 }")])
    ));
    let searching = json!({"usage": {"input_tokens": 0, "output_tokens": 100, "service_tier": "batch",
        "server_tool_use": {"web_search_requests": 2}}});
    let mut sum = 0;
    for (model, scenario, cost, unpriced) in [
        ("model-of-dreams", usage(100, 0), 1_500, true),
        ("model-of-dreams", usage(100, 0), 1_500, true),
        ("claude-sonnet-4-5", searching, 20_750, false),
    ] {
        let answer = pool.ask("any", asking(model, 200, true, &scenario)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        sum += cost;
        assert_eq!(
            micro(&rest(&pool, "any", "usd_per_month")["used"]),
            sum,
            "{model}"
        );
        let id = answer.header("request-id").expect("an id").to_owned();
        let row = pool
            .operate("request.show", json!({"id": id}))
            .expect("a row");
        assert_eq!(row["cost_micro_usd"], cost, "{row}");
        assert_eq!(row["unpriced"] == true, unpriced, "{row}");
    }
    let log = pool.log();
    let warned = log
        .lines()
        .filter(|line| line.contains("model-of-dreams"))
        .count();
    assert_eq!(warned, 1, "{log}");
}
