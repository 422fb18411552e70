//! `troupe request list`: what is looked for, page by page, on a running gateway and on a stopped one.

use serde_json::Value;

use crate::process::until;
use crate::serve::{Ask, ENDS_WITHIN, KEY, Place};

const OTHER: &str = "another-declared-key-0123456789";

/// Two keys, one of which somebody owns.
fn place() -> Place {
    Place::with(&format!(
        "keys:\n- {{ name: ci, secret: {KEY}, owner: ann@example.org, group: web }}\n- {{ name: other, secret: {OTHER} }}\n"
    ))
}

fn ids(listing: &Value) -> Vec<&str> {
    let rows = listing["requests"].as_array().expect("a list");
    rows.iter().map(|row| row["id"].as_str().unwrap()).collect()
}

/// In the order in which they began.
fn sorted(listing: &Value) -> Vec<&str> {
    let mut ids = ids(listing);
    ids.sort_unstable();
    ids
}

/// Five requests: their ids.
fn work(place: &Place) -> [String; 5] {
    let ask = |ask: Ask| {
        ask.send(place.address)
            .header("request-id")
            .unwrap()
            .to_owned()
    };
    [
        ask(Ask::message("default", false).key(KEY)),
        ask(Ask::message("default", true).key(KEY)),
        ask(Ask::message("status_400", false).key(OTHER)),
        ask(Ask::message("status_529", false).key(OTHER)),
        ask(Ask::message("default", false).key("no-such-key-0123456789abc")),
    ]
}

#[test]
fn each_filter_finds_what_it_names() {
    let place = place();
    let mut gateway = place.serve();
    let all = work(&place);
    let [whole, stream, bad, busy, refused] = all.each_ref().map(String::as_str);
    let list = |more: &str| place.run(&format!("request list --json {more}")).json();
    // A worker tells its rows in batches.
    let told = || ids(&list("")).len() == all.len();
    assert!(until(ENDS_WITHIN, told), "{}", list(""));
    let shown = place.run(&format!("request show {whole} --json")).json();
    let upstream_id = shown["upstream_request_id"].as_str().expect("an id");
    let session = place.run(&format!("request show {stream}")).ok();
    let check = || {
        for (filter, wanted) in [
            ("", &[whole, stream, bad, busy, refused][..]),
            ("--key ci", &[whole, stream]),
            ("--key other --status 4xx", &[bad]),
            ("--owner ann@example.org", &[whole, stream]),
            ("--group web --stream", &[stream]),
            ("--group web --stream=false", &[whole]),
            ("--account scripted", &[whole, stream, bad, busy]),
            (
                "--account scripted --key ci --outcome completed",
                &[whole, stream],
            ),
            ("--model claude-haiku-4-5 --status 400", &[bad]),
            ("--model nothing-of-the-kind", &[]),
            ("--status 401", &[refused]),
            ("--outcome refused", &[refused]),
            ("--route messages --status 4xx", &[bad]),
            ("--route models", &[]),
            ("--min-duration 1h", &[]),
            ("--min-cost 1000", &[]),
            (
                "--since 1h --until 2100-01-01",
                &[whole, stream, bad, busy, refused],
            ),
            ("--until 2020-01-01", &[]),
            ("--since 2100-01-01", &[]),
            (&format!("--upstream-id {upstream_id}"), &[whole]),
        ] {
            let found = list(filter);
            assert_eq!(sorted(&found), wanted, "{filter}: {found}");
        }
        let failed = list("--error 529");
        assert_eq!(ids(&failed), [busy], "{}", list("--key other"));
        assert!(list("--all -n 1000")["requests"].as_array().unwrap().len() > all.len());
    };
    check();
    assert!(session.contains(stream), "{session}");
    gateway.signal("TERM");
    assert_eq!(gateway.ended(ENDS_WITHIN), 0);
    check();
}

#[test]
fn pages_lead_to_each_row_once() {
    let place = place();
    let _gateway = place.serve();
    let mut sent: Vec<_> = (0..7).map(|_| place.message(KEY, "default")).collect();
    let mut sent: Vec<_> = sent
        .iter_mut()
        .map(|reply| reply.header("request-id").expect("an id").to_owned())
        .collect();
    let list = |more: &str| place.run(&format!("request list --json {more}")).json();
    assert!(until(ENDS_WITHIN, || ids(&list("")).len() == sent.len()));
    sent.sort_unstable();
    let mut seen = Vec::new();
    let mut cursor = String::new();
    for page in 0.. {
        assert!(page < 4, "{seen:?}");
        let found = list(&format!("--key ci -n 3 {cursor}"));
        let ids = ids(&found);
        assert!(ids.len() <= 3, "{found}");
        seen.extend(ids.iter().map(|id| (*id).to_owned()));
        // What comes between two pages is before the first of them.
        place.message(KEY, "default");
        match found["next"].as_str() {
            Some(next) => cursor = format!("--cursor {next}"),
            None => break,
        }
    }
    seen.sort_unstable();
    assert_eq!(seen, sent);
    let wrong = place.run("request list --cursor nonsense");
    assert!(
        wrong.code != 0 && wrong.stderr.contains("cursor"),
        "{wrong:?}"
    );
}

#[test]
fn people_get_a_table_and_help() {
    let place = place();
    let empty = place.run("request list");
    assert_eq!((empty.code, &*empty.stdout), (0, ""), "{empty:?}");
    assert!(empty.stderr.contains("no such requests"), "{empty:?}");
    let _gateway = place.serve();
    work(&place);
    let table = || place.run("request list");
    assert!(until(ENDS_WITHIN, || table().stdout.lines().count() == 6));
    let table = place.run("request list -n 2");
    assert!(table.stdout.starts_with("ENDED "), "{table:?}");
    assert_eq!(table.stdout.lines().count(), 3, "{table:?}");
    assert!(table.stderr.contains("--cursor "), "{table:?}");
    let help = place.run("request list --help").ok();
    for part in [
        "--min-duration",
        "--cursor",
        "--upstream-id",
        "Examples:",
        "troupe request list --status 5xx",
    ] {
        assert!(help.contains(part), "{part} in {help}");
    }
    let listed = place.run("request --help").ok();
    assert!(
        listed.contains("Look for requests, the newest first"),
        "{listed}"
    );
    for (line, said) in [
        ("--status 9", "4xx"),
        ("--outcome well", "completed, refused, failed"),
        ("--route door", "count_tokens"),
        ("--session 12", "16 hexadecimal digits"),
        ("-n 0", "1..=1000"),
    ] {
        let error = place.run(&format!("request list {line}")).error(2);
        assert!(error.contains(said), "{line}: {error}");
    }
    for (line, said) in [
        ("--since noon", "since is a date"),
        ("--min-cost ten", "in dollars"),
        ("--min-duration long", "5s"),
        ("--key nobody", "key list --revoked"),
    ] {
        let done = place.run(&format!("request list {line}"));
        assert!(
            done.code != 0 && done.stderr.contains(said),
            "{line}: {done:?}"
        );
    }
}
