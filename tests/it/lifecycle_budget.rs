//! `kill -9` with 100 streams half way: what is charged is what was used, and one small lease for each at most.
//! `TROUPE_SOAK_ROUNDS` rounds (2).

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::e2e_budget::{Dice, MODEL, PRICES, asking, cost, micro, rest, scenario_of};
use crate::gateway::{Client, Pool, api, keys, request, secret};

const STREAMS: usize = 100;
/// Output that is counted before anybody has seen it.
const AHEAD_TOKENS: u64 = 64;
const BEFORE_TEXT: u64 = 3;

fn rounds() -> usize {
    let rounds = std::env::var("TROUPE_SOAK_ROUNDS").ok();
    rounds.and_then(|text| text.parse().ok()).unwrap_or(2)
}

/// One that falls silent after some deltas, 40 characters each.
fn half_way(dice: &mut Dice) -> Value {
    let deltas = dice.roll(1, 60);
    json!({
        "text_bytes": 4_000, "count": 100, "stall_after_events": BEFORE_TEXT + deltas,
        "usage": {"input_tokens": dice.roll(1, 60), "cache_creation_input_tokens": dice.roll(0, 60), "output_tokens": 1_000},
    })
}

/// Opens a stream and reads all that comes of it.
async fn open(address: std::net::SocketAddr, body: String, deltas: usize) -> Client {
    let secret = secret("any");
    let headers = [
        ("x-api-key", &*secret),
        ("content-type", "application/json"),
    ];
    let mut client = Client::connect(address).await;
    client
        .send(&request("POST", "/v1/messages", &headers, body.as_bytes()))
        .await;
    let mut answer = client.head().await;
    assert_eq!(answer.status, 200);
    while answer
        .events()
        .iter()
        .filter(|name| *name == "content_block_delta")
        .count()
        < deltas
    {
        answer.body.extend(client.chunk().await.expect("a delta"));
    }
    client
}

#[tokio::test]
async fn kill_9_with_streams_half_way_charges_what_they_used() {
    let mut pool = Pool::serving(&format!(
        "accounts:\n{}{PRICES}limits: {{ gateway: {{ usd_per_week: 1000 }} }}\n{}",
        api("a", ""),
        keys(&[("any", ", limits: { usd_per_month: 1000, concurrent: 100 }")])
    ));
    let (mut dice, mut before) = (Dice(0xdead), 0);
    for round in 0..rounds() {
        let reached = pool.entries().len();
        let mut opening = JoinSet::new();
        for _ in 0..STREAMS {
            let scenario = half_way(&mut dice);
            let deltas = scenario["stall_after_events"].as_u64().unwrap() - BEFORE_TEXT;
            let body = asking(MODEL, 1_000, true, &scenario);
            opening.spawn(open(pool.address, body, deltas as usize));
        }
        let open = opening.join_all().await;
        pool.kill();
        drop(open);
        let (mut truth, mut leases) = (0, 0);
        for entry in pool.entries().split_off(reached) {
            let scenario = scenario_of(&entry.json());
            let deltas = scenario["stall_after_events"].as_u64().unwrap() - BEFORE_TEXT;
            truth += cost(&scenario["usage"], (deltas * 40).div_ceil(4));
            leases += AHEAD_TOKENS * 50 + entry.body.len() as u64 * 20;
        }
        pool.serve();
        for limit in ["usd_per_month", "usd_per_week"] {
            let charged = micro(&rest(&pool, "any", limit)["used"]) - before;
            assert!(
                (truth..=truth + leases).contains(&charged),
                "round {round}: {limit}: {charged}, used {truth}"
            );
        }
        assert_eq!(rest(&pool, "any", "concurrent")["open"], 0);
        // The budget is of use, and every slot.
        let usage = json!({"usage": {"input_tokens": 1, "output_tokens": 1}});
        let answers = pool
            .burst(STREAMS, "any", &asking(MODEL, 1, false, &usage))
            .await;
        assert!(
            answers.iter().all(|answer| answer.status == 200),
            "round {round}"
        );
        before = micro(&rest(&pool, "any", "usd_per_month")["used"]);
    }
}
