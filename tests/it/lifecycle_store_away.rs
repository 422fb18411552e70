//! PostgreSQL gone or hanging under load: no request fails, nothing of what was counted is lost, operators are told.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::postgres::Postgres;
use crate::process::{Process, until};
use crate::serve::{Ask, KEY, Place};

/// For the store's deadlines and pauses.
const PATIENCE: Duration = Duration::from_secs(60);
/// Requests of one key while the store is away.
const MEANWHILE: u64 = 600;

#[derive(Clone, Copy, Debug)]
enum Fault {
    /// Connections are refused.
    Stopped,
    /// Connections are taken, and nothing is answered.
    Hanging,
}

#[test]
fn nothing_fails_while_the_store_is_stopped() {
    nothing_fails(Fault::Stopped);
}

#[test]
fn nothing_fails_while_the_store_hangs() {
    nothing_fails(Fault::Hanging);
}

fn nothing_fails(fault: Fault) {
    let mut database = Postgres::new();
    let place = Place::with(&format!(
        "keys: [{{ name: declared, secret: {KEY} }}]\nstorage: {{ url: \"{}\", dir: ./data }}\n",
        database.url()
    ));
    let gateway = place.serve();
    let crowd = place.key("crowd --limit requests_per_day=1000000");
    let late = place.key("late --limit requests_per_day=1000000");
    let (sent, ends) = (AtomicU64::new(0), AtomicBool::new(false));
    let passed = |count| sent.load(Ordering::SeqCst) >= count;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| ask(&place, &crowd, &sent, &ends, &gateway));
        }
        let _ends = Ends(&ends);
        assert!(until(PATIENCE, || passed(50)), "{}", gateway.log());
        match fault {
            Fault::Stopped => database.stop(),
            Fault::Hanging => database.freeze(),
        }
        let from = sent.load(Ordering::SeqCst);
        assert!(until(PATIENCE, || store(&place) == "degraded"));
        assert!(until(PATIENCE, || metric(&place, "troupe_spool_bytes") > 0.0));
        assert_eq!(metric(&place, "troupe_store_up"), 0.0);
        // Its first request: nothing of it is in memory but what was published.
        assert_eq!(place.message(&late, "default").status, 200);
        let refused = place.run("key create another");
        assert_eq!(refused.code, 1, "{refused:?}");
        assert!(refused.stderr.contains("store"), "{refused:?}");
        assert!(
            until(PATIENCE, || passed(from + MEANWHILE)),
            "{}",
            gateway.log()
        );
        match fault {
            Fault::Stopped => database.start(),
            Fault::Hanging => database.thaw(),
        }
        assert!(
            until(PATIENCE, || store(&place) == "ok"),
            "{}",
            gateway.log()
        );
        let from = sent.load(Ordering::SeqCst);
        assert!(until(PATIENCE, || passed(from + 50)), "{}", gateway.log());
    });
    let sent = sent.load(Ordering::SeqCst);
    assert!(
        until(PATIENCE, || metric(&place, "troupe_spool_bytes") == 0.0),
        "{}",
        gateway.log()
    );
    assert_eq!(metric(&place, "troupe_log_rows_dropped_total"), 0.0);
    let used = || used(&place, "crowd");
    assert!(until(PATIENCE, || used() == sent), "{} of {sent}", used());
    let rows = || rows_of(&place, "crowd");
    assert!(until(PATIENCE, || rows() == sent), "{} of {sent}", rows());
    assert_eq!(rows_of(&place, "late"), 1);
    let created = place.run("key create another").code;
    assert_eq!(created, 0, "what was refused was not done");
    let verified = place.run("audit verify");
    assert_eq!(verified.code, 0, "{verified:?}");
}

/// Says that it is over, however it ends.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn ask(place: &Place, key: &str, sent: &AtomicU64, ends: &AtomicBool, gateway: &Process) {
    while !ends.load(Ordering::SeqCst) {
        let status = place.message(key, "default").status;
        if status != 200 {
            ends.store(true, Ordering::SeqCst);
        }
        assert_eq!(status, 200, "{}", gateway.log());
        sent.fetch_add(1, Ordering::SeqCst);
    }
}

/// What readiness says of it; the gateway serves in any case.
fn store(place: &Place) -> String {
    let told = Ask::get("/readyz").send(place.address);
    assert_eq!(told.status, 200);
    let told = told.json();
    told["checks"]["store"]
        .as_str()
        .unwrap_or("none")
        .to_owned()
}

fn metric(place: &Place, name: &str) -> f64 {
    let text = Ask::get("/metrics").send(place.address).body();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.parse().ok())
        .unwrap_or_else(|| panic!("no {name} in {text}"))
}

fn used(place: &Place, key: &str) -> u64 {
    let told: Value = place.run("usage --by key --json").json();
    let lines = told.as_array().or_else(|| told["rows"].as_array());
    let line = lines.and_then(|lines| {
        let is_it = |line: &&Value| line["key"] == key || line["name"] == key;
        lines.iter().find(is_it)
    });
    line.and_then(|line| line["requests"].as_u64()).unwrap_or(0)
}

fn rows_of(place: &Place, key: &str) -> u64 {
    let mut count = 0;
    let mut cursor = String::new();
    loop {
        let told: Value = place
            .run(&format!(
                "request list --key {key} --limit 1000 --json{cursor}"
            ))
            .json();
        count += told["requests"].as_array().map_or(0, Vec::len) as u64;
        match told["next"].as_str() {
            Some(next) => cursor = format!(" --cursor {next}"),
            None => return count,
        }
    }
}
