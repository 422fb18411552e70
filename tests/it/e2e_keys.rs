//! What a key may do besides limits: over rotations, from its first use on, from where, which models.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::process::until;
use crate::serve::{Ask, KEY, Place, Reply};

/// Far above what anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);
const SOON: Duration = Duration::from_secs(1);

fn shown(place: &Place, name: &str) -> Value {
    place.run(&format!("key show {name} --json")).json()
}

/// Milliseconds since the epoch of a time in a listing.
fn moment_ms(value: &Value) -> u128 {
    let text = value.as_str().unwrap_or_else(|| panic!("no time: {value}"));
    let at: jiff::Timestamp = text.parse().expect("a time");
    u128::try_from(at.as_millisecond()).expect("a time after 1970")
}

fn now_ms() -> u128 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.expect("a time after 1970").as_millis()
}

fn asking(model: &str) -> Ask {
    let body = json!({
        "model": model, "max_tokens": 8, "messages": [{"role": "user", "content": "Hello"}],
    });
    Ask::new("POST", "/v1/messages", body.to_string())
        .with("content-type", "application/json")
        .with("anthropic-version", "2023-06-01")
}

/// Refused for good, in the shape of the contract.
fn assert_refused(reply: Reply, status: u16, kind: &str, case: &str) {
    assert_eq!(reply.status, status, "{case}");
    assert_eq!(reply.header("x-should-retry"), Some("false"), "{case}");
    let body = reply.json();
    assert_eq!(body["error"]["type"], kind, "{case}: {body}");
}

#[test]
fn an_old_secret_works_until_its_time_is_over() {
    let place = Place::new();
    let gateway = place.serve();
    let first = place.key("ci");
    let rotated = place.run("key rotate ci --grace 4s").ok();
    let second = rotated.trim().lines().last().expect("a secret").to_owned();
    assert!(
        rotated.contains(&format!("({}) works until", &first[..15])),
        "{rotated}"
    );
    let previous = &shown(&place, "ci")["previous"];
    assert_eq!(previous["prefix"], first[..15]);
    let until_ms = moment_ms(&previous["until"]);
    // As long as the time has not come, also after a restart; and no longer.
    let both = (place.models(&first), place.models(&second));
    drop(gateway);
    let _gateway = place.serve();
    let both_again = (place.models(&first), place.models(&second));
    if now_ms() < until_ms {
        assert_eq!((both, both_again), ((200, 200), (200, 200)));
    }
    let ended = until(PATIENCE, || {
        let before_ms = now_ms();
        let status = place.models(&first);
        assert!(status == 200 || now_ms() >= until_ms, "refused too early");
        assert!(status == 401 || before_ms < until_ms, "accepted too long");
        status == 401
    });
    assert!(ended);
    assert_eq!(place.models(&second), 200);
    assert!(shown(&place, "ci")["previous"].is_null());
}

#[test]
fn a_rotation_ends_what_is_older_and_a_revocation_all() {
    let place = Place::new();
    let _gateway = place.serve();
    let first = place.key("ci");
    let rotate = |how: &str| {
        let secret = place.run(&format!("key rotate ci --quiet {how}")).ok();
        secret.trim().to_owned()
    };
    let statuses =
        |keys: &[&String]| -> Vec<u16> { keys.iter().map(|key| place.models(key)).collect() };
    let second = rotate("--grace 1h");
    let third = rotate("--grace 1h");
    assert_eq!(statuses(&[&first, &second, &third]), [401, 200, 200]);
    // Both are one key, with one count.
    for key in [&second, &third] {
        assert_eq!(place.message(key, "default").status, 200);
    }
    assert!(until(SOON, || shown(&place, "ci")["usage"]["requests"] == 2));
    let fourth = rotate("");
    assert_eq!(statuses(&[&second, &third, &fourth]), [401, 401, 200]);
    let fifth = rotate("--grace 1h");
    place.run("key revoke ci").ok();
    assert_eq!(statuses(&[&fourth, &fifth]), [401, 401]);
}

#[test]
fn a_first_use_begins_the_end_of_a_key_and_is_not_forgotten() {
    let place = Place::new();
    let gateway = place.serve();
    let key = place.key("trial --expires-after-first-use 1h");
    // What is not counted is no use.
    assert_eq!(place.models(&key), 200);
    let before = shown(&place, "trial");
    assert_eq!(before["expires_after_first_use"], "1h");
    assert!(before["expires"].is_null() && before["first_used_at"].is_null());
    let begun_ms = now_ms();
    assert_eq!(place.message(&key, "default").status, 200);
    let known = || shown(&place, "trial")["first_used_at"].is_string();
    assert!(until(PATIENCE, known));
    let after = shown(&place, "trial");
    let first_ms = moment_ms(&after["first_used_at"]);
    assert!((begun_ms..=now_ms()).contains(&first_ms), "{after}");
    assert_eq!(moment_ms(&after["expires"]), first_ms + 3_600_000);
    assert_eq!(place.message(&key, "default").status, 200);
    gateway.signal("KILL");
    drop(gateway);
    let _gateway = place.serve();
    let again = shown(&place, "trial");
    assert_eq!(
        (&again["first_used_at"], &again["expires"]),
        (&after["first_used_at"], &after["expires"])
    );
    assert_eq!(place.models(&key), 200);
    // Of another length, it still counts from the first use; that is over by now.
    place
        .run("key update trial --expires-after-first-use 1ms")
        .ok();
    let reply = place.message(&key, "default");
    assert_refused(reply, 401, "authentication_error", "after its end");
    assert_eq!(shown(&place, "trial")["state"], "expired");
}

#[test]
fn a_key_ends_by_itself_after_its_first_use() {
    let place = Place::new();
    let _gateway = place.serve();
    let key = place.key("trial --expires-after-first-use 2s");
    assert_eq!(place.message(&key, "default").status, 200);
    assert!(until(PATIENCE, || place.models(&key) == 401));
    let shown = shown(&place, "trial");
    assert_eq!(shown["state"], "expired");
    assert!(now_ms() >= moment_ms(&shown["expires"]), "{shown}");
}

/// Keys for certain addresses, behind proxies that are trusted.
fn with_addresses(place: &Place, trusted: &str) {
    let address = place.address;
    place.configure(&format!(
        "server: {{ bind: \"{address}\", drain: {{ delay: 0s }}, trusted_proxies: {trusted} }}
{}keys:
  - {{ name: here, secret: {KEY}-here, addresses: [192.0.2.0/24, 127.0.0.1] }}
  - {{ name: there, secret: {KEY}-there, addresses: [10.0.0.0/8, \"2001:db8::/32\"] }}
  - {{ name: all, secret: {KEY}-all, addresses: [] }}
",
        place.account("scripted", crate::serve::ACCOUNT)
    ));
}

#[test]
fn a_key_is_used_from_where_it_may_be() {
    let place = Place::bare();
    with_addresses(&place, "[]");
    let _gateway = place.serve();
    let ask = |key: &str, forwarded: Option<&str>| {
        let ask = Ask::message("default", false).key(&format!("{KEY}-{key}"));
        let ask = forwarded.map_or(ask.clone(), |value| ask.with("x-forwarded-for", value));
        ask.send(place.address)
    };
    let inside = Some("10.1.2.3");
    // Nobody is believed yet.
    for (key, forwarded, status) in [
        ("here", None, 200),
        ("here", inside, 200),
        ("there", None, 403),
        ("there", inside, 403),
        ("all", inside, 200),
    ] {
        assert_eq!(ask(key, forwarded).status, status, "{key} {forwarded:?}");
    }
    let reached = place.upstream.journal().entries().len();
    let refused = ask("there", inside);
    let id = refused.header("request-id").expect("an id").to_owned();
    assert_refused(refused, 403, "permission_error", "another address");
    for path in ["/v1/models", "/v1/nowhere", "/v1/files/%2e%2e/x"] {
        let reply = Ask::get(path)
            .key(&format!("{KEY}-there"))
            .send(place.address);
        assert_refused(reply, 403, "permission_error", path);
    }
    assert_eq!(place.upstream.journal().entries().len(), reached);
    // The operator is told who it was, and from where.
    let row = || place.run(&format!("request show {id} --json"));
    assert!(until(PATIENCE, || row().code == 0));
    let row = row().json();
    assert_eq!(row["key_name"], "there", "{row}");
    let error = row["error"].as_str().unwrap_or_default();
    assert!(error.contains("(127.0.0.1)"), "{row}");

    with_addresses(&place, "[127.0.0.0/8]");
    assert!(until(PATIENCE, || ask("there", inside).status == 200));
    for (key, forwarded, status) in [
        ("there", "10.1.2.3", 200),
        ("there", "2001:db8::7", 200),
        ("there", "[2001:db8::7]:4711", 200),
        ("there", "::ffff:10.1.2.3", 200),
        ("there", "10.1.2.3, 203.0.113.9", 403),
        ("there", "203.0.113.9, 10.1.2.3", 200),
        ("there", "10.1.2.3, 127.0.0.9", 200),
        ("there", "10.1.2.3, garbage", 403),
        ("here", "10.1.2.3", 403),
        ("here", "192.0.2.7", 200),
        // The peer's own address stands where nothing can be read.
        ("here", "garbage", 200),
        ("all", "garbage", 200),
    ] {
        assert_eq!(
            ask(key, Some(forwarded)).status,
            status,
            "{key} {forwarded}"
        );
    }
    assert_eq!(ask("here", None).status, 200);
}

#[test]
fn networks_are_changed_while_the_gateway_runs() {
    let place = Place::new();
    let _gateway = place.serve();
    let key = place.key("ci --address 10.0.0.0/8");
    assert_eq!(place.models(&key), 403);
    place
        .run("key update ci --address 10.0.0.0/8 --address ::ffff:127.0.0.1")
        .ok();
    assert_eq!(place.models(&key), 200);
    assert_eq!(
        shown(&place, "ci")["addresses"],
        json!(["10.0.0.0/8", "127.0.0.1"])
    );
    place.run("key update ci --address=").ok();
    assert_eq!(shown(&place, "ci")["addresses"], json!([]));
    assert_eq!(place.models(&key), 200);
}

#[test]
fn a_denied_model_is_refused_by_every_name() {
    let place = Place::with(&format!(
        "keys: [{{ name: ci, secret: {KEY}, deny_models: [\"*opus*\"] }}]
models: {{ aliases: {{ best: claude-opus-5, fast: claude-haiku-4-5 }} }}\n"
    ));
    let _gateway = place.serve();
    let ask = |model: &str| asking(model).key(KEY).send(place.address);
    for model in ["claude-opus-5", "us.anthropic.Claude-OPUS-5", "best"] {
        assert_refused(ask(model), 400, "invalid_request_error", model);
    }
    assert!(
        place
            .upstream
            .journal()
            .entries()
            .iter()
            .all(|e| e.method != "POST")
    );
    for model in ["claude-haiku-4-5", "fast"] {
        assert_eq!(ask(model).status, 200, "{model}");
    }
    let models = Ask::get("/v1/models").key(KEY).send(place.address).body();
    assert!(models.contains("\"fast\""), "{models}");
    assert!(
        !models.contains("opus") && !models.contains("\"best\""),
        "{models}"
    );
    let stored = place.key("stored --model claude-* --deny-model *haiku*");
    let ask = |model: &str| asking(model).key(&stored).send(place.address);
    assert_refused(ask("fast"), 400, "invalid_request_error", "fast");
    assert_eq!(ask("claude-opus-5").status, 200);
    place.run("key update stored --deny-model=").ok();
    assert_eq!(ask("fast").status, 200);
}

#[test]
fn a_key_with_rules_for_models_makes_no_batches() {
    let place = Place::with(&format!(
        "keys:
  - {{ name: ruled, secret: {KEY}-ruled, endpoints: all, resources: all, models: [\"claude-*\"] }}
  - {{ name: free, secret: {KEY}-free, endpoints: all, resources: all }}\n"
    ));
    let _gateway = place.serve();
    let ask = |method: &'static str, path: &str, key: &str| {
        let body = if method == "POST" {
            r#"{"requests":[]}"#
        } else {
            ""
        };
        Ask::new(method, path, body.to_owned())
            .with("content-type", "application/json")
            .key(&format!("{KEY}-{key}"))
            .send(place.address)
    };
    for path in [
        "/v1/messages/batches",
        "/v1/messages/batches/",
        "/v1/messages/batches?beta=true",
        "/v1/v1/messages//batches",
    ] {
        let reply = ask("POST", path, "ruled");
        let status = reply.status;
        assert!(status == 400 || status == 404, "{path}: {status}");
        let posts = place.upstream.journal().entries();
        assert!(posts.iter().all(|entry| entry.method != "POST"), "{path}");
    }
    let reply = ask("POST", "/v1/messages/batches", "ruled");
    assert_refused(reply, 400, "invalid_request_error", "a batch");
    assert_eq!(ask("GET", "/v1/messages/batches", "ruled").status, 200);
    assert_eq!(ask("POST", "/v1/messages/batches", "free").status, 200);
}

#[test]
fn a_row_says_whose_request_it_was() {
    let place = Place::new();
    let gateway = place.serve();
    let key = place.key("ci --owner ann@example.org --group platform");
    let ask = || {
        let reply = place.message(&key, "default");
        reply.header("request-id").expect("an id").to_owned()
    };
    let before = ask();
    place
        .run("key update ci --owner bob@example.org --group=")
        .ok();
    let after = ask();
    let mut gateway = gateway;
    gateway.signal("TERM");
    assert_eq!(gateway.ended(PATIENCE), 0);
    for (id, owner, group) in [
        (before, json!("ann@example.org"), json!("platform")),
        (after, json!("bob@example.org"), Value::Null),
    ] {
        let row = place.run(&format!("request show {id} --json")).json();
        assert_eq!((&row["owner"], &row["group"]), (&owner, &group), "{row}");
    }
}
