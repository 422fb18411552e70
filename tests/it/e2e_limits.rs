//! Limits on requests, tokens, money and slots, as clients and operators meet them.
//!
//! Index. `scopes`: whose limit it is, and that nothing is consumed by what is refused. `edge`: windows of a minute.
//! `slots`: requests at once. `waits`: reservations, and what happens at a limit. `downgrade`: another model. `faults`:
//! what is given back. `live`: changes, restarts, deaths. `fair`: who is next. `explain`: `troupe key limits`.
//! `strangers`: revoked and unknown keys.

mod downgrade;
mod edge;
mod explain;
mod fair;
mod faults;
mod live;
mod scopes;
mod slots;
mod strangers;
mod waits;

use std::time::Duration;

use serde_json::{Value, json};

use crate::gateway::{Answer, Client, Pool, request, secret};
use crate::process;

pub const PATIENCE: Duration = Duration::from_secs(20);
pub const MODEL: &str = "claude-haiku-4-5";
/// A micro-dollar for each token in whatever its class, two for each out.
pub const PRICES: &str = "models: { prices: { \"claude-*\": { input: 1, output: 2, cache_read: 1, cache_write_5m: 1, cache_write_1h: 1 } } }\n";

/// A request of which the upstream is told how to answer.
pub fn asking(model: &str, max_tokens: u64, scenario: &Value) -> String {
    let text = format!("[[mock:{scenario}]]");
    json!({"model": model, "max_tokens": max_tokens, "messages": [{"role": "user", "content": text}]})
        .to_string()
}

/// The same as a stream.
pub fn streaming(model: &str, max_tokens: u64, scenario: &Value) -> String {
    let mut body: Value = serde_json::from_str(&asking(model, max_tokens, scenario)).expect("JSON");
    body["stream"] = true.into();
    body.to_string()
}

/// A plain small request.
pub fn small() -> String {
    asking(MODEL, 60, &using(100, 50))
}

/// An answer that used so many tokens in and out.
pub fn using(input: u64, output: u64) -> Value {
    json!({"usage": {"input_tokens": input, "output_tokens": output}})
}

/// The same after so long.
pub fn slowly(ms: u64) -> Value {
    let mut scenario = using(100, 50);
    scenario["first_byte_delay_ms"] = ms.into();
    scenario
}

/// How the limits of a key stand.
pub fn lines(pool: &Pool, key: &str) -> Vec<Value> {
    let told = pool.operate("key.limits", json!({"name": key}));
    let told = told.expect("limits");
    told["limits"].as_array().expect("a list").clone()
}

/// How one limit of a key stands; of several of that name the first.
pub fn line(pool: &Pool, key: &str, name: &str) -> Value {
    let mut all = lines(pool, key);
    let at = all.iter().position(|line| line["name"] == name);
    at.map_or(Value::Null, |at| all.swap_remove(at))
}

/// Waits until nothing of a limit is held, and so much of it is used.
pub fn settled(pool: &Pool, key: &str, name: &str, used: impl Into<Value>) {
    let (used, mut found) = (used.into(), Value::Null);
    let is_so = process::until(PATIENCE, || {
        found = line(pool, key, name);
        found["used"] == used && found["reserved"] == 0 && found["open"] == 0
    });
    assert!(
        is_so,
        "{key}: {name} is never {used}: {found}\n{}",
        pool.log()
    );
}

/// Waits until so many requests are in the queue of the scope of that limit.
pub fn queued(pool: &Pool, key: &str, name: &str, waiting: usize) {
    let is_so = || line(pool, key, name)["waiting"] == waiting;
    assert!(process::until(PATIENCE, is_so), "{}", line(pool, key, name));
}

/// The bytes of a message of this key.
pub fn message_of(key: &str, body: &str) -> Vec<u8> {
    let secret = secret(key);
    let headers = [
        ("x-api-key", &*secret),
        ("content-type", "application/json"),
    ];
    request("POST", "/v1/messages", &headers, body.as_bytes())
}

/// A connection on which a message of this key was sent.
pub async fn sent(pool: &Pool, key: &str, body: &str) -> Client {
    let mut client = Client::connect(pool.address).await;
    client.send(&message_of(key, body)).await;
    client
}

/// One that was sent and has reached the upstream.
pub async fn running(pool: &Pool, key: &str, body: &str) -> Client {
    let before = pool.entries().len();
    let client = sent(pool, key, body).await;
    let is_there = |entry: &troupe_mock::Entry| entry.path() == "/v1/messages";
    let journal = pool.mock.journal();
    let arrived =
        journal.wait_for(|all| all.iter().filter(|entry| is_there(entry)).count() > before);
    arrived.await.expect("a request at the upstream");
    client
}

/// A throttle as the contract has it.
pub fn assert_throttled(answer: &Answer, said: &str) {
    let (text, body) = (answer.text(), answer.json());
    assert_eq!(
        (answer.status, &*answer.error_type()),
        (429, "rate_limit_error"),
        "{text}"
    );
    assert!(text.contains(said), "no {said:?} in {text}");
    assert!(!text.to_lowercase().contains("api-key"), "{text}");
    let after: u64 = answer
        .header("retry-after")
        .expect("retry-after")
        .parse()
        .expect("seconds");
    assert!(after > 0 && body["retry_after"] == after, "{after}: {text}");
    let is_final = answer.header("x-should-retry") == Some("false");
    assert_eq!(is_final, after > 60, "{after}");
    assert_eq!(body["type"], "error", "{text}");
    assert_eq!(
        body["request_id"].as_str(),
        answer.header("request-id"),
        "{text}"
    );
}

/// Milliseconds since the Unix epoch.
pub fn now_ms() -> u64 {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("a date");
    u64::try_from(now.as_millis()).expect("a time")
}

/// Waits for that moment.
pub async fn until_ms(unix_ms: u64) {
    let left = unix_ms.saturating_sub(now_ms());
    tokio::time::sleep(Duration::from_millis(left)).await;
}
