//! `troupe account …` on a running gateway and on a stopped one.

use std::time::Duration;

use serde_json::{Value, json};

use crate::process::{Process, until};
use crate::serve::{ACCOUNT, KEY, Place};

const WRONG: &str = "not-the-upstreams-key-0123456789";

fn place() -> Place {
    let place = Place::bare();
    place.configure(&format!("keys: [{{ name: declared, secret: {KEY} }}]\n"));
    place
}

fn states(list: &Value) -> Vec<(&str, &str)> {
    let rows = list.as_array().expect("a list");
    rows.iter()
        .map(|row| {
            (
                row["name"].as_str().unwrap(),
                row["state"].as_str().unwrap(),
            )
        })
        .collect()
}

/// What a message gets, when there is a gateway to ask.
fn answers(place: &Place, gateway: Option<&Process>, status: u16) {
    if gateway.is_some() {
        let soon = until(Duration::from_secs(1), || {
            place.message(KEY, "default").status == status
        });
        assert!(soon, "a message is not answered with {status}");
    }
}

fn life_of_an_account(place: &Place, gateway: Option<&Process>) {
    let url = place.upstream.url();
    answers(place, gateway, 503);
    let line = format!("account add main --kind api_key --base-url {url} --api-key-stdin");
    let told = place.run_with(&line, &format!("{ACCOUNT}\n")).ok();
    assert!(told.contains("troupe account test main"), "{told}");
    answers(place, gateway, 200);

    let tested = place.run("account test main").ok();
    assert!(tested.contains("works"), "{tested}");
    let tested = place.run("account test main --json").json();
    assert_eq!(tested["result"], "ok", "{tested}");

    let file = place.path().join("key.txt");
    std::fs::write(&file, WRONG).expect("a key's file");
    let line = format!(
        "account add wrong --base-url {url} --auth bearer --api-key-file key.txt --json --concurrent 4 --model a=b --header x-team=t"
    );
    let added = place.run(&line).json();
    assert_eq!(
        (&added["auth"], &added["concurrent"]),
        (&json!("bearer"), &json!(4))
    );
    let error = place.run("account test wrong").error(1);
    assert!(error.contains("401"), "{error}");
    let tested = place.run("account test wrong --json");
    assert_eq!((tested.code, tested.stderr.as_str()), (1, ""));
    assert!(tested.stdout.contains("\"rejected\""), "{tested:?}");

    let list = place.run("account list --json").json();
    // A running gateway acts on what a test finds.
    let wrong = if gateway.is_some() {
        "rejected"
    } else {
        "active"
    };
    assert_eq!(states(&list), [("main", "active"), ("wrong", wrong)]);
    assert!(place.run("account list").ok().starts_with("NAME "));
    let shown = place.run("account show main --json").json();
    assert_eq!(shown["base_url"], url.as_str());
    assert_eq!(shown["slots"].is_null(), gateway.is_none(), "{shown}");
    assert!(place.run("account show wrong").ok().contains("bearer"));

    let line = "account update main --weight 5 --tag eu --schedule mon-sun --json";
    let updated = place.run(line).json();
    assert_eq!(
        (&updated["weight"], &updated["tags"]),
        (&json!(5), &json!(["eu"]))
    );
    let line = "account update main --unset schedule --unset tags --reserve 90% --json";
    let updated = place.run(line).json();
    assert_eq!(
        (&updated["schedule"], &updated["tags"], &updated["weight"]),
        (&Value::Null, &json!([]), &json!(5))
    );
    assert_eq!(updated["reserve"], 90);
    answers(place, gateway, 200);

    place.run("account disable main").ok();
    answers(place, gateway, 503);
    let list = place.run("account list --json").json();
    assert_eq!(states(&list)[0], ("main", "disabled"));
    place.run("account enable main").ok();
    answers(place, gateway, 200);
    place.run("account remove main").ok();
    answers(place, gateway, 503);
    place.run("account remove wrong").ok();
    assert_eq!(place.run("account list --json").json(), json!([]));
}

fn refusals(place: &Place) {
    let stdin = "--api-key-stdin";
    place
        .run_with(&format!("account add there {stdin}"), ACCOUNT)
        .ok();
    let table = [
        (format!("account add there {stdin}"), 1, "there"),
        (format!("account add x --kind oauth {stdin}"), 2, "oauth"),
        (
            format!("account add x --base-url ftp://h {stdin}"),
            2,
            "http",
        ),
        (
            format!("account add x --base-url http://u:p@h {stdin}"),
            2,
            "base_url",
        ),
        (
            format!("account add x --header x-api-key=1 {stdin}"),
            2,
            "x-api-key",
        ),
        ("account add x".into(), 2, "--api-key-stdin"),
        ("account update there".into(), 2, "nothing to change"),
        ("account update there --unset colour".into(), 2, "colour"),
        (
            "account update there --weight 1 --unset weight".into(),
            2,
            "both given",
        ),
        ("account update there --unset api_key".into(), 2, "api_key"),
        ("account update nobody --weight 1".into(), 1, "account list"),
        ("account refresh there".into(), 2, "no oauth"),
        ("account exchange there".into(), 1, "acknowledge_terms"),
        ("account add x --api-key-file nowhere".into(), 2, "nowhere"),
        ("account show nobody".into(), 1, "account list"),
        ("account test nobody".into(), 1, "account list"),
        ("account remove nobody".into(), 1, "account list"),
        ("account disable nobody".into(), 1, "account list"),
    ];
    for (line, code, told) in table {
        let error = place.run_with(&line, ACCOUNT).error(code);
        assert!(error.contains(told), "{line}: {error}");
        assert!(!error.contains(ACCOUNT), "{line}: {error}");
    }
    let error = place
        .run_with(&format!("account add x {stdin}"), "\n")
        .error(2);
    assert!(error.contains("API key"), "{error}");
}

#[test]
fn on_a_stopped_gateway() {
    life_of_an_account(&place(), None);
}

#[test]
fn on_a_running_gateway() {
    let place = place();
    let gateway = place.serve();
    life_of_an_account(&place, Some(&gateway));
}

#[test]
fn refused_on_a_stopped_gateway() {
    refusals(&place());
}

#[test]
fn refused_on_a_running_gateway() {
    let place = place();
    let _gateway = place.serve();
    refusals(&place);
}

#[test]
fn a_declared_account_only_changes_with_its_file() {
    let place = Place::new();
    let check = || {
        for line in ["account remove scripted", "account disable scripted"] {
            let error = place.run(line).error(1);
            assert!(error.contains("troupe.yaml"), "{error}");
        }
        place.run("account test scripted").ok();
        place.run("account enable scripted").ok();
    };
    check();
    let _gateway = place.serve();
    check();
    assert_eq!(place.message(KEY, "default").status, 200);
}

#[test]
fn an_enabled_account_forgets_what_was_held_against_it() {
    let place = Place::new();
    let _gateway = place.serve();
    let throttled = r#"{"status":429,"headers":[["retry-after","600"]]}"#;
    assert_eq!(place.message(KEY, throttled).status, 429);
    assert_ne!(place.message(KEY, "default").status, 200);
    place.run("account enable scripted").ok();
    assert_eq!(place.message(KEY, "default").status, 200);
}
