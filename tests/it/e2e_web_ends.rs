//! How answers of web sessions end other than by themselves: clients that leave or do not read, gateways that stop.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use troupe_mock::{Scenario, StreamState};

use crate::gateway::{Client, Pool, Said, WEB, ask, ask_tools, request, scripted, secret, web};
use crate::process;

/// The contract says 100 ms; a loaded machine may take longer to tell.
const CANCELLED_WITHIN: Duration = Duration::from_secs(1);

fn pool(more: &str) -> Pool {
    let account = web("one", "plain", ", concurrent: 1");
    Pool::serving(&["accounts:\n", &account, WEB, more].concat())
}

async fn begin(pool: &Pool, asked: &Value) -> Client {
    let secret = secret("any");
    let headers = [
        ("x-api-key", &*secret),
        ("content-type", "application/json"),
    ];
    let mut client = Client::connect(pool.address).await;
    let body = asked.to_string();
    client
        .send(&request("POST", "/v1/messages", &headers, body.as_bytes()))
        .await;
    client
}

/// Waits until the scripted answer is under way.
fn taken(pool: &Pool) {
    let taken = || pool.mock.scripted() == 0;
    assert!(
        process::until(Duration::from_secs(30), taken),
        "{}",
        pool.log()
    );
}

/// A client that leaves takes its stream and its conversation with it, at any time, and the account's place is free.
#[tokio::test]
async fn a_client_that_leaves_ends_its_conversation() {
    let pool = pool("");
    for (scenario, stream, seen) in [
        ("web_endless", true, "content_block_delta"),
        ("web_stall", true, "content_block_start"),
        ("web_endless", false, ""),
        ("web_stall", false, ""),
        ("stall_before_head", true, ""),
        ("stall_before_head", false, ""),
    ] {
        pool.mock.journal().clear();
        pool.script([scripted(scenario, |_| {})]);
        let mut client = begin(&pool, &ask(scenario, stream)).await;
        if seen.is_empty() {
            taken(&pool);
        } else {
            let mut answer = client.head().await;
            assert!(client.until(&mut answer, seen).await);
        }
        let left = Instant::now();
        drop(client);
        let over =
            |entry: &troupe_mock::Entry| entry.path().ends_with("/completion") && entry.is_over();
        let entry = pool.mock.journal().wait_for_entry(over).await.unwrap();
        let after = entry.aborted_at.expect("it was left").duration_since(left);
        assert!(
            after < CANCELLED_WITHIN,
            "{scenario} {stream}: after {after:?}"
        );
        pool.until_clean().await;
        // Its only place is free again.
        assert_eq!(
            pool.said("any", &ask("web_text", true)).await.types(),
            ["text"],
            "{scenario}"
        );
    }
}

/// The same before the conversation is even made, and while a call's silence is waited for.
#[tokio::test]
async fn a_client_that_leaves_early_leaves_nothing() {
    let pool = pool("");
    for endpoint in ["organizations", "create"] {
        let at = serde_json::from_value(endpoint.into()).expect("an endpoint");
        pool.script([scripted("stall_before_head", |web| web.at = Some(at))]);
        let client = begin(&pool, &ask("web_text", true)).await;
        taken(&pool);
        drop(client);
        let over = |entries: &[troupe_mock::Entry]| entries.iter().all(troupe_mock::Entry::is_over);
        pool.mock.journal().wait_for(over).await.unwrap();
        pool.until_clean().await;
    }
    let mut client = begin(&pool, &ask_tools("web_one_tool", true)).await;
    let mut answer = client.head().await;
    assert!(client.until(&mut answer, "input_json_delta").await);
    drop(client);
    // In time or not: what was paused waits, what was not is gone.
    let left = |state: &troupe_mock::WebSnapshot| {
        state.running == state.alive && state.alive == state.paused
    };
    pool.until_web("left", left).await;
    assert_eq!(
        pool.said("any", &ask("web_text", true)).await.types(),
        ["text"]
    );
}

async fn memory_kib(pool: &Pool) -> u64 {
    let metrics = pool.raw(&request("GET", "/metrics", &[], b"")).await.text();
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix("process_resident_memory_bytes "));
    line.and_then(|value| value.parse::<f64>().ok())
        .expect("the memory of the process") as u64
        / 1024
}

/// A client that does not read holds up its upstream, not the gateway's memory; then it gets everything.
#[tokio::test]
async fn a_slow_reader_costs_no_memory() {
    let pool = pool("streaming: { keepalive: 300ms }\n");
    pool.said("any", &ask("web_text", true)).await;
    pool.script([Scenario {
        text_bytes: Some(20 << 20),
        count: Some(1_000),
        ..scripted("web_text", |_| {})
    }]);
    let before = memory_kib(&pool).await;
    let mut client = begin(&pool, &ask("web_text", true)).await;
    let mut answer = client.head().await;
    assert!(client.until(&mut answer, "message_start").await);
    let sent = |pool: &Pool| {
        let mut sent = 0;
        pool.mock.journal().each(|entry| {
            if entry.path().ends_with("/completion") {
                sent = entry.events_sent;
            }
        });
        sent
    };
    let mut last = (0, Instant::now());
    // The upstream is held up when nothing more was written to it for a while.
    while last.1.elapsed() < Duration::from_millis(800) {
        let now = sent(&pool);
        if now != last.0 {
            last = (now, Instant::now());
        }
        memory_kib(&pool).await;
    }
    assert!(
        last.0 < 900,
        "the upstream was read to its end: {} events",
        last.0
    );
    let grown = memory_kib(&pool).await.saturating_sub(before);
    assert!(grown < 8 * 1024, "{grown} KiB for one slow reader");
    client.rest(&mut answer).await;
    assert!(answer.body.len() > 20 << 20);
    assert_eq!(answer.events().last().unwrap(), "message_stop");
    pool.until_clean().await;
}

/// The account is free when the surface's stream has ended, whether or not the client has read everything.
#[tokio::test]
async fn a_slow_reader_does_not_hold_the_account() {
    let pool = pool("limits: { concurrency_queue: 30s }\n");
    pool.script([Scenario {
        text_bytes: Some(200 << 10),
        ..scripted("web_text", |_| {})
    }]);
    let mut client = begin(&pool, &ask("web_text", true)).await;
    assert_eq!(
        pool.said("any", &ask("web_text", true)).await.types(),
        ["text"]
    );
    let answer = client.answer().await;
    assert_eq!(Said::of(&answer).text().len(), 200 << 10);
    pool.until_clean().await;
}

/// A gateway that stops finishes its streams, and deletes the chats that waited for their tools.
#[tokio::test]
async fn a_stop_leaves_no_chats() {
    let mut pool = pool("");
    pool.said("any", &ask_tools("web_one_tool", true)).await;
    pool.script([Scenario {
        event_delay_ms: 50,
        ..scripted("web_text", |_| {})
    }]);
    let mut client = begin(&pool, &ask("web_text", true)).await;
    let mut answer = client.head().await;
    assert!(client.until(&mut answer, "content_block_start").await);
    pool.stop();
    client.rest(&mut answer).await;
    assert_eq!(Said::of(&answer).types(), ["text"]);
    let state = pool.mock.web().snapshot();
    assert_eq!((state.alive, state.running), (0, 0), "{state:#?}");
    let fates: Vec<_> = state
        .conversations
        .iter()
        .map(|found| found.stream)
        .collect();
    assert_eq!(fates[1], StreamState::Ended);
}

/// A stream that the drain cuts is told so, and its conversation deleted.
#[tokio::test]
async fn a_drain_that_cuts_tells_it() {
    let account = web("one", "plain", "");
    let server =
        "server: { bind: \"BIND\", threads: 1, drain: { delay: 0s, idle: 300ms, max: 2s } }\n";
    let mut pool = Pool::serving(&["accounts:\n", &account, WEB, server].concat());
    pool.script([scripted("web_stall", |_| {})]);
    let mut client = begin(&pool, &ask("web_stall", true)).await;
    let mut answer = client.head().await;
    assert!(client.until(&mut answer, "content_block_start").await);
    pool.stop();
    client.rest(&mut answer).await;
    assert_eq!(
        answer.events().last().unwrap(),
        "error",
        "{}",
        answer.text()
    );
    let state = pool.mock.web().snapshot();
    assert_eq!((state.alive, state.running), (0, 0), "{state:#?}");
}

/// An account that leaves the configuration finishes what runs; what waited there is replayed by another.
#[tokio::test]
async fn an_account_that_leaves_lets_go() {
    let (one, two) = (
        web("one", "plain", ", priority: 1"),
        web("two", "plain", ", priority: 2"),
    );
    let more = [WEB, "routing: { strategy: priority }\n"].concat();
    let pool = Pool::serving(&["accounts:\n", &one, &two, &more].concat());
    let asked = ask_tools("web_one_tool", true);
    let call = pool.said("any", &asked).await;
    pool.script([Scenario {
        event_delay_ms: 100,
        ..scripted("web_text", |_| {})
    }]);
    let mut client = begin(&pool, &ask("web_text", true)).await;
    let mut answer = client.head().await;
    assert!(client.until(&mut answer, "content_block_start").await);
    assert_eq!(pool.completed_by(), ["one", "one"]);

    pool.configure(&["accounts:\n", &two, &more].concat());
    let gone = || {
        pool.operate("account.show", json!({"name": "one"}))
            .is_err()
    };
    assert!(
        process::until(Duration::from_secs(30), gone),
        "{}",
        pool.log()
    );
    client.rest(&mut answer).await;
    assert_eq!(Said::of(&answer).types(), ["text"]);
    let next = call.answered(&asked, &["x [[mock:web_text]]"]);
    assert!(pool.said("any", &next).await.text().contains("You said"));
    assert_eq!(pool.completed_by(), ["one", "one", "two"]);
    pool.until_clean().await;
}
