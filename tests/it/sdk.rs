//! The official SDKs drive the real gateway, as a process, against the scripted upstream.
//!
//! The scripts are `tests/sdk/`; they are given `TROUPE_URL`, `TROUPE_KEY`, `TROUPE_WEB_KEY` and `MOCK_URL`, and
//! make the scripted upstream answer what each test needs.

use std::{net::SocketAddr, path::PathBuf, process::Command, time::Duration};

use crate::process::{self, Process};

const KEY: &str = "sdk-test-key-0123456789abcdef";
const WEB_KEY: &str = "web-test-key-0123456789abcdef";
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
            .env("TROUPE_KEY", KEY)
            .env("TROUPE_WEB_KEY", WEB_KEY)
            .env("MOCK_URL", format!("http://{}", self.mock_address));
        let passed = process::run(script, self.folder.path());
        assert!(
            passed,
            "the SDK's tests failed; the gateway said:\n{}",
            self.gateway.log()
        );
    }
}

/// A second key shares the account, so that rules about other keys' resources apply; a third has a web session alone.
fn configuration(gateway: SocketAddr, mock: SocketAddr) -> String {
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
keys:
  - name: sdk
    secret: {KEY}
    endpoints: all
    accounts: [scripted]
  - name: other
    secret: other-test-key-0123456789abcdef
    accounts: [scripted]
  - name: web
    secret: {WEB_KEY}
    accounts: [session]
"
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
        .args(["gateway.test.mjs", "web.test.mjs"].map(|name| folder.join(name)));
    Stage::new().run(script);
}
