//! What a gateway says and does when it starts, and when it cannot.

use std::process::Command;
use std::time::Duration;

use crate::process::{self, Process, until};
use crate::serve::{ACCOUNT, Ask, ENDS_WITHIN, KEY, Place, READY_WITHIN};

#[test]
fn the_first_start_prints_a_key_once_and_later_ones_its_prefix() {
    let place = Place::with("");
    let mut first = place.serve();
    let said = first.stdout();
    let secret = generated_key(&said);
    assert_eq!(said.matches(&secret).count(), 2, "{said}");
    assert!(said.contains("curl -N"), "{said}");
    assert_eq!(place.models(&secret), 200);
    first.signal("TERM");
    assert_eq!(first.ended(ENDS_WITHIN), 0, "{}", first.log());

    let second = place.serve();
    let said = second.stdout();
    assert!(!said.contains(&secret), "{said}");
    assert!(said.contains(&secret[..15]), "{said}");
    assert!(said.contains("troupe key rotate default"), "{said}");
    assert_eq!(place.models(&secret), 200);
    assert!(!(first.stderr() + &second.stderr()).contains(&secret));
}

#[test]
fn a_revoked_default_key_is_not_made_again() {
    let place = Place::with("");
    let secret = generated_key(&place.serve().stdout());
    place.run("key revoke default").ok();
    let again = place.serve();
    assert!(!again.stdout().contains("default"), "{}", again.stdout());
    assert_eq!(place.models(&secret), 401);
}

#[test]
fn the_key_of_the_environment_is_the_first_account() {
    let place = Place::bare();
    place.configure("");
    let serve = || {
        let mut command = place.command("serve");
        command.env("ANTHROPIC_API_KEY", "env-key-0123456789abcdef");
        command
    };
    let gateway = place.start("troupe", serve());
    let accounts = place.run("account list --json").json();
    assert_eq!(accounts.as_array().map(Vec::len), Some(1), "{accounts}");
    assert_eq!(accounts[0]["base_url"], "https://api.anthropic.com");
    // A reload does not know less than the start did.
    place.configure("limits: { concurrency_queue: 1s }\n");
    let reloaded = || gateway.stderr().contains("configuration reloaded");
    assert!(until(Duration::from_secs(5), reloaded), "{}", gateway.log());
    assert_eq!(place.run("account list --json").json(), accounts);
    drop(gateway);

    // One that is there already stays the only one.
    place
        .run_with(
            &format!(
                "account add own --api-key-stdin --base-url {}",
                place.upstream.url()
            ),
            ACCOUNT,
        )
        .ok();
    let gateway = place.start("troupe", serve());
    let accounts = place.run("account list --json").json();
    assert_eq!(accounts.as_array().map(Vec::len), Some(1), "{accounts}");
    assert_eq!(accounts[0]["name"], "own");
    assert_eq!(
        place
            .message(&generated_key(&first_output(&place)), "default")
            .status,
        200
    );
    drop(gateway);
}

/// Rotates the default key; the answer holds its new secret.
fn first_output(place: &Place) -> String {
    place.run("key rotate default").ok()
}

#[test]
fn the_demo_prints_lines_that_work_and_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // Whether or not it is free at the moment: the demo must take another port now.
    let _taken = std::net::TcpListener::bind("127.0.0.1:5200");
    let mut command = Command::new(process::binary("troupe"));
    command.arg("demo").env("TMPDIR", folder.path());
    let mut demo = Process::start("demo", command, folder.path());
    let announced = || demo.stdout().contains("curl -N");
    assert!(until(READY_WITHIN, announced), "{}", demo.log());
    let said = demo.stdout();
    let url = said
        .split_whitespace()
        .find_map(|word| word.strip_prefix("http://"))
        .expect("the base URL");
    assert!(!url.ends_with(":5200"), "{said}");
    assert!(said.contains(&format!("http://{url}/admin")), "{said}");
    assert!(said.contains(&generated_key(&said)), "{said}");

    let line = said
        .lines()
        .find(|line| line.starts_with("curl"))
        .expect("the curl line");
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(line);
    let pasted = process::output(shell, folder.path(), "");
    let answer = String::from_utf8_lossy(&pasted.stdout);
    assert!(answer.contains("event: message_start"), "{pasted:?}");
    assert!(answer.contains("event: message_stop"), "{pasted:?}");

    let data = || {
        let inside = std::fs::read_dir(folder.path()).expect("the temporary folder");
        inside
            .map(|entry| entry.expect("an entry").file_name())
            .any(|name| name.to_string_lossy().starts_with("troupe-demo-"))
    };
    assert!(data());
    demo.signal("INT");
    assert_eq!(demo.ended(ENDS_WITHIN), 0, "{}", demo.log());
    assert!(!data());
    assert_eq!(demo.stderr(), "");
}

#[test]
fn a_wrong_configuration_is_told_with_its_place() {
    let place = Place::bare();
    place.configure("limits: { concurency_queue: 1s }\nrouting:\n  max_attempts: many\n");
    let refused = place.run("serve");
    assert_eq!((refused.code, refused.stdout.as_str()), (64, ""));
    for told in [
        "troupe.yaml:3:11: limits.concurency_queue",
        "concurrency_queue",
        "troupe.yaml:5:3: routing.max_attempts",
    ] {
        assert!(
            refused.stderr.contains(told),
            "{told} in {}",
            refused.stderr
        );
    }
    assert!(!place.data().exists());
    assert_eq!(place.run("serve --config nowhere.yaml").code, 64);
}

#[test]
fn two_gateways_do_not_share_a_data_folder_or_a_port() {
    let place = Place::new();
    let _first = place.serve();
    let error = place.run("serve").error(1);
    assert!(error.contains("cannot listen on"), "{error}");
    assert!(error.contains("server.bind"), "{error}");
    let other = process::free_address();
    let error = place.run(&format!("serve --bind {other}")).error(1);
    assert!(error.contains("another process"), "{error}");
    assert!(error.contains("data"), "{error}");
    assert_eq!(Ask::get("/readyz").status(place.address), 200);
}

#[test]
fn a_wrong_or_missing_master_key_is_told_and_replaces_nothing() {
    let place = Place::new();
    drop(place.serve());
    let file = place.data().join("master.key");
    let right = std::fs::read(&file).expect("the master key");
    let text = String::from_utf8_lossy(&right).into_owned();
    let wrong: String = text
        .chars()
        .map(|digit| if digit == '0' { '1' } else { digit })
        .collect();
    assert_ne!(text, wrong);
    std::fs::write(&file, wrong).expect("another master key");
    let error = place.run("serve").error(64);
    assert!(error.contains("master key"), "{error}");
    std::fs::remove_file(&file).expect("its file");
    let error = place.run("serve").error(64);
    assert!(error.contains("secrets.key_file"), "{error}");
    assert!(!file.exists());
    std::fs::write(&file, right).expect("the master key again");
    let error = place.run("serve").error(64);
    assert!(error.contains("chmod 600"), "{error}");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&file, mode).expect("its mode");
    place.serve();
}

#[test]
fn a_reader_that_leaves_does_not_end_it() {
    let place = Place::with("");
    let mut command = place.command("serve");
    command.current_dir(place.path());
    command.stdout(std::process::Stdio::piped());
    command.stderr(std::process::Stdio::null());
    let mut gateway = command.spawn().expect("a gateway");
    drop(gateway.stdout.take());
    let ready = until(READY_WITHIN, || {
        Ask::get("/readyz").status(place.address) == 200
    });
    let kept = place.run("key list --json").json();
    let ended = gateway.try_wait().expect("its state");
    gateway.kill().expect("its end");
    gateway.wait().expect("its end");
    assert!(ready && ended.is_none(), "{ended:?}");
    assert_eq!(kept[0]["name"], "default", "{kept}");
}

#[test]
fn a_wrong_address_is_told_before_anything_starts() {
    let place = Place::new();
    let error = place.run("serve --bind nowhere").error(64);
    assert!(error.contains("--bind"), "{error}");
    let error = place.run("demo --bind nowhere").error(2);
    assert!(error.contains("--bind"), "{error}");
    assert!(!place.data().exists());
}

/// The first generated key in a text.
pub fn generated_key(text: &str) -> String {
    let is_key = |word: &&str| word.starts_with("troupe-") && word.len() == 50;
    text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-')
        .find(is_key)
        .unwrap_or_else(|| panic!("no key in:\n{text}"))
        .to_owned()
}

#[test]
fn a_name_or_secret_in_file_and_store_is_refused() {
    let place = Place::with("");
    let secret = place.key("same");
    for (declared, why) in [
        (format!("name: same, secret: {KEY}"), "key same of"),
        (
            format!("name: other, secret: {secret}"),
            "has the secret of the stored key same",
        ),
    ] {
        let account = place.account("scripted", ACCOUNT);
        place.configure(&format!("{account}keys: [{{ {declared} }}]\n"));
        let error = place.run("serve").error(64);
        assert!(error.contains(why) && !error.contains(&secret), "{error}");
    }
}
