//! `troupe store …` on a running gateway, on a stopped one, and into another.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::cli_audit::{files, told};
use crate::postgres::Postgres;
use crate::process::{Process, until};
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

/// Requests of a store that is killed in the middle of its copy.
const REQUESTS: usize = 40;
/// A machine that is quick or busy may copy all of it before it is killed.
const KILLS: usize = 20;

/// Files of the request log, the last but one of what is copied.
fn has_segments(store: &Path) -> bool {
    let folder = fs::read_dir(store.join("requests"));
    folder.is_ok_and(|mut files| files.next().is_some())
}

/// Kills a copy when it has come to the request log; gives the refusal of a store that is not whole.
fn killed(place: &Place, name: &str) -> Option<String> {
    let there = place.path().join(name);
    let line = format!("store migrate --from sled:data --to sled:{name}");
    let mut copy = Process::start(name, place.command(&line), place.path());
    assert!(
        until(ENDS_WITHIN, || has_segments(&there)),
        "{}",
        copy.log()
    );
    copy.signal("KILL");
    let code = copy.ended(ENDS_WITHIN);
    let mut list = place.command("key list");
    list.env("TROUPE_STORAGE__URL", format!("sled:{name}"));
    let done = place.finish(list, "");
    match (code, done.code) {
        (0, _) | (_, 0) => None,
        _ => Some(done.error(1)),
    }
}

#[test]
fn a_copy_that_was_killed_serves_nobody_and_is_gone_on_with() {
    let place = place();
    let gateway = place.serve();
    place.key("made");
    for _ in 0..REQUESTS {
        place.message(KEY, "default");
    }
    stop(gateway);
    let names = (0..KILLS).map(|nth| format!("there{nth}"));
    let caught = names
        .into_iter()
        .find_map(|name| Some((killed(&place, &name)?, name)));
    let (error, name) = caught.expect("one of them was killed in the middle");
    assert!(error.contains("run the same command again"), "{error}");
    let url = format!("sled:{name}");
    for command in ["serve", "store backup file", "key create other --quiet"] {
        let mut refused = place.command(command);
        refused.env("TROUPE_STORAGE__URL", &url);
        let refused = place.finish(refused, "");
        assert_eq!(refused.code, 1, "{refused:?}");
        assert!(
            refused.stderr.contains("did not come to its end"),
            "{refused:?}"
        );
    }
    assert!(!place.path().join("file").exists());
    let mut made = place.command("key create other --quiet");
    made.env("TROUPE_STORAGE__URL", "sled:other");
    assert_eq!(place.finish(made, "").code, 0);
    let other = place
        .run(&format!("store migrate --from sled:other --to {url}"))
        .error(1);
    assert!(other.contains("another source"), "{other}");
    let on = place.run(&format!("store migrate --from sled:data --to {url} --json"));
    let whole = place.run("store migrate --from sled:data --to sled:whole --json");
    assert_eq!(
        on.json(),
        whole.json(),
        "every kind has the same rows and hash"
    );
    let mut serve = place.command("serve");
    serve.env("TROUPE_STORAGE__URL", &url);
    let gateway = place.start("there", serve);
    assert_eq!(place.models(KEY), 200);
    stop(gateway);
}

#[test]
fn a_restored_store_without_its_trail_goes_on_behind_its_copy() {
    let place = place();
    let secret = place.key("made");
    place.key("second");
    place.run("store backup file").ok();

    let other = Place::new();
    fs::copy(place.path().join("file"), other.path().join("file")).unwrap();
    fs::create_dir_all(other.data()).unwrap();
    let (key, kept) = (
        other.data().join("master.key"),
        place.data().join("master.key"),
    );
    // With the mode that a key must have.
    fs::copy(&kept, &key).unwrap();
    fs::write(&key, "5a".repeat(32)).unwrap();
    let error = other.run("store restore file").error(64);
    assert!(error.contains("is sealed under master key"), "{error}");
    let written: Vec<_> = fs::read_dir(other.data()).unwrap().collect();
    assert_eq!(written.len(), 1, "but the key: {written:?}");

    fs::copy(&kept, &key).unwrap();
    other.run("store restore file").ok();
    let judged = || {
        let done = other.run("audit verify");
        assert_eq!(
            (done.code, done.stdout.starts_with("OK: ")),
            (0, true),
            "{done:?}"
        );
        done.stderr
    };
    let note = judged();
    assert!(
        note.contains("continues at") && note.contains("are elsewhere"),
        "{note}"
    );
    let gateway = other.serve();
    assert_eq!(other.models(&secret), 200);
    other.key("third");
    stop(gateway);
    let made = told(&other, "key.created");
    assert_eq!(made.len(), 1, "nothing is told again: {made:?}");
    assert_eq!(made[0]["resource"], "key:third");
    assert_eq!(judged(), note);
    // The files of the trail were kept, and are there when it is restored: nothing is missing.
    let whole = Place::new();
    for name in ["file", "data/master.key"] {
        fs::create_dir_all(whole.data()).unwrap();
        fs::copy(place.path().join(name), whole.path().join(name)).unwrap();
    }
    fs::create_dir_all(whole.data().join("audit")).unwrap();
    for file in files(&place) {
        fs::copy(
            &file,
            whole.data().join("audit").join(file.file_name().unwrap()),
        )
        .unwrap();
    }
    whole.run("store restore file").ok();
    let told = whole.run("audit verify").ok();
    assert!(told.starts_with("OK: "), "{told}");
}

#[test]
fn a_source_that_is_not_there_is_told_and_not_made() {
    let place = Place::new();
    let refused = place.run("store migrate --from sled:nothere --to sled:other");
    assert!(refused.error(1).contains("there is no store in"));
    assert!(!place.path().join("nothere").exists());
}
