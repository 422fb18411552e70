//! Bodies from the command line: `troupe key capture` and `troupe request show --bodies`.

use serde_json::Value;

use crate::serve::{ACCOUNT, ENDS_WITHIN, KEY, Place};

fn id_of(place: &Place, key: &str) -> String {
    let reply = place.message(key, "default");
    reply.header("request-id").expect("an id").to_owned()
}

fn kept_for(place: &Place, id: &str) -> Value {
    let shown = place.run(&format!("request show {id} --bodies --json"));
    shown.json()["kept_for"].clone()
}

#[test]
fn a_key_is_captured_and_its_bodies_are_shown() {
    let place = Place::new();
    let mut gateway = place.serve();
    let key = place.key("ci");
    let before = id_of(&place, &key);
    let said = place.run("key capture ci --for 1h").ok();
    assert!(said.starts_with("Capturing key ci until "), "{said}");
    let shown = place.run("key show ci").ok();
    assert!(shown.contains("captured until"), "{shown}");
    let captured = id_of(&place, &key);
    let other = id_of(&place, KEY);
    assert_eq!(kept_for(&place, &captured), "key");
    for id in [&before, &other] {
        let shown = place.run(&format!("request show {id} --bodies"));
        assert_eq!((shown.code, &*shown.stdout), (0, ""), "{shown:?}");
        assert!(
            shown.stderr.contains("request_log.bodies is off"),
            "{shown:?}"
        );
    }
    let check = |place: &Place| {
        let told = place.run(&format!("request show {captured} --bodies")).ok();
        for part in [
            "kept because its key was captured",
            "anthropic-version: 2023-06-01",
            "REQUEST: ",
            "\"role\": \"user\"",
            "[[mock:default]]",
            "RESPONSE: ",
            "\"type\": \"message\"",
        ] {
            assert!(told.contains(part), "{part} in {told}");
        }
        assert!(!told.contains(&key) && !told.contains(ACCOUNT), "{told}");
    };
    check(&place);
    assert_eq!(
        place.run("key capture ci --off").ok(),
        "Not capturing key ci\n"
    );
    let after = id_of(&place, &key);
    assert_eq!(kept_for(&place, &after), Value::Null);

    for (line, code, said) in [
        ("key capture ci", 2, "--for"),
        ("key capture ci --for 1h --off", 2, "--off"),
        ("key capture nobody --for 1h", 1, "nobody"),
        ("key capture declared --for 1h", 1, "declared"),
        ("key capture ci --for 25h", 2, "at most 24h"),
        ("request show 17 --bodies", 2, "req_ and 26"),
    ] {
        let done = place.run(line);
        assert_eq!(done.code, code, "{line}: {done:?}");
        assert!(done.stderr.contains(said), "{line}: {done:?}");
    }
    for command in ["key capture", "request show"] {
        let help = place.run(&format!("{command} --help")).ok();
        assert!(help.contains("--bodies"), "{help}");
    }
    gateway.signal("TERM");
    assert_eq!(gateway.ended(ENDS_WITHIN), 0);
    // A stopped gateway's store tells the same.
    check(&place);
}
