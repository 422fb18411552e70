//! `troupe import` and `troupe account batch`: what comes along, what is told, and that both may be repeated.

use std::time::Duration;

use serde_json::{Value, json};

use crate::postgres::{PASSWORD, Postgres};
use crate::process::until;
use crate::serve::{ACCOUNT, KEY, Place};

fn place() -> Place {
    let place = Place::bare();
    place.configure(&format!("keys: [{{ name: declared, secret: {KEY} }}]\n"));
    place
}

fn write(place: &Place, name: &str, content: &str) {
    std::fs::write(place.path().join(name), content).expect("a file");
}

fn outcomes(report: &Value) -> Vec<&str> {
    let items = report["items"].as_array().expect("items");
    items
        .iter()
        .map(|item| item["outcome"].as_str().unwrap())
        .collect()
}

fn clove(refresh_token: &str) -> String {
    json!({"0b9c5e60-6ac3-4f5e-9f0a-3c1de5a5a0f1": {
        "organization_uuid": "0b9c5e60-6ac3-4f5e-9f0a-3c1de5a5a0f1",
        "cookie_value": "sessionKey=sk-ant-sid01-hunter2-AA",
        "oauth_token": {"access_token": "hunter2-at", "refresh_token": refresh_token, "expires_at": 1_795_500_000.0},
        "status": "valid", "auth_type": "both", "preferred_auth": "auto", "capabilities": ["chat"],
        "last_used": "2026-11-01T00:00:00"}})
    .to_string()
}

fn imported(place: &Place) {
    write(place, "accounts.json", &clove("hunter2-rt"));
    let line = "import clove accounts.json --client-id theirs --json";
    let report = |line: &str| {
        let done = place.run(line);
        assert_eq!(done.code, 0, "{done:?}");
        assert!(
            done.stderr.starts_with("warning: a web session"),
            "{done:?}"
        );
        assert!(
            !done.stdout.contains("hunter2") && !done.stderr.contains("hunter2"),
            "{done:?}"
        );
        serde_json::from_str::<Value>(&done.stdout).expect("JSON")
    };
    let dry = report(&format!("{line} --dry-run"));
    assert_eq!(
        (outcomes(&dry), &dry["dry_run"]),
        (vec!["added"], &true.into())
    );
    assert_eq!(place.run("account list --json").json(), json!([]));
    let first = report(line);
    assert_eq!(outcomes(&first), ["added"]);
    let notes = first["items"][0]["notes"].to_string();
    assert!(notes.contains("acknowledge_terms"), "{notes}");
    assert_eq!(outcomes(&report(line)), ["unchanged"]);
    write(place, "accounts.json", &clove("hunter2-rt2"));
    assert_eq!(outcomes(&report(line)), ["updated"]);
    let list = place.run("account list --json").json();
    assert_eq!(list.as_array().expect("a list").len(), 1);
    assert_eq!(
        list[0]["imported_from"],
        "clove:0b9c5e60-6ac3-4f5e-9f0a-3c1de5a5a0f1"
    );
    let credentials = list[0]["credentials"].as_array().expect("a list");
    assert_eq!(credentials.len(), 2, "{list}");
    let told = place.run("import clove accounts.json").stdout;
    assert!(told.contains("1 unchanged"), "{told}");
}

#[test]
fn accounts_of_another_gateway_come_along_once() {
    imported(&place());
    let place = place();
    let _gateway = place.serve();
    imported(&place);
}

#[test]
fn a_litellm_file_becomes_accounts() {
    let place = place();
    let url = place.upstream.url();
    write(
        &place,
        "config.yaml",
        &format!(
            "model_list:\n  - model_name: fast\n    litellm_params: {{ model: anthropic/claude-haiku-4-5, api_key: os.environ/UPSTREAM, api_base: \"{url}\" }}\ngeneral_settings: {{ master_key: sk-master-0123456789abcdef }}\n"
        ),
    );
    let mut command = place.command("import litellm config.yaml --json");
    command.env("UPSTREAM", ACCOUNT);
    let report = place.finish(command, "").json();
    assert!(outcomes(&report).contains(&"added"), "{report}");
    assert!(!report.to_string().contains(ACCOUNT));
    let list = place.run("account list --json").json();
    assert_eq!(list[0]["models"]["fast"], "claude-haiku-4-5", "{list}");
    let name = list[0]["name"].as_str().expect("a name");
    place.run(&format!("account test {name}")).ok();
}

#[test]
fn what_cannot_be_imported_says_why() {
    let place = place();
    write(&place, "no.json", "hunter2");
    for (line, told) in [
        ("import clove nowhere.json", "nowhere.json"),
        ("import clove no.json", "accounts.json"),
        ("import clewdr no.json", "clewdr.toml"),
        ("import litellm", "LITELLM_DATABASE_URL"),
        (
            "import litellm postgres://u:hunter2@127.0.0.1/db",
            "visible to every process",
        ),
    ] {
        let error = place.run(line).error(2);
        assert!(
            error.contains(told) && !error.contains("hunter2"),
            "{line}: {error}"
        );
    }
    let mut command = place.command("import litellm");
    command.env(
        "LITELLM_DATABASE_URL",
        "postgres://u:hunter2@127.0.0.1:1/db",
    );
    let done = place.finish(command, "");
    assert_eq!(done.code, 1, "{done:?}");
    assert!(!done.stderr.contains("hunter2"), "{done:?}");
}

#[test]
fn a_batch_is_taken_item_by_item() {
    let place = place();
    let _gateway = place.serve();
    let url = place.upstream.url();
    let item = |name: String, key: &str| json!({"name": name, "api_key": key, "base_url": url});
    let many: Vec<_> = (0..150).map(|n| item(format!("a{n}"), ACCOUNT)).collect();
    write(&place, "many.json", &json!(many).to_string());
    let told = place.run("account batch many.json").ok();
    assert!(told.contains("150 added, 0 unchanged, 0 refused"), "{told}");
    let told = place.run("account batch many.json").ok();
    assert!(told.contains("0 added, 150 unchanged"), "{told}");
    assert_eq!(place.message(KEY, "default").status, 200);
    let mixed =
        json!({"accounts": [item("b".into(), ACCOUNT), item("a1".into(), "hunter2-other-key")]});
    write(&place, "mixed.json", &mixed.to_string());
    let done = place.run("account batch mixed.json");
    assert_eq!(done.code, 1, "{done:?}");
    assert!(
        done.stdout
            .contains("a1: refused: an account a1 exists already"),
        "{done:?}"
    );
    assert!(
        done.stdout.contains("1 added, 0 unchanged, 1 refused"),
        "{done:?}"
    );
    assert!(!format!("{done:?}").contains("hunter2"));
    write(
        &place,
        "typo.json",
        r#"[{"name":"x","api_key":"hunter2","wieght":1}]"#,
    );
    let error = place.run("account batch typo.json").error(2);
    assert!(
        error.contains("wieght") && !error.contains("hunter2"),
        "{error}"
    );
}

/// A virtual key is known by its plain hash; its user keeps it, and at its first use it is hashed anew.
#[test]
fn a_litellm_key_goes_on_working() {
    const VIRTUAL: &str = "sk-virtual-hunter2-0123456789";
    let row = |secret: &str, name: &str, models: &str| {
        format!(
            "INSERT INTO \"LiteLLM_VerificationToken\" (token, key_alias, models, user_id) VALUES (encode(sha256('{secret}'), 'hex'), '{name}', ARRAY[{models}]::TEXT[], 'ann');"
        )
    };
    let many = (0..200).map(|n| row(&format!("sk-other-{n}-0123456789"), &format!("k{n}"), ""));
    let mut rows: Vec<_> = many.collect();
    rows.push(row(VIRTUAL, "ann", "'claude-haiku-4-5'"));
    let database = Postgres::with(&rows);
    let place = Place::new();
    let _gateway = place.serve();
    let import = |more: &str| {
        let mut command = place.command(&format!("import litellm --json {more}"));
        command.env("LITELLM_DATABASE_URL", database.url());
        let report = place.finish(command, "").json();
        assert!(!report.to_string().contains(PASSWORD));
        report
    };
    let count = |report: &Value, outcome| {
        let all = outcomes(report);
        all.iter().filter(|found| **found == outcome).count()
    };
    assert_eq!(place.message(VIRTUAL, "default").status, 401);
    assert_eq!(count(&import("--dry-run"), "added"), 201);
    assert_eq!(place.message(VIRTUAL, "default").status, 401);
    assert_eq!(count(&import(""), "added"), 201);
    let prefix = || place.run("key show ann --json").json()["prefix"].clone();
    let imported = prefix();
    assert_eq!(place.message(VIRTUAL, "default").status, 200);
    let upgraded = until(Duration::from_secs(5), || prefix() != imported);
    assert!(upgraded, "it is still known by its plain hash");
    assert_eq!(place.message(VIRTUAL, "default").status, 200);
    let shown = place.run("key show ann --json").json();
    assert_eq!(shown["models"], json!(["claude-haiku-4-5"]), "{shown}");
    let again = import("");
    assert_eq!(
        (count(&again, "added"), count(&again, "unchanged")),
        (0, 201)
    );
}

/// A file names variables, but none of the gateway's own: its master key would go where the file says.
#[test]
fn a_file_does_not_get_the_master_key() {
    let place = place();
    let master = "5".repeat(64);
    let url = place.upstream.url();
    let yaml = format!(
        "model_list:\n  - model_name: fast\n    litellm_params: {{ model: anthropic/claude-haiku-4-5, api_key: os.environ/NAME, api_base: \"{url}\" }}\n"
    );
    for (name, taken) in [("TROUPE_SECRETS__KEY", false), ("UPSTREAM", true)] {
        write(&place, "config.yaml", &yaml.replace("NAME", name));
        let mut command = place.command("import litellm config.yaml --json --dry-run");
        command.env("TROUPE_SECRETS__KEY", &master);
        command.env("UPSTREAM", ACCOUNT);
        let report = place.finish(command, "").json();
        assert_eq!(!outcomes(&report).is_empty(), taken, "{name}: {report}");
    }
}
