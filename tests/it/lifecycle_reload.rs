//! A changed configuration is live within two seconds, all of it or none, and no stream notices.

use std::time::{Duration, Instant};

use crate::process::{Process, until};
use crate::serve::{ACCOUNT, Ask, KEY, Place, paced};

const LIVE_WITHIN: Duration = Duration::from_secs(2);
const NEW: &str = "another-key-0123456789abcdef";

fn keys(name: &str, secret: &str) -> String {
    format!("keys: [{{ name: {name}, secret: {secret} }}]\n")
}

fn alias(to: &str) -> String {
    format!("models: {{ aliases: {{ quick: {to} }} }}\n")
}

/// The model that the upstream sees for `quick`.
fn upstream_model(place: &Place, key: &str) -> String {
    let body = r#"{"model":"quick","max_tokens":9,"messages":[{"role":"user","content":"Hi"}]}"#;
    let ask = Ask::new("POST", "/v1/messages", body.to_owned()).key(key);
    assert_eq!(ask.status(place.address), 200);
    let entries = place.upstream.journal().entries();
    let last = entries.last().expect("a request upstream").json();
    last["model"].as_str().expect("a model").to_owned()
}

#[test]
fn a_changed_file_is_live_and_no_stream_notices() {
    let place = Place::bare();
    let account = place.account("scripted", ACCOUNT);
    place.configure(&(account.clone() + &keys("old", KEY) + &alias("claude-haiku-4-5")));
    let _gateway = place.serve();
    assert_eq!(upstream_model(&place, KEY), "claude-haiku-4-5");
    let stream = place.running_stream(KEY, &paced(30));

    place.configure(&(account + &keys("new", NEW) + &alias("claude-sonnet-5")));
    let changed = Instant::now();
    assert!(until(LIVE_WITHIN, || place.models(NEW) == 200));
    assert!(until(LIVE_WITHIN, || place.models(KEY) == 401));
    assert!(changed.elapsed() < LIVE_WITHIN, "{:?}", changed.elapsed());
    assert_eq!(upstream_model(&place, NEW), "claude-sonnet-5");
    assert!(stream.body().contains("event: message_stop"));
}

fn reloads(gateway: &Process, outcome: &str) -> bool {
    until(Duration::from_secs(10), || {
        gateway.stderr().contains(outcome)
    })
}

#[test]
fn an_invalid_file_is_rejected_whole() {
    let place = Place::new();
    let gateway = place.serve();
    let account = place.account("scripted", ACCOUNT);
    place.configure(&(account.clone() + &keys("new", NEW) + "routing: { max_attempts: 0 }\n"));
    assert!(reloads(&gateway, "is rejected"), "{}", gateway.log());
    assert!(
        gateway.stderr().contains("routing.max_attempts"),
        "{}",
        gateway.log()
    );
    assert_eq!((place.models(KEY), place.models(NEW)), (200, 401));
    let metrics = Ask::get("/metrics").send(place.address).body();
    let counted = r#"troupe_config_reloads_total{outcome="rejected"} 1"#;
    assert!(metrics.contains(counted), "{metrics}");

    place.configure(&(account + &keys("new", NEW)));
    assert!(
        reloads(&gateway, "configuration reloaded"),
        "{}",
        gateway.log()
    );
    assert_eq!((place.models(KEY), place.models(NEW)), (401, 200));
}

#[test]
fn a_file_that_goes_is_not_an_empty_one() {
    let place = Place::new();
    let gateway = place.serve();
    let file = place.path().join("troupe.yaml");
    let aside = place.path().join("aside.yaml");
    std::fs::rename(&file, &aside).expect("the file aside");
    assert!(reloads(&gateway, "is rejected"), "{}", gateway.log());
    assert!(
        gateway.stderr().contains("no such file"),
        "{}",
        gateway.log()
    );
    assert_eq!(place.message(KEY, "default").status, 200);
    // Back again, it is still the one that is watched.
    std::fs::remove_file(&aside).expect("the old file");
    place.configure(&(place.account("scripted", ACCOUNT) + &keys("new", NEW)));
    assert!(until(LIVE_WITHIN, || place.models(NEW) == 200));
    assert_eq!(place.models(KEY), 401);
}

#[test]
fn a_name_that_the_store_has_is_rejected_whole() {
    let place = Place::new();
    let gateway = place.serve();
    let stored = place.key("mine");
    let account = place.account("scripted", ACCOUNT);
    place.configure(&(account + &keys("mine", NEW)));
    assert!(reloads(&gateway, "is rejected"), "{}", gateway.log());
    assert!(gateway.stderr().contains("key mine"), "{}", gateway.log());
    assert_eq!(
        (place.models(&stored), place.models(KEY), place.models(NEW)),
        (200, 200, 401)
    );
}

#[test]
fn a_secret_file_is_read_again_at_sighup_too() {
    let place = Place::bare();
    let secret = place.path().join("secret");
    std::fs::write(&secret, KEY).expect("a secret's file");
    let declared = "keys: [{ name: filed, secret_file: ./secret }]\n";
    place.configure(&(place.account("scripted", ACCOUNT) + declared));
    let mut gateway = place.serve();
    assert_eq!(place.models(KEY), 200);
    std::fs::write(&secret, NEW).expect("a secret's file");
    gateway.signal("HUP");
    assert!(
        until(LIVE_WITHIN, || place.models(NEW) == 200),
        "{}",
        gateway.log()
    );
    assert_eq!(place.models(KEY), 401);
    gateway.signal("HUP");
    gateway.signal("HUP");
    gateway.signal("TERM");
    assert_eq!(
        gateway.ended(crate::serve::ENDS_WITHIN),
        0,
        "{}",
        gateway.log()
    );
}

#[test]
fn what_needs_a_restart_says_so() {
    let place = Place::new();
    let gateway = place.serve();
    let server = format!(
        "server: {{ bind: \"{}\" }}\n",
        crate::process::free_address()
    );
    place.configure(&(server + &place.account("scripted", ACCOUNT) + &keys("new", NEW)));
    assert!(reloads(&gateway, "need a restart"), "{}", gateway.log());
    assert!(
        gateway.stderr().contains("server.bind"),
        "{}",
        gateway.log()
    );
    assert_eq!(place.models(NEW), 200);
}
