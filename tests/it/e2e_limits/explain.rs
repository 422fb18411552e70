//! `troupe key limits`: what holds for a key, from where, and what a request would meet; running and stopped.

use serde_json::json;

use super::{MODEL, PRICES, asking, using};
use crate::process::until;
use crate::serve::{Ask, ENDS_WITHIN, KEY, Place};

fn place() -> Place {
    let rules = "{ requests_per_month: 5, tokens_per_month: { limit: 20000, cap: soft }, usd_per_month: { limit: 1.5, on_limit: downgrade, model: claude-haiku-4-5, grant: { extra: 0.5, until: \"2090-01-01\" } }, concurrent: 4, models: { \"claude-opus-*\": { requests_per_month: { limit: 1, on_limit: queue } } } }";
    Place::with(&format!(
        "keys: [{{ name: ci, secret: {KEY}, group: team, limits: {rules} }}, {{ name: free, secret: {KEY}-free }}]
{PRICES}limits: {{ gateway: {{ requests_per_month: {{ limit: 1000, on_limit: shadow }} }}, groups: {{ team: {{ limits: {{ usd_per_month: 20 }}, multiplier: 1.5 }} }} }}
"
    ))
}

/// A table without the prefix of its key and the date of its reset, one space between columns.
fn told(place: &Place, arguments: &str) -> String {
    let done = place.run(arguments);
    assert_eq!(done.code, 0, "{done:?}");
    let shown = place.run("key show ci --json").json();
    let prefix = shown["prefix"].as_str().expect("a prefix").to_owned();
    let reset = place.run("key limits ci --json").json();
    let reset = reset["limits"][0]["resets_at"].as_str().expect("a reset")[..10].to_owned();
    let lines = done.stdout.lines().map(|line| {
        let line = line.replace(&prefix, "PREFIX");
        let words = line
            .split_whitespace()
            .map(|word| match word.starts_with(&reset) {
                true => "RESET",
                false => word,
            });
        words.collect::<Vec<_>>().join(" ")
    });
    lines.collect::<Vec<_>>().join("\n")
}

const SHORT: &str = "LIMIT OF USED REMAINING RESETS
requests_per_month 1000 1 999 RESET
usd_per_month 20 0.0003 19.9997 RESET
concurrent 4 0 4 -
requests_per_month 5 1 4 RESET
tokens_per_month 20000 150 19850 RESET
usd_per_month 2 0.0003 1.9997 RESET
claude-opus-*:requests_per_month 1 0 1 RESET";

const EXPLAINED: &str = "LIMIT MODELS SCOPE FROM OF USED RESERVED REMAINING OPEN WAITING WHEN REACHED RESETS
requests_per_month - this gateway gateway 1000 1 0 999 0 0 shadow RESET
usd_per_month - group team group 20 0.0003 0 19.9997 0 0 reject RESET
concurrent - key PREFIX key 4 0 0 4 0 0 reject -
requests_per_month - key PREFIX key 5 1 0 4 0 0 reject RESET
tokens_per_month - key PREFIX key 20000 150 0 19850 0 0 reject, soft RESET
usd_per_month - key PREFIX key 2 (0.5 more until UNTIL) 0.0003 0 1.9997 0 0 downgrade to claude-haiku-4-5 RESET
requests_per_month claude-opus-* key PREFIX key 1 0 0 1 0 0 queue RESET";

#[test]
fn limits_are_told_by_a_running_gateway_and_by_a_stopped_one() {
    let place = place();
    let mut gateway = place.serve();
    let ask = || {
        let body = asking(MODEL, 60, &using(100, 50));
        let ask = Ask::new("POST", "/v1/messages", body).with("content-type", "application/json");
        ask.key(KEY).send(place.address)
    };
    assert_eq!(ask().status, 200);
    let used = || place.run("key limits ci --json").json()["limits"][1]["used"] == json!(0.0003);
    assert!(
        until(ENDS_WITHIN, used),
        "{}",
        place.run("key limits ci --json").stdout
    );

    let json = place.run("key limits ci --explain --json").json();
    assert_eq!(
        (&json["live"], &json["enabled"]),
        (&json!(true), &json!(true))
    );
    let spend = &json["limits"][5];
    for (member, value) in [
        ("name", json!("usd_per_month")),
        ("source", json!("key")),
        ("limit", json!(2)),
        ("granted", json!(0.5)),
        ("granted_until", json!("2090-01-01T00:00:00Z")),
        ("used", json!(0.0003)),
        ("reserved", json!(0)),
        ("remaining", json!(1.9997)),
        ("open", json!(0)),
        ("on_limit", json!("downgrade")),
        ("model", json!("claude-haiku-4-5")),
        ("cap", json!("strict")),
    ] {
        assert_eq!(spend[member], value, "{member} in {spend}");
    }
    let tables = |place: &Place| {
        assert_eq!(told(place, "key limits ci"), SHORT);
        let explained = told(place, "key limits ci --explain");
        let until = explained
            .split("more until ")
            .nth(1)
            .and_then(|rest| rest.split(')').next());
        let until = until.expect("a date").to_owned();
        assert!(until.starts_with("2090-01-01"), "{until}");
        assert_eq!(explained.replace(&until, "UNTIL"), EXPLAINED);
        let none = place.run("key limits free");
        assert_eq!(none.code, 0, "{none:?}");
    };
    tables(&place);
    for (arguments, result) in [
        ("--model claude-haiku-4-5", "admitted"),
        ("--model claude-opus-5 --max-tokens 4000", "admitted"),
        ("--model claude-haiku-4-5 --max-tokens 900000", "downgraded"),
        (
            "--model claude-haiku-4-5 --max-tokens 12000000",
            "downgraded",
        ),
    ] {
        let json = place
            .run(&format!("key limits ci {arguments} --json"))
            .json();
        assert_eq!(json["request"]["result"], result, "{json}");
        let table = place.run(&format!("key limits ci --explain {arguments}"));
        assert!(
            table.stdout.contains(&format!("would be      {result}"))
                || table.stdout.contains(result),
            "{table:?}"
        );
    }
    let unknown = place.run("key limits nobody");
    assert_eq!(unknown.code, 1, "{unknown:?}");

    gateway.signal("TERM");
    assert_eq!(gateway.ended(ENDS_WITHIN), 0, "{}", gateway.log());
    let stopped = place.run("key limits ci --json").json();
    assert_eq!(stopped["live"], json!(false), "{stopped}");
    tables(&place);
    let json = place
        .run("key limits ci --model claude-opus-5 --json")
        .json();
    assert_eq!(json["request"]["result"], "admitted", "{json}");
    assert!(json["request"]["most_usd"].is_number(), "{json}");
}
