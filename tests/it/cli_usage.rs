//! `troupe usage` on a running gateway and on a stopped one: exactly what the upstream was asked for.

use std::time::Duration;

use serde_json::{Value, json};

use crate::process::{Process, until};
use crate::serve::{Ask, ENDS_WITHIN, KEY, Place};

const OTHER: &str = "another-declared-key-0123456789";
/// A micro-dollar for each token in, two for each out.
const PRICES: &str = "models: { prices: { \"claude-*\": { input: 1, output: 2, cache_read: 0, cache_write_5m: 0 } } }\n";

fn ci() -> String {
    format!(
        "{{ name: ci, secret: {KEY}, owner: ann@example.org, group: web, models: [\"claude-*\"] }}"
    )
}

fn place() -> Place {
    let keys = format!(
        "keys: [{}, {{ name: night, secret: {OTHER}, owner: \"=bob\" }}]\n",
        ci()
    );
    Place::with(&(keys + PRICES))
}

fn ask(key: &str, model: &str, scenario: &Value, stream: bool) -> Ask {
    let body = json!({
        "model": model, "max_tokens": 64, "stream": stream,
        "messages": [{"role": "user", "content": format!("[[mock:{scenario}]]")}],
    });
    Ask::new("POST", "/v1/messages", body.to_string())
        .with("content-type", "application/json")
        .with("anthropic-version", "2023-06-01")
        .key(key)
}

fn using(input: u64, output: u64) -> Value {
    json!({"usage": {"input_tokens": input, "output_tokens": output}})
}

/// What two people do in a day: whole answers, an error, a cut stream, a refusal, and what costs nothing.
fn work(place: &Place) {
    let status = |ask: Ask| {
        let mut reply = ask.send(place.address);
        let _ = reply.rest();
        reply.status
    };
    assert_eq!(
        status(ask(KEY, "claude-haiku-4-5", &using(100, 10), false)),
        200
    );
    // A model is known from its first answer on: errors that come before it are of `other`.
    settled(place, 1);
    assert_eq!(
        status(ask(KEY, "claude-sonnet-4-5", &using(1_000, 20), true)),
        200
    );
    assert_eq!(
        status(ask(OTHER, "claude-haiku-4-5", &using(5, 1), false)),
        200
    );
    let error = json!({"status": 400});
    assert_eq!(status(ask(OTHER, "claude-haiku-4-5", &error, false)), 400);
    let invented = ask(OTHER, "claude-of-my-dreams", &json!({"status": 404}), false);
    assert_eq!(status(invented), 404);
    let mut cut = using(7, 30);
    cut["truncate_after_events"] = 4.into();
    assert_eq!(status(ask(KEY, "claude-haiku-4-5", &cut, true)), 200);
    assert_eq!(
        status(ask(KEY, "gpt", &using(1, 1), false)),
        400,
        "not allowed"
    );
    assert_eq!(
        status(ask("no-such-key-0123456789abc", "claude", &error, false)),
        401
    );
    assert_eq!(place.models(KEY), 200);
}

fn usage(place: &Place, more: &str) -> Value {
    place.run(&format!("usage --json {more}")).json()
}

/// A number of the row of this name.
fn of(report: &Value, name: Option<&str>, field: &str) -> u64 {
    let rows = report["rows"].as_array().expect("rows");
    let row = rows.iter().find(|row| row["name"].as_str() == name);
    let row = row.unwrap_or_else(|| panic!("{name:?} in {report}"));
    row.pointer(&format!("/{field}")).unwrap().as_u64().unwrap()
}

fn stop(mut gateway: Process) {
    gateway.signal("TERM");
    assert_eq!(gateway.ended(ENDS_WITHIN), 0, "{}", gateway.log());
}

/// Until what has ended on the workers is told to the recorder.
fn settled(place: &Place, requests: u64) {
    let seen = until(Duration::from_secs(20), || {
        usage(place, "")["total"]["requests"] == requests
    });
    assert!(seen, "{}", usage(place, ""));
}

/// Requests, tokens in and, of whole answers, tokens out, as the upstream's journal has them.
fn journal(place: &Place) -> (u64, u64, u64) {
    let (mut requests, mut input, mut output) = (0, 0, 0);
    place.upstream.journal().each(|entry| {
        if entry.path() != "/v1/messages" {
            return;
        }
        requests += 1;
        let body = entry.json();
        let text = body.pointer("/messages/0/content").and_then(Value::as_str);
        let tag = text.and_then(|text| text.strip_prefix("[[mock:")?.strip_suffix("]]"));
        let scenario: Value = serde_json::from_str(tag.expect("a tag")).expect("a scenario");
        input += scenario["usage"]["input_tokens"].as_u64().unwrap_or(0);
        if scenario["truncate_after_events"].is_null() {
            output += scenario["usage"]["output_tokens"].as_u64().unwrap_or(0);
        }
    });
    (requests, input, output)
}

/// The same sums of the request log's rows: output of a cut answer is an estimate, and both must have the same.
fn logged(place: &Place) -> (u64, u64) {
    let rows = place.run("request tail -n 1000 --json").json();
    let rows = rows.as_array().expect("rows").clone();
    let sum = |pointer: &str| {
        let found = rows.iter().filter_map(|row| row.pointer(pointer)?.as_u64());
        found.sum()
    };
    (sum("/usage/output"), sum("/cost_micro_usd"))
}

#[test]
fn a_report_is_exactly_what_was_used() {
    let place = place();
    let gateway = place.serve();
    work(&place);
    settled(&place, 6);
    let check = |place: &Place| {
        let total = &usage(place, "")["total"];
        let (requests, input, whole_output) = journal(place);
        assert_eq!((requests, input, whole_output), (6, 1_112, 31));
        let (output, cost) = logged(place);
        assert!(output > whole_output, "the cut answer's: {output}");
        assert_eq!(cost, input + 2 * output);
        for (field, sum) in [
            ("requests", requests),
            ("errors", 3),
            ("refused", 1),
            ("cost_micro_usd", cost),
        ] {
            assert_eq!(total[field], sum, "{field} in {total}");
        }
        assert_eq!(total["tokens"]["input"], input);
        assert_eq!(total["tokens"]["output"], output);
        by_each(place, cost);
    };
    check(&place);
    stop(gateway);
    check(&place);
    let again = place.serve();
    check(&place);
    // It goes on where it was.
    place.message(KEY, "default");
    settled(&place, 7);
    stop(again);
}

fn by_each(place: &Place, cost: u64) {
    let of_other = 5 + 2;
    type Rows<'a> = &'a [(Option<&'a str>, u64, u64)];
    let table: [(&str, Rows<'_>); 6] = [
        (
            "key",
            &[
                (Some("ci"), 3, cost - of_other),
                (Some("night"), 3, of_other),
            ],
        ),
        (
            "owner",
            &[
                (Some("ann@example.org"), 3, cost - of_other),
                (Some("=bob"), 3, of_other),
            ],
        ),
        (
            "group",
            &[(Some("web"), 3, cost - of_other), (None, 3, of_other)],
        ),
        // The refused one had no account.
        ("account", &[(Some("scripted"), 6, cost), (None, 0, 0)]),
        (
            "model",
            &[
                (Some("claude-sonnet-4-5"), 1, 1_040),
                (Some("claude-haiku-4-5"), 4, cost - 1_040),
                (Some("other"), 1, 0),
            ],
        ),
        ("day", &[]),
    ];
    for (by, rows) in table {
        let report = usage(place, &format!("--by {by}"));
        for (name, requests, cost) in rows {
            let found = ["requests", "cost_micro_usd"].map(|field| of(&report, *name, field));
            assert_eq!(found, [*requests, *cost], "{by} {name:?} in {report}");
        }
        let costs = report["rows"].as_array().unwrap().iter();
        let costs: Vec<_> = costs.map(|row| row["cost_micro_usd"].as_u64()).collect();
        assert!(by == "day" || costs.is_sorted_by(|a, b| a >= b), "{report}");
    }
    // The same, over time and by what was answered.
    for (by, row) in [("hour", None), ("minute", None), ("status", Some("200"))] {
        let report = usage(place, &format!("--by {by}"));
        for (field, sum) in [("requests", 6), ("refused", 1), ("cost_micro_usd", cost)] {
            assert_eq!(report["total"][field], sum, "{field} in {report}");
        }
        if row.is_some() {
            assert_eq!(of(&report, row, "requests"), 4, "{report}");
            assert_eq!(of(&report, Some("404"), "errors"), 1, "{report}");
        }
    }
    let of_key = usage(place, "--by minute --since 2h --key ci");
    assert_eq!(of_key["total"]["cost_micro_usd"], cost - of_other);
    let dearest = usage(place, "--by model --top 1 --sort tokens");
    assert_eq!(dearest["rows"][0]["name"], "claude-sonnet-4-5", "{dearest}");
    assert_eq!(
        (
            dearest["rows"].as_array().map(Vec::len),
            &dearest["left_out"]
        ),
        // The refused one was of no model.
        (Some(1), &json!(3)),
        "{dearest}"
    );
    let narrowed = usage(
        place,
        "--by model --owner =bob --since 1d --account scripted",
    );
    assert_eq!(narrowed["total"]["cost_micro_usd"], of_other);
    let error = place.run("usage --key nobody").error(1);
    assert!(error.contains("key list --revoked"), "{error}");
}

#[test]
fn it_is_told_to_people_and_to_spreadsheets() {
    let place = place();
    let nothing = place.run("usage");
    assert_eq!((nothing.code, &*nothing.stdout), (0, ""), "{nothing:?}");
    assert!(nothing.stderr.contains("nothing was used"), "{nothing:?}");
    let gateway = place.serve();
    work(&place);
    settled(&place, 6);
    let table = place.run("usage").ok();
    assert!(table.starts_with("KEY "), "{table}");
    assert!(
        table.lines().any(|line| line.starts_with("ci  ")),
        "{table}"
    );
    assert!(
        table.lines().last().unwrap().starts_with("total "),
        "{table}"
    );
    assert!(table.contains(" 0.000007 "), "{table}");
    let csv = place.run("usage --by owner --csv").ok();
    let formula = csv.lines().find(|line| line.starts_with("'=bob,"));
    let cells: Vec<_> = formula.expect("no formula").split(',').collect();
    assert_eq!(cells[2..5], ["3", "2", "0"], "{csv}");
    assert_eq!(cells[11], "0.000007", "{csv}");
    for (line, said) in [
        ("usage --by person", "possible values"),
        ("usage --since yesterday", "2026-11-24"),
        ("usage --since 1d --until 2d", "after"),
        ("usage --csv --json", "cannot be used with"),
        ("usage --by hour --key ci --model m", "only one of key"),
        ("usage --by status --key ci", "leave out key"),
        ("usage --by minute --since 60d", "too many points"),
    ] {
        let error = place.run(line).error(2);
        assert!(error.contains(said), "{line}: {error}");
    }
    stop(gateway);
    // A key that leaves the file is still told by its name.
    let only = format!("keys: [{}]\n", ci());
    place.configure(&(place.account("scripted", crate::serve::ACCOUNT) + &only + PRICES));
    let table = place.run("usage").ok();
    assert!(
        table.lines().any(|line| line.starts_with("night (")),
        "{table}"
    );
    assert_eq!(usage(&place, "--key night")["total"]["requests"], 3);
}

#[test]
fn kill_9_loses_nothing_that_was_written() {
    let place = place();
    let mut written = 0;
    for round in 0..3 {
        let mut gateway = place.serve();
        place.message(KEY, "default");
        written += 1;
        settled(&place, written);
        // Told, and perhaps not written.
        if round > 0 {
            place.message(KEY, "default");
        }
        gateway.signal("KILL");
        assert_eq!(gateway.ended(ENDS_WITHIN), 128 + 9);
        let found = usage(&place, "")["total"]["requests"].as_u64().unwrap();
        assert!(
            (written..=written + 1).contains(&found),
            "{found}, told {written}"
        );
        written = found;
    }
}
