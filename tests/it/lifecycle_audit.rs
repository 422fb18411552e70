//! The trail over the life of a process: `kill -9` under changes (`TROUPE_SOAK_ROUNDS` rounds, 3), torn lines, reloads.

use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use crate::cli_audit::{files, lines, told};
use crate::process::until;
use crate::serve::{KEY, Place};

fn rounds() -> u32 {
    let wanted = std::env::var("TROUPE_SOAK_ROUNDS").ok();
    wanted.and_then(|number| number.parse().ok()).unwrap_or(3)
}

/// Up to 300 ms, never the same: the kill comes at any point of the work.
fn moment() -> Duration {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Duration::from_millis(u64::from(now.expect("a date").subsec_micros()) % 300)
}

#[test]
fn kill_9_under_changes_loses_no_line_of_what_was_acknowledged() {
    let place = Place::new();
    let done: Mutex<Vec<String>> = Mutex::default();
    for round in 0..rounds() {
        let mut gateway = place.serve();
        let killed = AtomicBool::new(false);
        let before = done.lock().expect("a list").len();
        std::thread::scope(|scope| {
            for worker in 0..2 {
                let (place, done, killed) = (&place, &done, &killed);
                scope.spawn(move || {
                    for number in 0.. {
                        let name = format!("r{round}-w{worker}-{number}");
                        let made = place.run(&format!("key create {name} --quiet"));
                        if made.code == 0 {
                            done.lock().expect("a list").push(name);
                        }
                        if killed.load(Ordering::SeqCst) {
                            return;
                        }
                    }
                });
            }
            let busy = || done.lock().expect("a list").len() > before + 4;
            assert!(until(Duration::from_secs(30), busy), "{}", gateway.log());
            std::thread::park_timeout(moment());
            killed.store(true, Ordering::SeqCst);
            gateway.signal("KILL");
            gateway.ended(Duration::from_secs(10));
        });
        // The next start tells what was committed and not told, and takes a torn line off.
        place.run("key create settled --quiet").ok();
        place.run("key revoke settled").ok();
        let made = told(&place, "key.created");
        for name in done.lock().expect("a list").iter() {
            let resource = format!("key:{name}");
            let lines = made
                .iter()
                .filter(|line| line["resource"] == resource.as_str());
            assert_eq!(lines.count(), 1, "{name}");
        }
        assert!(place.run("audit verify").ok().starts_with("OK: "));
    }
    let events: Vec<_> = lines(&place)
        .iter()
        .filter_map(|l| l["event"].as_u64())
        .collect();
    assert_eq!(
        events,
        (1..=events.len() as u64).collect::<Vec<_>>(),
        "each once"
    );
}

#[test]
fn a_torn_line_is_repaired_at_the_next_start() {
    let place = Place::new();
    place.run("key create a --quiet").ok();
    let file = files(&place).pop().expect("a file");
    let mut torn = std::fs::File::options()
        .append(true)
        .open(file)
        .expect("a file");
    torn.write_all(b"{\"timestamp\":\"2026-")
        .expect("half a line");
    assert!(place.run("audit verify").error(1).contains("torn"));
    let gateway = place.serve();
    assert_eq!(told(&place, "trail.repaired").len(), 1, "{}", gateway.log());
    assert!(place.run("audit verify").ok().starts_with("OK: "));
}

#[test]
fn a_cut_tail_is_told_loudly_at_the_next_start() {
    let place = Place::new();
    place.run("key create a --quiet").ok();
    place.run("key create b --quiet").ok();
    let file = files(&place).pop().expect("a file");
    let text = std::fs::read_to_string(&file).expect("a file");
    let first = text.lines().next().expect("a line");
    std::fs::write(&file, format!("{first}\n")).expect("a file");
    let gateway = place.serve();
    assert!(gateway.stderr().contains("tail was cut") || gateway.log().contains("tail was cut"));
    assert_eq!(told(&place, "trail.damaged").len(), 1);
    assert!(
        place
            .run("audit verify")
            .error(1)
            .contains("line 2 is missing")
    );
    assert_eq!(place.message(KEY, "default").status, 200, "requests go on");
}

#[test]
fn a_reload_is_told_with_what_changed_and_no_secret() {
    let place = Place::new();
    let _gateway = place.serve();
    // Ready is said a moment before the file is watched.
    place.run("key create first --quiet").ok();
    let account = place.account("scripted", crate::serve::ACCOUNT);
    let keys = |more: &str| format!("keys: [{{ name: declared, secret: {KEY} }}{more}]\n");
    let another = ", { name: another, secret: another-key-0123456789abcdef }";
    place.configure(&(account.clone() + &keys(another) + "limits: { concurrency_queue: 9s }\n"));
    let wait = Duration::from_secs(10);
    assert!(until(wait, || !told(&place, "config.reloaded").is_empty()));
    let line = told(&place, "config.reloaded").remove(0);
    assert_eq!(line["after"]["limits.concurrency_queue"], "9s", "{line}");
    assert_eq!(line["before"]["limits.concurrency_queue"], "30s", "{line}");
    assert!(line.to_string().contains("keys.another"), "{line}");
    assert!(
        !line.to_string().contains("another-key-0123456789abcdef"),
        "{line}"
    );
    place.configure("nonsense: 1\n");
    assert!(until(wait, || !told(&place, "config.rejected").is_empty()));
    assert_eq!(told(&place, "config.rejected")[0]["status"], "failed");
}
