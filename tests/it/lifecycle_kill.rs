//! `kill -9` under load loses nothing that was acknowledged, on either store, and each change has its line in the audit
//! trail: `TROUPE_SOAK_ROUNDS` rounds (3).

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use crate::postgres::Postgres;
use crate::process::until;
use crate::serve::{Ask, KEY, Place};

/// What the gateway has said is done.
#[derive(Debug, Default)]
struct Acknowledged {
    keys: Mutex<Vec<(String, String)>>,
    revoked: Mutex<Vec<String>>,
    files: Mutex<Vec<String>>,
}

fn rounds() -> u32 {
    let wanted = std::env::var("TROUPE_SOAK_ROUNDS").ok();
    wanted.and_then(|number| number.parse().ok()).unwrap_or(3)
}

fn add<T>(list: &Mutex<Vec<T>>, item: T) {
    list.lock().expect("a list").push(item);
}

fn take<T>(list: &Mutex<Vec<T>>) -> Vec<T> {
    std::mem::take(&mut list.lock().expect("a list"))
}

/// Makes keys, and revokes every third of them.
fn make_keys(place: &Place, prefix: &str, done: &Acknowledged, killed: &AtomicBool) {
    for number in 0.. {
        let name = format!("{prefix}-{number}");
        let made = place.run(&format!("key create {name} --quiet"));
        if killed.load(Ordering::SeqCst) {
            // Without a gateway the commands work on the store: that is another test.
            return;
        }
        assert_eq!(made.code, 0, "{made:?}");
        let secret = made.stdout.trim().to_owned();
        if number % 3 == 2 {
            let revoked = place.run(&format!("key revoke {name}"));
            if revoked.code == 0 {
                add(&done.revoked, secret);
            }
        } else {
            add(&done.keys, (name, secret));
        }
    }
}

/// Makes files upstream until the gateway is gone; each belongs to the key from the 2xx on.
fn make_files(place: &Place, done: &Acknowledged) {
    let ask = Ask::new("POST", "/v1/files", "content".into())
        .key(KEY)
        .with("anthropic-beta", "files-api-2025-04-14");
    while let Ok(mut made) = ask.try_send(place.address) {
        if made.status != 200 {
            continue;
        }
        let Ok(body) = made.rest() else { return };
        let body: serde_json::Value = serde_json::from_str(&body).expect("a file's object");
        add(&done.files, body["id"].as_str().expect("its id").to_owned());
    }
}

fn talk(place: &Place) {
    let ask = Ask::message("paced", true).key(KEY);
    while let Ok(mut stream) = ask.try_send(place.address) {
        let _ = stream.rest();
    }
}

#[test]
fn kill_9_under_load_loses_nothing_acknowledged() {
    nothing_is_lost("");
}

#[test]
fn kill_9_under_load_loses_nothing_acknowledged_on_postgresql() {
    let database = Postgres::new();
    nothing_is_lost(&format!(
        "storage: {{ url: \"{}\", dir: ./data }}\n",
        database.url()
    ));
}

fn nothing_is_lost(storage: &str) {
    let place = Place::with(&format!(
        "keys: [{{ name: declared, secret: {KEY}, endpoints: all }}, {{ name: stranger, secret: {KEY}-2, endpoints: all }}]\n{storage}"
    ));
    let mut kept = 0;
    for round in 0..rounds() {
        let mut gateway = place.serve();
        let (done, killed) = (Acknowledged::default(), AtomicBool::new(false));
        std::thread::scope(|scope| {
            for worker in 0..2 {
                let prefix = format!("r{round}-w{worker}");
                let (place, done, killed) = (&place, &done, &killed);
                scope.spawn(move || make_keys(place, &prefix, done, killed));
                scope.spawn(move || make_files(place, done));
            }
            scope.spawn(|| talk(&place));
            let busy = || {
                let enough = |count: usize| count > 3;
                enough(done.keys.lock().expect("a list").len())
                    && enough(done.files.lock().expect("a list").len())
            };
            assert!(until(Duration::from_secs(30), busy), "{}", gateway.log());
            std::thread::park_timeout(moment());
            killed.store(true, Ordering::SeqCst);
            gateway.signal("KILL");
            assert_eq!(gateway.ended(Duration::from_secs(10)), 128 + 9);
        });
        kept += check(&place, &done);
    }
    assert!(kept > 0);
}

/// Up to 300 ms, never the same: the kill comes at any point of the work.
fn moment() -> Duration {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Duration::from_millis(u64::from(now.expect("a date").subsec_micros()) % 300)
}

fn check(place: &Place, done: &Acknowledged) -> usize {
    let gateway = place.serve();
    let (keys, revoked, files) = (take(&done.keys), take(&done.revoked), take(&done.files));
    for (name, secret) in &keys {
        assert_eq!(
            place.models(secret),
            200,
            "key {name} is lost:\n{}",
            gateway.log()
        );
    }
    for secret in &revoked {
        assert_eq!(place.models(secret), 401, "a revoked key is back");
    }
    for file in &files {
        let path = format!("/v1/files/{file}");
        let status = |key: &str| Ask::get(&path).key(key).status(place.address);
        assert_eq!(status(KEY), 200, "{file}");
        assert_eq!(
            status(&format!("{KEY}-2")),
            404,
            "{file} has lost its owner"
        );
    }
    let verified = place.run("audit verify");
    assert_eq!(verified.code, 0, "{verified:?}");
    let trail = place.run("audit export --json --action key.created").ok();
    for (name, _) in &keys {
        let resource = format!("\"key:{name}\"");
        assert_eq!(trail.matches(&resource).count(), 1, "{name}:\n{trail}");
    }
    keys.len() + files.len()
}
