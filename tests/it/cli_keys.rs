//! `troupe key …` on a running gateway and on a stopped one: the same commands, words and exit codes.

use std::time::Duration;

use serde_json::{Value, json};

use crate::process::{Process, until};
use crate::serve::{KEY, Place};

const BROUGHT: &str = "brought-along-secret-0123456789";

/// Whether a key is accepted, when there is a gateway to ask.
fn accepted(place: &Place, gateway: Option<&Process>, key: &str, wanted: bool) {
    if gateway.is_some() {
        let status = if wanted { 200 } else { 401 };
        let soon = until(Duration::from_secs(1), || place.models(key) == status);
        assert!(soon, "{key} is not answered with {status}");
    }
}

fn names(list: &Value) -> Vec<&str> {
    let rows = list.as_array().expect("a list");
    rows.iter().filter_map(|row| row["name"].as_str()).collect()
}

fn life_of_a_key(place: &Place, gateway: Option<&Process>) {
    let told = place.run("key create plain").ok();
    let first = crate::lifecycle_start::generated_key(&told);
    assert!(told.contains("only this once"), "{told}");
    accepted(place, gateway, &first, true);

    let quiet = place
        .run("key create quiet --quiet --owner me@example.org --group team")
        .ok();
    assert_eq!(quiet.lines().count(), 1, "{quiet}");
    assert_eq!(quiet.trim().len(), 50, "{quiet}");

    let made = place
        .run("key create parsed --json --limit concurrent=3 --expires 30d")
        .json();
    let members: Vec<_> = made.as_object().expect("an object").keys().collect();
    assert_eq!(members.len(), 4, "{made}");
    let secret = made["secret"].as_str().expect("a secret");
    let prefix = made["prefix"].as_str().expect("a prefix");
    assert!(made["id"].is_string() && made["name"] == "parsed", "{made}");
    assert_eq!(prefix, &secret[..15]);
    accepted(place, gateway, secret, true);

    let with_stdin = "key create brought --secret-stdin --quiet";
    assert_eq!(place.run_with(with_stdin, BROUGHT).ok().trim(), BROUGHT);
    accepted(place, gateway, BROUGHT, true);

    let list = place.run("key list --json").json();
    assert_eq!(
        names(&list),
        ["brought", "declared", "parsed", "plain", "quiet"]
    );
    let table = place.run("key list").ok();
    assert!(table.starts_with("NAME "), "{table}");
    assert!(table.contains("me@example.org"), "{table}");
    let shown = place.run("key show parsed --json").json();
    assert_eq!(shown["limits"], json!({"concurrent": 3}));
    assert_eq!(shown["in_flight"].is_null(), gateway.is_none(), "{shown}");
    assert!(place.run("key show quiet").ok().contains("team"));

    let changed = place
        .run("key update parsed --limit concurrent=none --endpoints all --json")
        .json();
    assert_eq!(
        (&changed["limits"], &changed["endpoints"]),
        (&json!({"concurrent": null}), &json!("all"))
    );

    let rotated = place.run("key rotate plain --quiet").ok();
    accepted(place, gateway, &first, false);
    accepted(place, gateway, rotated.trim(), true);
    place.run("key disable plain").ok();
    accepted(place, gateway, rotated.trim(), false);
    assert_eq!(
        place.run("key show plain --json").json()["state"],
        "disabled"
    );
    place.run("key enable plain").ok();
    accepted(place, gateway, rotated.trim(), true);

    place.run("key revoke plain").ok();
    accepted(place, gateway, rotated.trim(), false);
    let left = place.run("key list --json").json();
    assert_eq!(names(&left), ["brought", "declared", "parsed", "quiet"]);
    let all = place.run("key list --revoked --json").json();
    assert!(names(&all).contains(&"plain"), "{all}");
}

fn what_is_said_of_a_key(place: &Place) {
    place
        .run("key create ci --owner ann --group blue --tag nightly --tag eu --note builds --priority high --address 10.0.0.0/8 --address ::1 --deny-model *opus* --expires-after-first-use 30d")
        .ok();
    place.run("key create other --owner bob --tag eu").ok();
    let shown = place.run("key show ci --json").json();
    for (member, value) in [
        ("tags", json!(["nightly", "eu"])),
        ("note", json!("builds")),
        ("priority", json!("high")),
        ("addresses", json!(["10.0.0.0/8", "::1"])),
        ("deny_models", json!(["*opus*"])),
        ("expires_after_first_use", json!("30d")),
        ("expires", json!(null)),
        ("previous", json!(null)),
    ] {
        assert_eq!(shown[member], value, "{member}: {shown}");
    }
    let told = place.run("key show ci").ok();
    for part in [
        "nightly, eu",
        "builds",
        "high",
        "10.0.0.0/8, ::1",
        "*opus*",
        "30d after first use",
    ] {
        assert!(told.contains(part), "{part} in {told}");
    }
    let listed = place.run("key list --tag nightly").ok();
    for part in ["TAGS", "PRIORITY", "NOTE", "nightly, eu", "builds"] {
        assert!(listed.contains(part), "{part} in {listed}");
    }
    for (filter, found) in [
        ("--tag eu", &["ci", "other"][..]),
        ("--owner ann", &["ci"]),
        ("--group blue --tag eu", &["ci"]),
        ("--owner bob --group blue", &[]),
    ] {
        let list = place.run(&format!("key list --json {filter}")).json();
        assert_eq!(names(&list), found, "{filter}");
    }
    let nobody = place.run("key list --owner nobody");
    assert_eq!((nobody.code, nobody.stdout.as_str()), (0, ""));
    assert!(nobody.stderr.contains("no key is like that"), "{nobody:?}");
    let emptied = place
        .run("key update ci --tag= --note= --address= --deny-model= --priority normal --expires-after-first-use never --json")
        .json();
    for member in ["tags", "addresses", "deny_models"] {
        assert_eq!(emptied[member], json!([]), "{member}: {emptied}");
    }
    assert!(emptied["note"].is_null() && emptied["expires_after_first_use"].is_null());
    let prefix = emptied["prefix"].as_str().expect("a prefix");
    let rotated = place.run("key rotate ci --grace 24h").ok();
    assert!(
        rotated.contains(&format!("The old secret ({prefix}) works until 20")),
        "{rotated}"
    );
    let told = place.run("key show ci").ok();
    assert!(told.contains(&format!("{prefix} works until 20")), "{told}");
    place.run("key rotate ci").ok();
    assert!(!place.run("key show ci").ok().contains("works until"));
}

fn refusals(place: &Place) {
    place.run("key create twice").ok();
    let table = [
        ("key create twice", 1, "key rotate twice"),
        ("key create declared", 1, "declared"),
        ("key revoke declared", 1, "troupe.yaml"),
        ("key rotate declared", 1, "troupe.yaml"),
        ("key disable declared", 1, "troupe.yaml"),
        ("key update declared --owner x", 1, "troupe.yaml"),
        ("key show nobody", 1, "key list"),
        ("key revoke nobody", 1, "key list"),
        ("key enable nobody", 1, "key list"),
        ("key create", 2, "NAME"),
        ("key create x --limit concurrent=0", 2, "concurrent"),
        ("key create x --limit concurrent", 2, "NAME=VALUE"),
        ("key create x --limit tokens=3", 2, "tokens"),
        ("key create x --expires tomorrowish", 2, "30d"),
        ("key create x --resources some", 2, "own"),
        ("key create x --priority urgent", 2, "normal"),
        ("key create x --address 10.0.0.1/8", 2, "10.0.0.0/8"),
        ("key create x --address nowhere", 2, "192.0.2.7"),
        ("key create x --tag a --tag a", 2, "twice"),
        ("key create x --expires-after-first-use soon", 2, "30d"),
        ("key rotate twice --grace soon", 2, "24h"),
        ("key rotate declared --grace 1h", 1, "troupe.yaml"),
        ("key create x --quiet --json", 2, "--json"),
        ("key create bad/name", 2, "name"),
        ("key create x --secret-stdin", 2, "20 characters"),
    ];
    for (line, code, told) in table {
        let error = place.run_with(line, "too-short").error(code);
        assert!(error.starts_with("error: "), "{line}: {error}");
        assert!(error.contains(told), "{line}: {error}");
    }
    // The shell's history and `ps` show arguments.
    let error = place
        .run(&format!("key create x --secret {BROUGHT}"))
        .error(2);
    assert!(error.contains("--secret-stdin"), "{error}");
    assert_eq!(
        names(&place.run("key list --json").json()),
        ["declared", "twice"]
    );
}

#[test]
fn on_a_stopped_gateway() {
    life_of_a_key(&Place::new(), None);
}

#[test]
fn on_a_running_gateway() {
    let place = Place::new();
    let gateway = place.serve();
    life_of_a_key(&place, Some(&gateway));
}

#[test]
fn said_of_a_key_on_a_stopped_gateway() {
    what_is_said_of_a_key(&Place::new());
}

#[test]
fn said_of_a_key_on_a_running_gateway() {
    let place = Place::new();
    let _gateway = place.serve();
    what_is_said_of_a_key(&place);
}

#[test]
fn refused_on_a_stopped_gateway() {
    refusals(&Place::new());
}

#[test]
fn refused_on_a_running_gateway() {
    let place = Place::new();
    let _gateway = place.serve();
    refusals(&place);
}

#[test]
fn what_a_stopped_gateway_was_told_a_running_one_knows_and_back() {
    let place = Place::new();
    let before = place.key("before");
    let gone = place.key("gone");
    place.run("key revoke gone").ok();
    let gateway = place.serve();
    let during = place.key("during");
    assert_eq!((place.models(&before), place.models(&during)), (200, 200));
    assert_eq!((place.models(&gone), place.models(KEY)), (401, 200));
    drop(gateway);
    let list = place.run("key list --json").json();
    assert_eq!(names(&list), ["before", "declared", "during"]);
    place.run("key revoke during").ok();
    let _gateway = place.serve();
    assert_eq!((place.models(&before), place.models(&during)), (200, 401));
}

#[test]
fn a_look_leaves_nothing_behind() {
    let place = Place::new();
    for line in [
        "key list",
        "key list --json",
        "account list --json",
        "config show",
        "config check",
    ] {
        place.run(line).ok();
    }
    place.run("key show nobody").error(1);
    assert!(!place.data().exists());
}

/// Every form that is typed, where the gateway runs and where it does not; the preset of the file among them.
#[test]
fn limits_are_written_changed_and_shown() {
    let place = Place::with("limits: { new_keys: { requests_per_day: 9 } }\n");
    let limits =
        |name: &str| place.run(&format!("key show {name} --json")).json()["limits"].clone();
    for name in ["running", "stopped"] {
        let gateway = (name == "running").then(|| place.serve());
        place.run(&format!("key create {name}")).ok();
        assert_eq!(limits(name), json!({"requests_per_day": 9}));
        place
            .run(&format!(
                "key update {name} --limit usd_per_month=12.5 --limit tokens_per_hour=5_000,cap=soft,grant=50@2999-12-24 \
                 --limit usd_per_day=5,on_limit=downgrade,model=claude-haiku-4-5 --limit claude-opus-*:usd_per_day=2 \
                 --limit concurrent=none"
            ))
            .ok();
        let told = place.run(&format!("key show {name}")).ok();
        let typed = "concurrent=none requests_per_day=9 tokens_per_hour=5000,cap=soft,grant=50@2999-12-24 \
                     usd_per_day=5,on_limit=downgrade,model=claude-haiku-4-5 usd_per_month=12.50 claude-opus-*:usd_per_day=2";
        assert!(told.contains(typed), "{told}");
        place
            .run(&format!(
                "key update {name} --limit tokens_per_hour=default --limit usd_per_day=default --limit usd_per_month=default \
                 --limit requests_per_day=default --limit claude-opus-*:usd_per_day=default"
            ))
            .ok();
        assert_eq!(limits(name), json!({"concurrent": null}));
        let line = format!("key update {name} --limit usd_per_our=5");
        let told = place.run(&line).error(2);
        assert!(told.contains("did you mean `usd_per_hour`?"), "{told}");
        drop(gateway);
    }
}
