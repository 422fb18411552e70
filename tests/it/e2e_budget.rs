//! Budgets in money and tokens, by what the upstream's journal says that it gave.
//!
//! Index. `crowd`: 200 streams at once on one dollar. `overrun`: upstreams that use more than was reserved. `told`: what
//! callers hear of their spend. `rows`: who is charged what.

mod crowd;
mod overrun;
mod rows;
mod told;

use serde_json::{Value, json};

use crate::gateway::Pool;
use crate::process;

/// Micro-dollars per million tokens, different in every class, so that no class is taken for another.
pub const PRICES: &str = "models: { prices: { \"claude-*\": { input: 10, output: 50, cache_read: 1, cache_write_5m: 12.5, cache_write_1h: 20 } } }\n";
pub const MODEL: &str = "claude-sonnet-5";

/// Numbers that look random and are the same in every run (xorshift).
#[derive(Debug)]
pub struct Dice(pub u64);

impl Dice {
    /// From `low` to `high`, both included.
    pub fn roll(&mut self, low: u64, high: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        low + self.0 % (high - low + 1)
    }
}

/// A request whose answer is scripted; with a mark for the prompt cache.
pub fn asking(model: &str, max_tokens: u64, stream: bool, scenario: &Value) -> String {
    let block = json!({"type": "text", "text": format!("[[mock:{scenario}]]"), "cache_control": {"type": "ephemeral"}});
    json!({"model": model, "max_tokens": max_tokens, "stream": stream,
        "messages": [{"role": "user", "content": [block]}]})
    .to_string()
}

/// The scenario that a request of [`asking`] brought.
pub fn scenario_of(body: &Value) -> Value {
    let text = body.pointer("/messages/0/content/0/text");
    let tag = text
        .and_then(Value::as_str)
        .and_then(|text| text.strip_prefix("[[mock:")?.strip_suffix("]]"));
    serde_json::from_str(tag.expect("a tag")).expect("a scenario")
}

/// What a usage object costs at [`PRICES`], in micro-dollars, rounded up.
pub fn cost(usage: &Value, output: u64) -> u64 {
    let of = |pointer: &str| usage.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    let hour = of("/cache_creation/ephemeral_1h_input_tokens");
    let five = of("/cache_creation_input_tokens") - hour;
    // Ten times a micro-dollar.
    let tenths = of("/input_tokens") * 100
        + output * 500
        + of("/cache_read_input_tokens") * 10
        + five * 125
        + hour * 200;
    tenths.div_ceil(10)
}

/// Tokens as limits count them: cache reads are none.
pub fn tokens(usage: &Value, output: u64) -> u64 {
    let of = |name: &str| usage[name].as_u64().unwrap_or(0);
    of("input_tokens") + of("cache_creation_input_tokens") + output
}

/// How one limit of a key stands, once nothing of it is held any more.
pub fn rest(pool: &Pool, key: &str, name: &str) -> Value {
    let mut found = Value::Null;
    let is_at_rest = process::until(std::time::Duration::from_secs(20), || {
        let told = pool.operate("key.limits", json!({"name": key}));
        let told = told.expect("limits");
        let lines = told["limits"].as_array().expect("a list");
        found = lines
            .iter()
            .find(|line| line["name"] == name)
            .cloned()
            .unwrap_or_default();
        found["reserved"] == json!(0) && found["open"] == 0
    });
    assert!(is_at_rest, "{key} {name}: {found}\n{}", pool.log());
    found
}

/// Micro-dollars of a value in dollars.
pub fn micro(value: &Value) -> u64 {
    let dollars = value.as_f64().unwrap_or_else(|| panic!("dollars: {value}"));
    (dollars * 1e6).round() as u64
}

/// The rows of the request log, oldest first, once there are so many.
pub fn logged(pool: &Pool, count: usize) -> Vec<Value> {
    let mut rows = Vec::new();
    let is_there = process::until(std::time::Duration::from_secs(20), || {
        let told = pool.operate("request.tail", json!({"limit": 1000}));
        let told = told.expect("rows");
        rows = told["requests"].as_array().expect("a list").clone();
        rows.len() >= count
    });
    assert!(is_there, "{} of {count} rows\n{}", rows.len(), pool.log());
    rows
}
