//! Upstreams that use more than was reserved: room is taken for it while there is any, then the stream ends.

use serde_json::{Value, json};
use troupe_mock::Scenario;

use super::{MODEL, PRICES, micro, rest};
use crate::gateway::{Pool, api, keys};

const DELTAS: u64 = 40;
const TOKENS_EACH: u64 = 100;

fn ask(max_tokens: u64) -> String {
    json!({"model": MODEL, "max_tokens": max_tokens, "stream": true,
        "messages": [{"role": "user", "content": "Hello"}]})
    .to_string()
}

/// 4 000 tokens of text, whatever was asked for; `input` is what the upstream says of the prompt.
fn long(input: u64) -> Scenario {
    let event = |data: Value| {
        format!(
            "event: {}\ndata: {data}\n\n",
            data["type"].as_str().unwrap()
        )
    };
    let usage = json!({"input_tokens": input, "output_tokens": 1});
    let mut events = vec![
        event(
            json!({"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant",
            "model": MODEL, "content": [], "usage": usage}}),
        ),
        event(
            json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        ),
    ];
    let text = "word".repeat(TOKENS_EACH as usize);
    for _ in 0..DELTAS {
        events.push(event(json!({"type": "content_block_delta", "index": 0,
            "delta": {"type": "text_delta", "text": text}})));
    }
    let output = DELTAS * TOKENS_EACH;
    events.push(event(json!({"type": "content_block_stop", "index": 0})));
    events.push(event(
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"},
        "usage": {"output_tokens": output}}),
    ));
    events.push(event(json!({"type": "message_stop"})));
    Scenario {
        event_delay_ms: 5,
        ..Scenario::raw_events(events)
    }
}

#[tokio::test]
async fn more_than_was_reserved_is_taken_while_there_is_room() {
    let pool = Pool::serving(&format!(
        "accounts:\n{}{PRICES}{}",
        api("a", ""),
        keys(&[
            (
                "roomy",
                ", limits: { usd_per_month: 10, tokens_per_month: 100000 }"
            ),
            ("tight", ", limits: { usd_per_month: 0.05 }"),
            ("few", ", limits: { tokens_per_month: 1000 }"),
            ("prompt", ", limits: { tokens_per_month: 1000 }"),
        ])
    ));
    pool.script([long(5_000)]);
    let answer = pool.ask("roomy", ask(100)).await;
    assert_eq!(
        answer.events().last().map(String::as_str),
        Some("message_stop")
    );
    assert_eq!(
        micro(&rest(&pool, "roomy", "usd_per_month")["used"]),
        5_000 * 10 + 4_000 * 50
    );
    assert_eq!(rest(&pool, "roomy", "tokens_per_month")["used"], 9_000);

    for (key, limit, input, kind, why) in [
        (
            "tight",
            "usd_per_month",
            30,
            "billing_error",
            "usd_per_month",
        ),
        (
            "few",
            "tokens_per_month",
            30,
            "rate_limit_error",
            "tokens_per_month",
        ),
        (
            "prompt",
            "tokens_per_month",
            5_000,
            "rate_limit_error",
            "tokens_per_month",
        ),
    ] {
        pool.script([long(input)]);
        let before = pool.entries().len();
        let answer = pool.ask(key, ask(100)).await;
        let text = answer.text();
        assert!(answer.status == 200 && answer.whole, "{key}: {text}");
        assert_eq!(
            answer.events().last().map(String::as_str),
            Some("error"),
            "{key}: {text}"
        );
        assert!(!text.contains("message_stop"), "{key}: {text}");
        let last = text
            .lines()
            .rev()
            .find_map(|line| line.strip_prefix("data: "));
        let said: Value = serde_json::from_str(last.expect("an event")).expect("JSON");
        assert_eq!(said["error"]["type"], kind, "{key}: {said}");
        assert!(
            said["error"]["message"].as_str().unwrap().contains(why),
            "{said}"
        );
        let journal = pool.mock.journal();
        let ended = journal.wait_for(|all| {
            all.iter()
                .filter(|entry| entry.path() == "/v1/messages")
                .nth(before)
                .is_some_and(|e| e.is_over())
        });
        ended.await.expect("an end of the upstream's side");
        assert!(
            pool.entries()[before].aborted_at_ms.is_some(),
            "{key}: the upstream went on"
        );
        let id = answer.header("request-id").expect("an id");
        truth_is_charged(&pool, key, limit, input, id);
        let next = pool.ask(key, ask(1)).await;
        assert_eq!(
            (next.status, next.error_type()),
            (429, kind.to_owned()),
            "{key}: {}",
            next.text()
        );
    }
}

/// What was read of the stream, though it is more than the limit.
fn truth_is_charged(pool: &Pool, key: &str, limit: &str, input: u64, id: &str) {
    let used = &rest(pool, key, limit)["used"];
    let row = pool
        .operate("request.show", json!({"id": id}))
        .expect("a row");
    assert_eq!(row["outcome"], "truncated", "{row}");
    let output = row["usage"]["output"].as_u64().expect("output");
    assert_eq!(
        (&row["usage"]["input"], &row["estimated"]),
        (&json!(input), &json!(true)),
        "{row}"
    );
    assert!(output < DELTAS * TOKENS_EACH, "{row}");
    let (tokens, cost) = (input + output, input * 10 + output * 50);
    assert_eq!(row["cost_micro_usd"], cost, "{row}");
    match limit {
        "usd_per_month" => {
            assert_eq!(micro(used), cost);
            // No further than one delta.
            assert!(
                (50_001..=50_000 + TOKENS_EACH * 50).contains(&cost),
                "{cost}"
            );
        }
        _ => {
            assert_eq!(used.as_u64(), Some(tokens));
            assert!(tokens > 1_000 && output <= 1_000 + TOKENS_EACH, "{tokens}");
        }
    }
}
