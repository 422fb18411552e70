//! What requests leave in the audit trail: floods of bad keys, limits that are used up.

use std::time::Duration;

use crate::cli_audit::told;
use crate::process::until;
use crate::serve::{KEY, Place};

const WITHIN: Duration = Duration::from_secs(10);

#[test]
fn a_flood_of_bad_keys_is_few_lines() {
    let place = Place::new();
    let mut gateway = place.serve();
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let place = &place;
            scope.spawn(move || {
                for n in 0..1_250 {
                    let key = format!("wrong-key-{worker}-{n}-0123456789abcdef");
                    assert_eq!(place.models(&key), 401);
                }
            });
        }
    });
    assert_eq!(place.models(KEY), 200);
    gateway.signal("TERM");
    assert_eq!(gateway.ended(WITHIN), 0, "{}", gateway.log());
    let lines = told(&place, "client.sign_in_failed");
    assert!(lines.len() <= 6, "{} lines", lines.len());
    let counted: u64 = lines.iter().map(|l| l["count"].as_u64().unwrap_or(1)).sum();
    assert_eq!(counted, 5_000);
    assert!(
        lines[0]["remote"].is_string() && lines[0]["status"] == "denied",
        "{}",
        lines[0]
    );
    let text = serde_json::to_string(&lines).expect("text");
    assert!(
        !text.contains("wrong-key-"),
        "what a caller sent is in the trail"
    );
    assert!(place.run("audit verify").ok().starts_with("OK: "));
}

#[test]
fn a_limit_that_is_used_up_is_one_line_a_window() {
    let place = Place::with(&format!(
        "keys: [{{ name: small, secret: {KEY}, limits: {{ requests_per_month: 2 }} }}]\n"
    ));
    let _gateway = place.serve();
    let statuses: Vec<_> = (0..9)
        .map(|_| place.message(KEY, "default").status)
        .collect();
    assert_eq!(statuses, [200, 200, 429, 429, 429, 429, 429, 429, 429]);
    assert!(until(WITHIN, || !told(&place, "quota.exceeded").is_empty()));
    place.run("key create after --quiet").ok();
    let lines = told(&place, "quota.exceeded");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["resource"], "key:small", "{}", lines[0]);
    assert_eq!(
        lines[0]["after"]["limit"], "requests_per_month",
        "{}",
        lines[0]
    );
}
