//! What can be typed, and what it does on the store of a stopped gateway.

use std::path::Path;

use clap::{CommandFactory, Parser};

use super::args::{Cli, Command};
use super::key_args::KeyCommand;
use super::mistyped::one_line;
use super::target::Target;
use crate::config::storage::StorageUrl;
use crate::config::{Config, Loaded};
use crate::control::Server;
use crate::ops::Operation;
use crate::ops::keys::{Endpoints, KeyRights, ListKeys, RevokeKey};
use crate::ops::tests::{new_key, operations};

fn parse(line: &str) -> Result<Cli, String> {
    Cli::try_parse_from(line.split_whitespace()).map_err(|error| one_line(&error.to_string()))
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_has_an_example() {
    fn check(command: &clap::Command) {
        let after = command
            .get_after_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        assert!(after.contains("Example"), "{}", command.get_name());
        assert!(after.contains("troupe"), "{}", command.get_name());
        command.get_subcommands().for_each(check);
    }
    check(&Cli::command());
}

#[test]
fn what_is_understood() {
    for line in [
        "troupe serve",
        "troupe serve --config f.yaml --bind 127.0.0.1:1 --workers 2",
        "troupe --config f.yaml serve",
        "troupe demo --bind 127.0.0.1:0",
        "troupe config check",
        "troupe config check f.yaml",
        "troupe config show f.yaml",
        "troupe config schema",
        "troupe account add main --kind api_key --base-url https://h --api-key-stdin",
        "troupe account add main --api-key-file f --header a=b --model x=y --concurrent 3 --auth bearer",
        "troupe account add me --kind oauth --oauth-preset claude_platform --oauth-client-id i --client-secret-file f --oauth-scope a --oauth-scope b --tokens-stdin --tag t --weight 2 --reserve 90% --proxy-file p --ca-file c",
        "troupe account add w --kind web_session --cookie-stdin --web-base-url https://h --preserve-chats",
        "troupe account update main --unset schedule --unset oauth.client_id --preserve-chats false",
        "troupe account batch f.json --json",
        "troupe account login me --paste",
        "troupe account refresh me",
        "troupe account exchange me",
        "troupe account explain --model m --key k --session s --json",
        "troupe account list --json",
        "troupe account test main --json",
        "troupe key create ci --account a --account b --account-group g --account-tag t --model claude-*",
        "troupe key update ci --account=",
        "troupe import clove accounts.json --settings config.json --dry-run --json",
        "troupe import clewdr clewdr.toml --client-id x",
        "troupe import litellm config.yaml",
        "troupe import litellm --database-url-file f",
        "troupe account remove main",
        "troupe key create ci --owner me --group g --expires 30d --resources all --endpoints all --quiet",
        "troupe key create ci --secret-stdin --json",
        "troupe key update ci --limit concurrent=none --limit usd_per_day=default --expires never",
        "troupe key update ci --limit usd_per_day=5,on_limit=downgrade,model=claude-haiku-4-5,grant=50@2026-12-24",
        "troupe account update main --limit claude-opus-*:usd_per_day=5,cap=soft --limit requests_per_day=default",
        "troupe key update ci --tag a --tag b --note= --address 10.0.0.0/8 --address ::1 --priority high --deny-model *opus* --expires-after-first-use 30d",
        "troupe key list --revoked --json",
        "troupe key list --owner me --group g --tag t",
        "troupe key rotate ci --quiet",
        "troupe key rotate ci --grace 24h --secret-stdin --json",
        "troupe key revoke ci --config f.yaml",
        "troupe request show req_01m86vrjtxe5g9c2vcarc9zhbn --json",
        "troupe request tail --key ci --account main --status 4xx -n 50 --follow",
        "troupe request tail --status 429 --all --json",
        "troupe usage",
        "troupe usage --by model --since 7d --until 1d --key ci --owner me --json",
        "troupe usage --by day --since 2026-11-01 --group g --account a --model m --csv",
        "troupe healthcheck --ready",
        "troupe healthcheck --url http://h:1/readyz",
        "troupe version --json",
    ] {
        assert!(parse(line).is_ok(), "{line}: {:?}", parse(line).err());
    }
}

#[test]
fn what_is_not_understood_is_said_in_one_line() {
    for (line, said) in [
        (
            "troupe key create",
            "<NAME>; see `troupe key create --help`",
        ),
        ("troupe key create ci --ownr me", "'--owner'"),
        ("troupe key create ci --quiet --json", "cannot be used with"),
        ("troupe key create ci --limit concurrent", "NAME=VALUE"),
        (
            "troupe key create ci --limit concurrent=many",
            "a number, `none`",
        ),
        ("troupe key create ci --resources some", "own, all"),
        (
            "troupe key create ci --priority urgent",
            "low, normal, high",
        ),
        ("troupe key crate ci", "'create'"),
        (
            "troupe account add main --api-key-stdin --cookie-stdin",
            "cannot be used with",
        ),
        (
            "troupe account add main --proxy http://u:p@h --api-key-stdin",
            "--proxy-file",
        ),
        (
            "troupe account add main --auth basic --api-key-stdin",
            "x-api-key",
        ),
        ("troupe account explain --session s", "--key"),
        (
            "troupe account add main --api-key-stdin --api-key-file f",
            "cannot be used with",
        ),
        (
            "troupe account add main --api-key sk-ant-secret",
            "--api-key",
        ),
        ("troupe serve --workers many", "invalid value"),
    ] {
        let error = parse(line).unwrap_err();
        assert!(
            error.starts_with("error: ") && error.contains(said),
            "{line}: {error}"
        );
        assert!(
            !error.contains('\n') && error.contains("--help`"),
            "{line}: {error}"
        );
    }
}

#[test]
fn rights_are_read_as_the_contract_writes_them() {
    let line = "troupe key create ci --limit concurrent=8 --limit requests_per_minute=100 --endpoints /v1/files,/v1/x";
    let Command::Key(command) = parse(line).unwrap().command else {
        panic!("another command");
    };
    let KeyCommand::Create(args) = *command else {
        panic!("another command of keys");
    };
    let endpoints = Endpoints::Paths(vec!["/v1/files".into(), "/v1/x".into()]);
    assert_eq!(args.rights.endpoints, Some(endpoints));
    let rights = KeyRights::from(args.rights);
    let limits = serde_json::json!({ "concurrent": 8, "requests_per_minute": 100 });
    assert_eq!(serde_json::Value::from(rights.limits), limits);
}

#[test]
fn the_commands_of_the_page_on_limits_are_understood() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/LIMITS.md");
    let page = std::fs::read_to_string(page).unwrap();
    let lines = page.lines().filter(|line| line.starts_with("troupe "));
    // No argument there has a space in it.
    let lines: Vec<_> = lines.map(|line| line.replace('\'', "")).collect();
    assert!(lines.len() > 5);
    for line in lines {
        assert!(parse(&line).is_ok(), "{line}: {:?}", parse(&line).err());
    }
}

fn loaded(data: &str) -> Loaded {
    let mut config = Config::default();
    config.storage.url = StorageUrl::Sled(data.into());
    config.secrets.key_file = Path::new(data).join("master.key");
    Loaded {
        config,
        notes: Vec::new(),
        file: None,
        inputs: Vec::new(),
        env_account: None,
    }
}

async fn run_at<O: Operation>(
    loaded: &Loaded,
    cwd: &Path,
    operation: O,
) -> Result<O::Outcome, super::error::CliError> {
    let target = Target::at(loaded.clone(), cwd.to_owned());
    target.run(operation).await
}

#[tokio::test]
async fn a_stopped_gateways_store_is_changed_and_let_go() {
    let folder = tempfile::tempdir().unwrap();
    let (loaded, cwd) = (loaded("data"), folder.path());
    let list = run_at(&loaded, cwd, ListKeys::default()).await.unwrap();
    assert!(list.keys.is_empty());
    assert!(!cwd.join("data").exists(), "a look leaves nothing behind");
    let mut create = new_key("ci");
    create.rights.limits.insert("concurrent".into(), 2.into());
    let made = run_at(&loaded, cwd, create).await.unwrap();
    assert!(cwd.join("data/master.key").exists());
    let keys = run_at(&loaded, cwd, ListKeys::default())
        .await
        .unwrap()
        .keys;
    assert_eq!(keys, [made.key]);
    assert_eq!(keys[0].limits["concurrent"], 2);
    let error = run_at(
        &loaded,
        cwd,
        RevokeKey {
            name: "nobody".into(),
        },
    )
    .await
    .unwrap_err();
    assert_eq!(error.exit, 1);
    run_at(&loaded, cwd, RevokeKey { name: "ci".into() })
        .await
        .unwrap();
    let mut bad = new_key("x");
    bad.rights
        .limits
        .insert("speed".into(), serde_json::Value::Null);
    assert_eq!(run_at(&loaded, cwd, bad).await.unwrap_err().exit, 2);
}

#[tokio::test]
async fn a_running_gateway_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    let server = Server::bind(&folder.path().join("data")).await.unwrap();
    let ops = std::sync::Arc::new(operations().await);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(server.run(ops, async { _ = stopped.await }));
    let keys = run_at(&loaded("data"), folder.path(), ListKeys::default())
        .await
        .unwrap()
        .keys;
    assert_eq!(keys[0].name, "filed");
    assert!(
        !folder.path().join("data/store").exists(),
        "its store is not touched"
    );
    drop(stop);
    running.await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_reached_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let held = troupe_storage::open("sled:data", folder.path()).unwrap();
    let error = run_at(&loaded("data"), folder.path(), ListKeys::default())
        .await
        .unwrap_err();
    assert_eq!(error.exit, 1);
    assert!(
        error.lines[0].contains("another process holds the store"),
        "{error:?}"
    );
    held.close().await.unwrap();
    let mut memory = loaded("data");
    memory.config.storage.url = StorageUrl::Memory;
    let error = run_at(&memory, folder.path(), ListKeys::default())
        .await
        .unwrap_err();
    assert_eq!(error.exit, 64);
    run_at(&loaded("data"), folder.path(), new_key("ci"))
        .await
        .unwrap();
    std::fs::remove_file(folder.path().join("data/master.key")).unwrap();
    let error = run_at(&loaded("data"), folder.path(), ListKeys::default())
        .await
        .unwrap_err();
    assert_eq!(error.exit, 64);
    assert!(error.lines[0].contains("restore it"), "{error:?}");
}
