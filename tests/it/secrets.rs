//! Every secret that a test uses, and the places where none may stand: what processes print and log, the files of the
//! store, answers to clients, to operators and on the control socket.
//!
//! Invariant: nobody has to remember to look. Secrets are known from configurations, requests, environments and inputs as
//! they are used; what a process left is looked through when its guard goes, an answer when it is read. Only the commands
//! whose purpose is to tell a secret once are let off.

mod found;
mod yaml;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use found::Needles;

/// Shorter ones are words.
const SHORTEST: usize = 12;
/// Headers whose values are credentials.
const HEADERS: [&str; 5] = [
    "x-api-key",
    "authorization",
    "x-troupe-key",
    "proxy-authorization",
    "cookie",
];
/// Commands that tell a secret once, and those that start with an empty store and tell their first key.
const TELLERS: [&str; 4] = ["create", "rotate", "demo", "serve"];

static KNOWN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

fn known() -> MutexGuard<'static, BTreeSet<String>> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// This is one.
pub fn know(secret: &str) {
    let secret = secret.trim();
    if secret.len() >= SHORTEST {
        known().insert(secret.to_owned());
    }
}

/// So are those in the configuration files of a folder, and its master key.
pub fn know_folder(folder: &Path) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()) {
        if path.extension() == Some(OsStr::new("yaml")) {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            yaml::secrets(&text).iter().for_each(|secret| know(secret));
        }
    }
    if let Ok(key) = std::fs::read_to_string(folder.join("data/master.key")) {
        know(&key);
    }
}

/// And those of an operation.
pub fn know_json(input: &Value) {
    for (name, value) in input.as_object().into_iter().flatten() {
        match value {
            Value::String(text) if yaml::NAMES.contains(&name.as_str()) => know(text),
            _ => know_json(value),
        }
    }
}

/// And those that a request carries.
pub fn know_header(name: &str, value: &str) {
    if !HEADERS
        .iter()
        .any(|header| header.eq_ignore_ascii_case(name))
    {
        return;
    }
    // `Bearer …`, `a=b; c=d`.
    for part in value.split([' ', ';', '=']) {
        know(part);
    }
}

/// And those that a command is given.
pub fn know_command(command: &Command, input: &str) {
    let is_secret = |name: &OsStr| {
        let name = name.to_string_lossy().to_uppercase();
        ["KEY", "SECRET", "PASSWORD", "TOKEN"]
            .iter()
            .any(|word| name.ends_with(word))
    };
    for (name, value) in command.get_envs() {
        if let Some(value) = value.filter(|_| is_secret(name)) {
            know(&value.to_string_lossy());
        }
    }
    if command
        .get_args()
        .any(|arg| arg.to_string_lossy().ends_with("-stdin"))
    {
        know(input);
    }
}

/// May this command's output hold a secret?
pub fn tells(command: &Command) -> bool {
    command
        .get_args()
        .any(|arg| TELLERS.iter().any(|teller| arg == *teller))
}

/// Fails when a secret stands in what `place` has given.
pub fn look(place: &str, bytes: &[u8]) {
    if std::thread::panicking() {
        return;
    }
    let needles = Needles::new(&known());
    if let Some(found) = needles.first_in(bytes) {
        let text = String::from_utf8_lossy(bytes);
        let text: String = text.chars().take(4_000).collect();
        panic!("{found} stands in {place}:\n{text}");
    }
}

/// What a process printed and logged, and what its gateway stored in `folder`.
pub fn look_after_process(name: &str, folder: &Path) {
    if std::thread::panicking() {
        return;
    }
    know_folder(folder);
    let needles = Needles::new(&known());
    let mut paths = vec![folder.join(format!("{name}.stderr"))];
    files(&folder.join("data"), &mut paths);
    for path in paths
        .iter()
        .filter(|path| path.file_name() != Some(OsStr::new("master.key")))
    {
        let bytes = std::fs::read(path).unwrap_or_default();
        if let Some(found) = needles.first_at_rest_in(&bytes) {
            panic!("{found} stands in {}", path.display());
        }
    }
    // A first key is told once; the secrets of the test are told nowhere.
    let stdout = std::fs::read(folder.join(format!("{name}.stdout"))).unwrap_or_default();
    if let Some(found) = needles.first_known_in(&stdout) {
        panic!("{found} stands in the output of {name}");
    }
}

fn files(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files(&entry.path(), found),
            Ok(kind) if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
}

/// Whoever looks must see: a process that says or stores a secret of its configuration fails its test.
#[test]
fn a_process_that_tells_a_secret_is_found_out() {
    let scripts = [
        ("echo said-secret-0123456789 >&2", true),
        (
            "mkdir -p data/x && printf 'a\\0said-secret-0123456789b' > data/x/db",
            true,
        ),
        ("echo said-secret", false),
    ];
    for (script, is_found) in scripts {
        let folder = tempfile::tempdir().expect("a folder");
        let config = "keys: [{ name: k, secret: said-secret-0123456789 }]\n";
        std::fs::write(folder.path().join("troupe.yaml"), config).expect("a file");
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let path = folder.path().to_owned();
        let looked = std::thread::spawn(move || {
            let mut process = crate::process::Process::start("sh", command, &path);
            process.ended(std::time::Duration::from_secs(20));
        });
        assert_eq!(looked.join().is_err(), is_found, "{script}");
    }
}
