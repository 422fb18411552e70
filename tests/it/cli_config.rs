//! `troupe config`, `healthcheck`, `version` and what all commands share.

use crate::serve::{ACCOUNT, KEY, Place};

#[test]
fn a_valid_file_is_said_to_be_valid() {
    let place = Place::new();
    for line in [
        "config check",
        "config check troupe.yaml",
        "config check --config troupe.yaml",
    ] {
        let said = place.run(line).ok();
        assert!(said.ends_with("troupe.yaml: valid\n"), "{line}: {said}");
    }
    assert_eq!(place.run("config check nowhere.yaml").code, 64);
}

#[test]
fn every_error_has_its_line() {
    let place = Place::bare();
    place.configure(
        "routing:\n  max_atempts: 3\nkeys:\n  - name: short\n    secret: tiny\n  - name: open\n    secret: ${NOT_SET_ANYWHERE}\n",
    );
    for line in ["config check", "config show", "key list", "account list"] {
        let checked = place.run(line);
        assert_eq!((checked.code, checked.stdout.as_str()), (64, ""), "{line}");
        for told in [
            "troupe.yaml:4:3: routing.max_atempts",
            "did you mean `max_attempts`",
            "troupe.yaml:7:",
            "keys[0].secret",
            "troupe.yaml:9:",
            "NOT_SET_ANYWHERE",
        ] {
            assert!(
                checked.stderr.contains(told),
                "{told} in {}",
                checked.stderr
            );
        }
        assert!(!checked.stderr.contains("tiny"), "{}", checked.stderr);
    }
}

#[test]
fn shown_is_the_whole_without_its_secrets() {
    let place = Place::new();
    let shown = place.run("config show").ok();
    for told in [
        "scripted",
        &place.upstream.url(),
        &place.address.to_string(),
        "max_elapsed: 1m",
    ] {
        assert!(shown.contains(told), "{told} in {shown}");
    }
    assert!(!shown.contains(KEY) && !shown.contains(ACCOUNT), "{shown}");
    std::fs::write(place.path().join("shown.yaml"), shown).expect("a file");
    // What was shown can be checked, and is not taken for a configuration to run with.
    let checked = place.run("config check shown.yaml");
    assert_eq!(checked.code, 0, "{checked:?}");
    assert!(checked.stderr.contains("redacted"), "{checked:?}");
    let refused = place.run("serve --config shown.yaml");
    assert_eq!(refused.code, 64, "{refused:?}");
}

#[test]
fn the_schema_is_the_documented_one() {
    let schema = Place::bare().run("config schema").json();
    let documented = crate::house::root().join("docs/config.schema.json");
    let documented = std::fs::read_to_string(documented).expect("docs/config.schema.json");
    let documented: serde_json::Value = serde_json::from_str(&documented).expect("JSON");
    assert!(
        schema == documented,
        "docs/config.schema.json is old: run `make docs`"
    );
}

#[test]
fn the_environment_counts_and_old_names_are_refused() {
    let place = Place::new();
    let with = |name: &str, value: &str| {
        let mut command = place.command("config show");
        command.env(name, value);
        place.finish(command, "")
    };
    let shown = with("TROUPE_ROUTING__MAX_ATTEMPTS", "7").ok();
    assert!(shown.contains("max_attempts: 7"), "{shown}");
    let error = with("TROUPE_ROUTING__MAX_ATEMPTS", "7").error(64);
    assert!(error.contains("TROUPE_ROUTING__MAX_ATEMPTS"), "{error}");
    let shown = with("BIND", "127.0.0.1:5299").ok();
    assert!(shown.contains("127.0.0.1:5299"), "{shown}");
    let error = with("API_KEYS", "a,b").error(64);
    assert!(error.contains("API_KEYS"), "{error}");
}

#[test]
fn health_is_an_exit_code() {
    let place = Place::new();
    let error = place.run("healthcheck").error(1);
    assert!(error.contains(&place.address.to_string()), "{error}");
    let gateway = place.serve();
    assert!(place.run("healthcheck").ok().ends_with("/healthz: alive\n"));
    assert!(
        place
            .run("healthcheck --ready")
            .ok()
            .ends_with("/readyz: ready\n")
    );
    let url = format!("healthcheck --url http://{}/nothing", place.address);
    assert!(place.run(&url).error(1).contains("404"));
    place.run("healthcheck --url https://example.org/").error(2);
    drop(gateway);
    place.run("healthcheck --ready").error(1);
}

#[test]
fn the_version_is_the_crates() {
    let place = Place::bare();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(place.run("version").ok(), format!("troupe {version}\n"));
    assert_eq!(place.run("--version").ok(), format!("troupe {version}\n"));
    assert_eq!(place.run("version --json").json()["version"], version);
}

#[test]
fn every_command_has_an_example() {
    let place = Place::bare();
    let commands = [
        "",
        "serve",
        "demo",
        "config",
        "config check",
        "config show",
        "config schema",
        "account",
        "account add",
        "account list",
        "account show",
        "account test",
        "account enable",
        "account disable",
        "account remove",
        "key",
        "key create",
        "key list",
        "key show",
        "key update",
        "key rotate",
        "key disable",
        "key enable",
        "key revoke",
        "healthcheck",
        "version",
    ];
    for command in commands {
        let help = place.run(&format!("{command} --help")).ok();
        assert!(
            help.contains("Example") && help.contains("troupe "),
            "{command}: {help}"
        );
    }
    for unknown in [
        "frobnicate",
        "key frobnicate",
        "serve --frobnicate",
        "key list --bind x",
    ] {
        let error = place.run(unknown).error(2);
        assert!(error.contains("--help"), "{unknown}: {error}");
    }
    // A group without its command says what there is.
    for group in ["", "key", "account", "config"] {
        assert_eq!(place.run(group).code, 2, "{group}");
    }
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let place = Place::new();
    let mut shell = std::process::Command::new("sh");
    shell.arg("-c").arg("\"$0\" config schema | head -1");
    shell.arg(crate::process::binary("troupe"));
    let piped = place.finish(shell, "");
    assert_eq!(piped.ok(), "{\n");
}
