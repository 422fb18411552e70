//! The official SDKs drive the real gateway, as a process, against the scripted upstream.
//!
//! The scripts are `tests/sdk/`; they are given `TROUPE_URL`, `MOCK_URL` and the keys ([`KEYS`]), and make the scripted
//! upstream answer what each test needs.

mod agent;

use std::{net::SocketAddr, path::PathBuf, process::Command, time::Duration};

use crate::process::{self, Process};

/// The variable that a script finds a key in, and what the configuration says of the key. A second key shares the
/// account, so that rules about other keys' resources apply; one has a web session alone; the others have limits.
const KEYS: [(&str, &str); 8] = [
    ("TROUPE_KEY", "endpoints: all, accounts: [scripted]"),
    ("TROUPE_OTHER_KEY", "accounts: [scripted]"),
    ("TROUPE_WEB_KEY", "accounts: [session]"),
    (
        "TROUPE_LIMITED_KEY",
        "accounts: [scripted], limits: { concurrent: 1, requests_per_month: 1000, usd_per_month: 100 }",
    ),
    (
        "TROUPE_SPEND_KEY",
        "accounts: [scripted], limits: { usd_per_month: 0.01 }",
    ),
    // What an agent asks for may need more than a dollar.
    (
        "TROUPE_AGENT_KEY",
        "accounts: [scripted], limits: { usd_per_month: 5 }",
    ),
    (
        "TROUPE_SMALL_KEY",
        "accounts: [scripted], limits: { tokens_per_hour: 10 }",
    ),
    (
        "TROUPE_MINUTE_KEY",
        "accounts: [scripted], limits: { requests_per_minute: 1 }",
    ),
];
const READY_WITHIN: Duration = Duration::from_secs(30);

/// The scripted upstream and a gateway in front of it, in a folder of their own. Fields are
/// dropped in order: the gateway goes before its upstream, the folder last.
#[derive(Debug)]
struct Stage {
    gateway: Process,
    _mock: Process,
    gateway_address: SocketAddr,
    mock_address: SocketAddr,
    folder: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (mock_address, gateway_address) = (process::free_address(), process::free_address());

        let mut command = Command::new(process::binary("troupe-mock"));
        command.args(["--bind", &mock_address.to_string()]);
        let mut mock = Process::start("troupe-mock", command, folder.path());
        mock.ready(mock_address, "/__mock/journal", READY_WITHIN);

        let config = folder.path().join("troupe.yaml");
        std::fs::write(&config, configuration(gateway_address, mock_address))
            .expect("a configuration file");
        let mut command = Command::new(process::binary("troupe"));
        command.arg("serve").arg("--config").arg(&config);
        let mut gateway = Process::start("troupe", command, folder.path());
        gateway.ready(gateway_address, "/readyz", READY_WITHIN);

        Self {
            gateway,
            _mock: mock,
            gateway_address,
            mock_address,
            folder,
        }
    }

    fn run(&self, mut script: Command) {
        script
            .env("TROUPE_URL", format!("http://{}", self.gateway_address))
            .envs(KEYS.map(|(variable, _)| (variable, secret(variable))))
            .env("MOCK_URL", format!("http://{}", self.mock_address));
        let passed = process::run(script, self.folder.path());
        assert!(
            passed,
            "the SDK's tests failed; the gateway said:\n{}",
            self.gateway.log()
        );
    }
}

fn secret(variable: &str) -> String {
    format!("{}-0123456789abcdef", variable.to_lowercase())
}

/// Nobody waits here for a slot: it is the SDK that is to come back.
fn configuration(gateway: SocketAddr, mock: SocketAddr) -> String {
    let keys = KEYS.map(|(variable, says)| {
        let (name, secret) = (variable.to_lowercase(), secret(variable));
        format!("  - {{ name: {name}, secret: {secret}, {says} }}\n")
    });
    format!(
        "version: 1
server: {{ bind: \"{gateway}\" }}
storage: {{ url: \"sled:./data\" }}
secrets: {{ key_file: ./master.key }}
accounts:
  - name: scripted
    kind: api_key
    api_key: upstream-key-0123456789abcdef
    base_url: \"http://{mock}\"
  - name: session
    kind: web_session
    web: {{ base_url: \"http://{mock}\", cookie: sk-plain-0123456789abcdef }}
web_session: {{ enabled: true, acknowledge_terms: true }}
limits: {{ concurrency_queue: 0s, spend_message: ask the operator }}
keys:
{}",
        keys.concat()
    )
}

fn scripts() -> PathBuf {
    crate::house::root().join("tests/sdk")
}

#[test]
fn python_sdk() {
    let python = crate::house::root().join("tests/.venv/bin/python");
    assert!(python.exists(), "tests/.venv is missing: run tests/install");
    let mut script = Command::new(python);
    script
        .args([
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "--timeout=120",
        ])
        .arg(scripts().join("python"))
        .env("PYTHONDONTWRITEBYTECODE", "1");
    Stage::new().run(script);
}

#[test]
fn typescript_sdk() {
    let folder = scripts().join("typescript");
    assert!(
        folder.join("node_modules").exists(),
        "its SDK is missing: run tests/install"
    );
    let mut script = Command::new("node");
    script
        .args(["--test", "--test-reporter=spec"])
        // One after the other: they share the scripted upstream.
        .arg("--test-concurrency=1")
        .args(
            ["gateway.test.mjs", "limits.test.mjs", "web.test.mjs"].map(|name| folder.join(name)),
        );
    Stage::new().run(script);
}
