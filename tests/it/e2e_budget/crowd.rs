//! 200 streams at once on one budget, some left by their clients: never more than the budget, and nothing stuck.

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{Dice, MODEL, PRICES, asking, cost, micro, rest, scenario_of, tokens};
use crate::gateway::{Client, Pool, api, keys, request, secret};

const STREAMS: usize = 200;
/// Events before the first delta: the start of the message, the start of its block, a ping.
const BEFORE_TEXT: u64 = 3;

/// An answer of random length. Where its client is to leave, the upstream falls silent after some deltas.
fn scenario(dice: &mut Dice, is_left: bool) -> Value {
    let (output, count) = (dice.roll(20, 300), dice.roll(5, 20));
    let (five, hour) = (dice.roll(0, 40), dice.roll(0, 1) * dice.roll(1, 40));
    let mut scenario = json!({
        "text_bytes": output * 4, "count": count, "event_delay_ms": dice.roll(0, 2),
        "usage": {
            "input_tokens": dice.roll(10, 60), "output_tokens": output,
            "cache_read_input_tokens": dice.roll(0, 40), "cache_creation_input_tokens": five + hour,
            "cache_creation": {"ephemeral_5m_input_tokens": five, "ephemeral_1h_input_tokens": hour},
        },
    });
    if is_left {
        scenario["stall_after_events"] = (BEFORE_TEXT + dice.roll(1, count - 1)).into();
    }
    scenario
}

/// Output tokens that were given, as far as anybody can know.
fn output_of(scenario: &Value) -> u64 {
    let number = |name: &str| scenario[name].as_u64();
    let told = scenario["usage"]["output_tokens"].as_u64().expect("output");
    let Some(events) = number("stall_after_events") else {
        return told;
    };
    let (bytes, count) = (number("text_bytes").unwrap(), number("count").unwrap());
    let sent = (events - BEFORE_TEXT) * bytes / count;
    sent.div_ceil(4).max(1)
}

/// One request; its client leaves where the upstream is told to fall silent. Gives the status.
async fn talk(pool: std::net::SocketAddr, bytes: Vec<u8>, deltas: Option<u64>) -> u16 {
    let mut client = Client::connect(pool).await;
    client.send(&bytes).await;
    let Some(deltas) = deltas else {
        return client.answer().await.status;
    };
    let mut answer = client.head().await;
    let seen = |answer: &crate::gateway::Answer| {
        let events = answer.events();
        events
            .iter()
            .filter(|name| *name == "content_block_delta")
            .count() as u64
    };
    while answer.status == 200 && seen(&answer) < deltas {
        let chunk = client.chunk().await.expect("a delta");
        answer.body.extend(chunk);
    }
    answer.status
}

/// Offers everything to `key` at once; what it used by the journal, in the limit's units, and what is told of it.
async fn offer(pool: &Pool, key: &str, limit: &str, leaves: bool) -> (u64, u64) {
    let (mut dice, before) = (Dice(0x5eed + key.len() as u64), pool.entries().len());
    let mut running = JoinSet::new();
    for at in 0..STREAMS {
        let scenario = scenario(&mut dice, leaves && at % 2 == 0);
        // Some are no streams.
        let stream = leaves || at % 8 != 0;
        let body = asking(MODEL, 300, stream, &scenario);
        let secret = secret(key);
        let headers = [
            ("x-api-key", &*secret),
            ("content-type", "application/json"),
        ];
        let bytes = request("POST", "/v1/messages", &headers, body.as_bytes());
        let deltas = scenario["stall_after_events"].as_u64();
        running.spawn(talk(
            pool.address,
            bytes,
            deltas.map(|events| events - BEFORE_TEXT),
        ));
    }
    let statuses = running.join_all().await;
    assert!(
        statuses.iter().all(|status| matches!(status, 200 | 429)),
        "{statuses:?}"
    );
    let told = rest(pool, key, limit);
    let entries = pool.entries().split_off(before);
    let admitted = statuses.iter().filter(|status| **status == 200).count();
    assert_eq!(admitted, entries.len(), "{key}");
    let is_money = limit.starts_with("usd");
    let used = entries.iter().map(|entry| {
        let scenario = scenario_of(&entry.json());
        let count = if is_money { cost } else { tokens };
        count(&scenario["usage"], output_of(&scenario))
    });
    let told = if is_money {
        micro(&told["used"])
    } else {
        told["used"].as_u64().expect("a count")
    };
    (used.sum(), told)
}

#[tokio::test]
async fn a_crowd_spends_its_budget_and_not_a_unit_more() {
    let limits = [
        ("money", "usd_per_month", "1", 1_000_000),
        ("left-money", "usd_per_month", "1", 1_000_000),
        ("tokens", "tokens_per_month", "30000", 30_000),
        ("left-tokens", "tokens_per_month", "30000", 30_000),
    ];
    let list =
        limits.map(|(key, limit, value, _)| (key, format!(", limits: {{ {limit}: {value} }}")));
    let list: Vec<_> = list.iter().map(|(key, more)| (*key, &**more)).collect();
    let pool = Pool::serving(&format!(
        "accounts:\n{}{PRICES}limits: {{ concurrency_queue: 30s }}\n{}",
        api("a", ""),
        keys(&list)
    ));
    for (key, limit, _, capacity) in limits {
        let (used, told) = offer(&pool, key, limit, key.starts_with("left")).await;
        assert_eq!(told, used, "{key}");
        assert!(used <= capacity && used > capacity / 2, "{key}: {used}");
        // Only what is settled stands in the way of a last one.
        let usage = json!({"usage": {"input_tokens": 1, "output_tokens": 1}});
        let last = pool.ask(key, asking(MODEL, 1, false, &usage)).await;
        let after: u64 = last
            .header("retry-after")
            .map_or(u64::MAX, |s| s.parse().unwrap());
        assert!(
            last.status == 200 || (last.status == 429 && after > 5),
            "{key}: {}",
            last.text()
        );
        rest(&pool, key, limit);
    }
}
