//! `troupe request …` on a running gateway and on a stopped one.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use crate::process::{Process, until};
use crate::serve::{ACCOUNT, Ask, ENDS_WITHIN, KEY, Place};

const OTHER: &str = "another-declared-key-0123456789";

fn place() -> Place {
    Place::with(&format!(
        "keys: [{{ name: ci, secret: {KEY} }}, {{ name: other, secret: {OTHER} }}]\n"
    ))
}

fn id_of(place: &Place, key: &str, scenario: &str) -> String {
    let reply = place.message(key, scenario);
    reply.header("request-id").expect("an id").to_owned()
}

/// In the order in which they began: workers write their rows a few milliseconds apart.
fn ids(listing: &Value) -> Vec<&str> {
    let rows = listing.as_array().expect("a list");
    let mut ids: Vec<_> = rows.iter().map(|row| row["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids
}

fn stop(mut gateway: Process) {
    gateway.signal("TERM");
    assert_eq!(gateway.ended(ENDS_WITHIN), 0);
}

#[test]
fn a_request_is_shown_as_soon_as_it_has_ended() {
    let place = place();
    let gateway = place.serve();
    let check = |id: &str| {
        let shown = place.run(&format!("request show {id} --json")).json();
        assert_eq!(shown["id"], id);
        assert_eq!(shown["status"], 200, "{shown}");
        assert_eq!(
            (&shown["key_name"], &shown["account_name"]),
            (&"ci".into(), &"scripted".into())
        );
        let told = place.run(&format!("request show {id}")).ok();
        for part in [
            id,
            "200, completed",
            "scripted (",
            "no other was a candidate",
            "ended after",
        ] {
            assert!(told.contains(part), "{part} in {told}");
        }
        assert!(!told.contains(ACCOUNT) && !told.contains(KEY), "{told}");
    };
    let id = id_of(&place, KEY, "default");
    check(&id);
    let unknown = "req_00000000000000000000000001";
    let error = place.run(&format!("request show {unknown}")).error(1);
    assert!(error.contains("troupe request tail"), "{error}");
    stop(gateway);
    check(&id);
}

#[test]
fn the_last_requests_are_listed() {
    let place = place();
    let gateway = place.serve();
    let good = id_of(&place, KEY, "default");
    let bad = id_of(&place, OTHER, "status_400");
    let refused = Ask::message("default", false)
        .key("no-such-key-0123456789abc")
        .send(place.address);
    let refused = refused.header("request-id").expect("an id").to_owned();
    let list = |more: &str| place.run(&format!("request tail --json {more}")).json();
    // A worker tells its rows in batches.
    let told = || ids(&list("")).len() == 3;
    assert!(until(ENDS_WITHIN, told), "{}", list(""));
    let check = || {
        assert_eq!(ids(&list("")), [&*good, &bad, &refused]);
        assert_eq!(ids(&list("-n 2")).len(), 2);
        assert_eq!(ids(&list("--key other")), [&*bad]);
        assert_eq!(ids(&list("--account scripted")), [&*good, &bad]);
        assert_eq!(ids(&list("--status 4xx")), [&*bad, &refused]);
        assert_eq!(ids(&list("--status 401")), [&*refused]);
        assert_eq!(ids(&list("--status 4xx --key ci")), Vec::<&str>::new());
        let all = list("--all -n 1000");
        assert!(ids(&all).len() > 3, "the probe of its start too: {all}");
        let table = place.run("request tail").ok();
        assert!(table.starts_with("ENDED "), "{table}");
        assert_eq!(table.lines().count(), 4, "{table}");
        let error = place.run("request tail --key nobody").error(1);
        assert!(error.contains("key list --revoked"), "{error}");
    };
    check();
    stop(gateway);
    check();
    for (line, said) in [
        ("request tail --status 4x", "4xx"),
        ("request tail -n 0", "1..=1000"),
        ("request show 17", "request-id"),
    ] {
        let error = place.run(line).error(2);
        assert!(error.contains(said), "{line}: {error}");
    }
    let error = place.run("request tail --follow").error(1);
    assert!(error.contains("troupe serve"), "{error}");
}

#[test]
fn following_misses_nothing_and_ends_at_ctrl_c() {
    let place = place();
    let _gateway = place.serve();
    let before = id_of(&place, KEY, "default");
    let command = place.command("request tail --follow");
    let mut follower = Process::start("follower", command, place.path());
    let seen = |id: &str| until(Duration::from_secs(20), || follower.stdout().contains(id));
    assert!(seen(&before), "{}", follower.log());
    for scenario in ["default", "status_400"] {
        let id = id_of(&place, KEY, scenario);
        assert!(seen(&id), "{}", follower.log());
    }
    assert_eq!(follower.stdout().lines().count(), 4, "{}", follower.log());
    follower.signal("INT");
    assert_eq!(follower.ended(ENDS_WITHIN), 0, "{}", follower.log());
}

#[test]
fn a_reader_that_goes_away_ends_it() {
    let place = place();
    let _gateway = place.serve();
    id_of(&place, KEY, "default");
    let mut command = place.command("request tail --follow --json");
    command.current_dir(place.path()).stdout(Stdio::piped());
    let mut follower = command.spawn().expect("a command");
    let mut lines = BufReader::new(follower.stdout.take().expect("its output")).lines();
    let first: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(first["status"], 200);
    drop(lines);
    id_of(&place, KEY, "default");
    let mut status = None;
    let ended = until(ENDS_WITHIN, || {
        status = follower.try_wait().expect("the state of a child");
        status.is_some()
    });
    if !ended {
        let _ = follower.kill();
    }
    assert!(status.is_some_and(|status| status.success()), "{status:?}");
}
