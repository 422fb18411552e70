//! No secret stands in clear in an output, a log or a file.

use std::path::{Path, PathBuf};

use crate::serve::{ACCOUNT, Ask, ENDS_WITHIN, KEY, Place};

const BROUGHT: &str = "brought-along-secret-0123456789";
const PROMPT: &str = "a-prompt-that-belongs-to-nobody-else";

/// Every file below `folder` that is not the operator's own configuration.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let kind = path.symlink_metadata().expect("its kind").file_type();
        if kind.is_dir() {
            files(&path, found);
        } else if kind.is_file() && path.file_name().is_none_or(|name| name != "troupe.yaml") {
            found.push(path);
        }
    }
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|part| part == text.as_bytes())
}

#[test]
fn secrets_stay_where_they_were_put() {
    let place = Place::new();
    let mut command = place.command("serve");
    command.env("TROUPE_TELEMETRY__LOG__LEVEL", "trace");
    let mut gateway = place.start("troupe", command);
    let made = place.key("made");
    place
        .run_with("key create brought --secret-stdin --json", BROUGHT)
        .ok();
    let rotated = place.run("key rotate made --quiet").ok().trim().to_owned();
    let url = place.upstream.url();
    let added = format!("{ACCOUNT}-2");
    place
        .run_with(
            &format!("account add second --base-url {url} --api-key-stdin"),
            &added,
        )
        .ok();
    for line in [
        "key list --json",
        "key show made --json",
        "account list --json",
        "account show second",
        "account test second",
        "config show",
    ] {
        let said = place.run(line).ok();
        for secret in [&made, &rotated, BROUGHT, KEY, ACCOUNT] {
            assert!(!said.contains(secret), "{line}: {said}");
        }
    }
    for key in [&rotated, BROUGHT, KEY, &made] {
        let text = format!("{PROMPT} [[mock:default]]");
        let body = serde_json::json!({"model": "claude-haiku-4-5", "max_tokens": 9,
            "messages": [{"role": "user", "content": text}]});
        let ask = Ask::new("POST", "/v1/messages", body.to_string());
        ask.with("authorization", &format!("Bearer {key}"))
            .send(place.address)
            .body();
        place
            .stream(key, "mid_error")
            .rest()
            .expect("an error event");
    }
    let metrics = Ask::get("/metrics").send(place.address).body();
    gateway.signal("TERM");
    assert_eq!(gateway.ended(ENDS_WITHIN), 0, "{}", gateway.log());

    let mut paths = Vec::new();
    files(place.path(), &mut paths);
    assert!(
        paths.iter().any(|path| path.starts_with(place.data())),
        "{paths:?}"
    );
    assert!(gateway.stderr().contains("TRACE"));
    for secret in [&made, &rotated, &added, BROUGHT, KEY, ACCOUNT, PROMPT] {
        assert!(!contains(metrics.as_bytes(), secret));
        for path in &paths {
            let bytes = std::fs::read(path).expect("a file");
            assert!(
                !contains(&bytes, secret),
                "{secret} stands in {}",
                path.display()
            );
        }
    }
}

#[test]
fn what_is_secret_is_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let _gateway = place.serve();
    let mode = |name: &str| {
        let meta = std::fs::symlink_metadata(place.data().join(name)).expect("it is there");
        meta.permissions().mode() & 0o777
    };
    assert_eq!(mode("master.key"), 0o600);
    assert_eq!(mode("run"), 0o700);
    assert_eq!(mode("run/troupe.sock"), 0o600);
    assert_eq!(mode("") & 0o077, 0, "others can enter the data folder");
}
