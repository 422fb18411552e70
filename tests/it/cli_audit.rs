//! `troupe audit …` on a running gateway, on a stopped one, and on files alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::process::until;
use crate::serve::{ACCOUNT, KEY, Place};

pub fn files(place: &Place) -> Vec<PathBuf> {
    let found = fs::read_dir(place.data().join("audit")).expect("the trail's folder");
    let paths = found.map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|e| e == "jsonl"))
        .collect();
    files.sort();
    files
}

pub fn lines(place: &Place) -> Vec<Value> {
    let text: String = files(place)
        .iter()
        .map(|file| fs::read_to_string(file).expect("a file of the trail"))
        .collect();
    // The last one may be on its way.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line"))
        .collect()
}

pub fn told(place: &Place, action: &str) -> Vec<Value> {
    let mut lines = lines(place);
    lines.retain(|line| line["action"] == action);
    lines
}

fn change_things(place: &Place) {
    place
        .run("key create ci --quiet --owner me@example.org")
        .ok();
    place.run("key update ci --group platform").ok();
    place.run("key disable ci").ok();
    place.run("key enable ci").ok();
    place.run("key rotate ci --quiet").ok();
    place.run("key revoke ci").ok();
    place
        .run_with("account add spare --api-key-stdin", &format!("{ACCOUNT}-2"))
        .ok();
    place.run("account update spare --weight 7").ok();
    place.run("account disable spare").ok();
    place.run("account remove spare").ok();
    place.run("key revoke nobody").error(1);
    place.run("key revoke declared").error(1);
}

/// Actions and statuses of what an operator did, in order.
const TOLD: [(&str, &str, &str); 12] = [
    ("key.created", "key:ci", "ok"),
    ("key.updated", "key:ci", "ok"),
    ("key.disabled", "key:ci", "ok"),
    ("key.enabled", "key:ci", "ok"),
    ("key.rotated", "key:ci", "ok"),
    ("key.revoked", "key:ci", "ok"),
    ("account.created", "account:spare", "ok"),
    ("account.updated", "account:spare", "ok"),
    ("account.disabled", "account:spare", "ok"),
    ("account.removed", "account:spare", "ok"),
    ("key.revoked", "key:nobody", "failed"),
    ("key.revoked", "key:declared", "denied"),
];

fn check_told(place: &Place) {
    let lines = lines(place);
    let by_cli: Vec<_> = lines.iter().filter(|line| line["actor"] == "cli").collect();
    let told: Vec<_> = by_cli
        .iter()
        .map(|line| {
            let text = |name: &str| line[name].as_str().expect("text");
            (text("action"), text("resource"), text("status"))
        })
        .collect();
    assert_eq!(told, TOLD);
    assert_eq!(by_cli[1]["after"]["group"], "platform", "{}", by_cli[1]);
    assert!(by_cli[1]["after"].get("owner").is_none(), "{}", by_cli[1]);
    assert_eq!(by_cli[7]["before"]["weight"], 1, "{}", by_cli[7]);
    assert_eq!(by_cli[7]["after"]["weight"], 7, "{}", by_cli[7]);
    assert!(by_cli[10]["reason"].is_string());
}

fn check_secrets(place: &Place, secrets: &[&str]) {
    for file in files(place) {
        let text = fs::read_to_string(file).expect("a file");
        for secret in secrets {
            assert!(!text.contains(secret), "a secret is in the trail");
        }
    }
}

#[test]
fn a_stopped_gateways_changes_are_told_before_the_command_ends() {
    let place = Place::new();
    change_things(&place);
    check_told(&place);
    check_secrets(&place, &[ACCOUNT, KEY]);
    let told = place.run("audit verify").ok();
    assert!(told.starts_with("OK: "), "{told}");
    let json = place.run("audit verify --json").json();
    assert_eq!(
        (&json[0]["ok"], &json[0]["tail_judged"]),
        (&true.into(), &true.into())
    );
}

#[test]
fn a_running_gateways_changes_are_told_before_they_are_acknowledged() {
    let place = Place::new();
    let mut gateway = place.serve();
    change_things(&place);
    check_told(&place);
    assert!(place.run("audit verify").ok().starts_with("OK: "));
    gateway.signal("TERM");
    assert_eq!(
        gateway.ended(Duration::from_secs(10)),
        0,
        "{}",
        gateway.log()
    );
    let first = &lines(&place)[0];
    assert_eq!(told(&place, "gateway.started").len(), 1, "{first}");
    assert_eq!(told(&place, "gateway.stopped")[0]["after"]["clean"], true);
    assert!(place.run("audit verify").ok().starts_with("OK: "));
    // What happened is told once, however often the trail is opened.
    place.run("key create late --quiet").ok();
    let events: Vec<_> = lines(&place)
        .iter()
        .filter_map(|l| l["event"].as_u64())
        .collect();
    assert_eq!(events, (1..=events.len() as u64).collect::<Vec<_>>());
}

/// Does something to the trail of a stopped gateway, and gives what the verification says.
fn tampered(change: impl FnOnce(&Place, &Path)) -> String {
    let place = Place::new();
    for n in 0..4 {
        place.run(&format!("key create k{n} --quiet")).ok();
    }
    place.run("audit verify").ok();
    let file = files(&place).pop().expect("a file");
    change(&place, &file);
    place.run("audit verify").error(1)
}

fn rewrite(file: &Path, change: impl FnOnce(&mut Vec<String>)) {
    let text = fs::read_to_string(file).expect("a file");
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    change(&mut lines);
    fs::write(file, lines.join("\n") + "\n").expect("a file");
}

#[test]
fn every_kind_of_tampering_is_found_and_placed() {
    let says = |said: &str, words: &[&str]| {
        for word in words {
            assert!(said.contains(word), "{word} in {said}");
        }
    };
    let flipped = tampered(|_, file| rewrite(file, |l| l[1] = l[1].replace("key:k1", "key:kX")));
    says(&flipped, &[".jsonl:2:", "line number 2", "hash mismatch"]);
    let removed = tampered(|_, file| rewrite(file, |l| drop(l.remove(1))));
    says(&removed, &[".jsonl:2:", "line 2 is missing"]);
    let swapped = tampered(|_, file| rewrite(file, |l| l.swap(1, 2)));
    says(&swapped, &[".jsonl:2:", "reordered"]);
    let cut = tampered(|_, file| rewrite(file, |l| drop(l.pop())));
    says(&cut, &["tail is cut", "line 4 is missing"]);
    let deleted = tampered(|_, file| fs::remove_file(file).expect("a file"));
    says(&deleted, &["4"]);
    let no_folder = tampered(|place, _| {
        fs::remove_dir_all(place.data().join("audit")).expect("a folder");
    });
    says(&no_folder, &["gone"]);
}

#[test]
fn files_alone_are_judged_but_for_their_tail() {
    let place = Place::new();
    place.run("key create a --quiet").ok();
    place.run("key create b --quiet").ok();
    let copy = place.path().join("copy");
    fs::create_dir(&copy).expect("a folder");
    for file in files(&place) {
        fs::copy(&file, copy.join(file.file_name().expect("a name"))).expect("a copy");
    }
    let done = place.run("audit verify --dir copy");
    assert_eq!(
        (done.code, done.stdout.starts_with("OK: 2 lines")),
        (0, true),
        "{done:?}"
    );
    assert!(done.stderr.contains("cannot be judged"), "{done:?}");
    place.run("audit verify --dir nowhere").error(1);
}

#[test]
fn lines_are_written_out_with_filters() {
    let place = Place::new();
    change_things(&place);
    let all = place.run("audit export").ok();
    assert_eq!(all, fs::read_to_string(&files(&place)[0]).expect("a file"));
    let count = |arguments: &str| {
        place
            .run(&format!("audit export {arguments}"))
            .ok()
            .lines()
            .count()
    };
    assert_eq!(count("--action key"), 8);
    assert_eq!(count("--action key.revoked --status ok"), 1);
    assert_eq!(count("--resource account:spare --since 1h"), 4);
    assert_eq!(count("--until 2020-01-01"), 0);
    assert_eq!(count("--actor system"), 0);
    let csv = place.run("audit export --csv --status denied").ok();
    assert!(
        csv.starts_with("timestamp,node,seq,actor,action,resource,status,"),
        "{csv}"
    );
    assert_eq!(csv.lines().count(), 2);
    place.run("audit export --out lines.jsonl").ok();
    assert_eq!(
        fs::read_to_string(place.path().join("lines.jsonl")).expect("a file"),
        all
    );
    place.run("audit export --out lines.jsonl").error(1);
    let table = place.run("audit list --limit 3").ok();
    assert_eq!(table.lines().count(), 4, "{table}");
    place.run("audit export --since yesterday").error(2);
}

#[test]
fn nothing_is_changed_while_the_trail_cannot_be_written() {
    let place = Place::new();
    fs::create_dir_all(place.data()).expect("a folder");
    // A file where the folder should be: nobody, root neither, can write there.
    fs::write(place.data().join("audit"), "").expect("a file");
    let refusal = place.run("key create a --quiet").error(1);
    assert!(
        refusal.contains("audit trail cannot be written"),
        "{refusal}"
    );
    let gateway = place.serve();
    assert_eq!(place.message(KEY, "default").status, 200, "requests go on");
    place.run("key create a --quiet").error(1);
    assert_eq!(
        place.run("key list --json").json().as_array().map(Vec::len),
        Some(1)
    );
    fs::remove_file(place.data().join("audit")).expect("a file");
    let again = until(Duration::from_secs(10), || {
        place.run("key create a --quiet").code == 0
    });
    assert!(again, "{}", gateway.log());
    assert_eq!(told(&place, "trail.recovered").len(), 1);
    assert_eq!(told(&place, "gateway.started").len(), 1, "it was kept");
    assert!(place.run("audit verify").ok().starts_with("OK: "));
}
