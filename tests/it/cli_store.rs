//! `troupe store …` on a running gateway, on a stopped one, and into another.

use std::fs;

use serde_json::Value;

use crate::postgres::Postgres;
use crate::process::Process;
use crate::serve::{ENDS_WITHIN, KEY, Place};

fn place() -> Place {
    Place::with(&format!("keys: [{{ name: ci, secret: {KEY} }}]\n"))
}

fn stop(mut gateway: Process) {
    gateway.signal("TERM");
    assert_eq!(gateway.ended(ENDS_WITHIN), 0);
}

/// Rows and hash of a kind, as a report tells them.
fn kind(report: &Value, name: &str) -> (u64, String) {
    let kinds = report["kinds"].as_array().expect("kinds");
    let found = kinds.iter().find(|kind| kind["kind"] == name);
    let found = found.unwrap_or_else(|| panic!("{name} in {report}"));
    let hash = found["hash"].as_str().expect("a hash").to_owned();
    (found["rows"].as_u64().expect("rows"), hash)
}

#[test]
fn a_backup_of_a_running_gateway_is_restored_elsewhere() {
    let place = place();
    let gateway = place.serve();
    let secret = place.key("made");
    for _ in 0..3 {
        place.message(&secret, "default");
    }
    fs::write(place.path().join("word"), "correct horse\n").unwrap();
    let made = place.run("store backup file --passphrase-file word --json");
    let made = made.json();
    assert_eq!(kind(&made, "keys").0, 1);
    assert!(kind(&made, "events").0 >= 1);
    let file = place.path().join("file");
    let error = place.run("store backup file").error(1);
    assert!(error.contains("--force"), "{error}");
    let error = place
        .run("store restore file --passphrase-file word")
        .error(1);
    assert!(error.contains("stop it first"), "{error}");
    stop(gateway);
    let error = place
        .run("store restore file --passphrase-file word")
        .error(1);
    assert!(error.contains("not empty"), "{error}");

    let other = Place::new();
    fs::copy(&file, other.path().join("file")).unwrap();
    fs::write(other.path().join("word"), "correct horse").unwrap();
    let error = other.run("store restore file").error(1);
    assert!(error.contains("--passphrase-file"), "{error}");
    let error = other
        .run("store restore file --passphrase-file word")
        .error(64);
    assert!(error.contains("missing"), "without its key: {error}");
    fs::create_dir_all(other.data()).unwrap();
    fs::copy(
        place.data().join("master.key"),
        other.data().join("master.key"),
    )
    .unwrap();
    let restored = other.run("store restore file --passphrase-file word --json");
    let restored = restored.json();
    for name in ["keys", "events", "facts"] {
        assert_eq!(kind(&restored, name), kind(&made, name));
    }
    let gateway = other.serve();
    assert_eq!(other.models(&secret), 200, "the key goes on working");
    stop(gateway);
    let trail = other.run("audit export").ok();
    assert!(trail.contains("store.restored"), "{trail}");
    let trail = place.run("audit export").ok();
    assert!(
        trail.contains("store.backed_up") && !trail.contains("horse"),
        "{trail}"
    );
}

#[test]
fn a_stopped_store_goes_to_postgresql_and_back() {
    let place = place();
    let gateway = place.serve();
    place.key("made");
    place.message(KEY, "default");
    stop(gateway);
    let server = Postgres::new();
    let mut there = place.command("store migrate --from sled:data --to-env TO --json");
    there.env("TO", server.url());
    let there = place.finish(there, "").json();
    let mut back = place.command("store migrate --from-env FROM --to sled:back --json");
    back.env("FROM", server.url());
    let back = place.finish(back, "").json();
    assert_eq!(there, back, "every kind has the same rows and hash");
    assert_eq!(kind(&there, "keys").0, 1);
    let error = place
        .run("store migrate --from sled:data --to sled:back")
        .error(1);
    assert!(error.contains("not empty"), "{error}");
    let error = place
        .run("store migrate --from memory: --to sled:x")
        .error(2);
    assert!(error.contains("sled:FOLDER"), "{error}");
    let error = place.run("store backup file --no-logs").ok();
    assert!(error.contains("KIND"), "{error}");
}
