//! A gateway process with accounts and keys declared in its configuration.

use std::{
    fmt::Write as _,
    net::SocketAddr,
    process::Command,
    time::{Duration, Instant},
};

use troupe_mock::{Entry, Mock, MockConfig, MockServer, Scenario};

use super::client::{Answer, Client, request};
use crate::process::{self, Process};

/// A key that may call everything and sees its own resources.
pub const FIRST: &str = "first-test-key-0123456789abcdef";
/// Another of the kind.
pub const SECOND: &str = "second-test-key-0123456789abcdef";
/// A key with the default endpoints.
pub const PLAIN: &str = "plain-test-key-0123456789abcdef";
/// A key with the paths of files and batches besides, that sees the resources of every key.
pub const FILES: &str = "a-files-test-key-0123456789";
/// A key that may call everything and sees the resources of every key.
pub const UNBOUND: &str = "unbound-test-key-0123456789abcdef";

const READY_WITHIN: Duration = Duration::from_secs(30);

/// One account of the configuration.
#[derive(Debug, Clone)]
pub struct Account {
    pub base_url: String,
    /// Further members in YAML, each with a comma before it.
    pub more: String,
}

impl Account {
    pub fn at(base_url: impl Into<String>) -> Self {
        Self {
            base_url: base_url.into(),
            more: String::new(),
        }
    }
}

/// What a gateway is started with.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// In front of each mock an account, in order; one when not said otherwise.
    pub mocks: Option<usize>,
    pub mock: MockConfig,
    /// Accounts before those of the mocks.
    pub accounts: Vec<Account>,
    /// Further members of each mock's account.
    pub account: String,
    /// Whole sections of the configuration, in YAML.
    pub sections: String,
}

/// A gateway and its upstreams. Fields are dropped in order: the gateway goes before them, the
/// folder last.
#[derive(Debug)]
pub struct Stage {
    gateway: Process,
    pub address: SocketAddr,
    mocks: Vec<MockServer>,
    _folder: tempfile::TempDir,
}

impl Stage {
    /// One account in front of one mock.
    pub fn new() -> Self {
        Self::start(Setup::default())
    }

    /// The same with sections of the configuration.
    pub fn configured(sections: &str) -> Self {
        let sections = sections.to_owned();
        Self::start(Setup {
            sections,
            ..Setup::default()
        })
    }

    /// So many accounts, each in front of a mock of its own.
    pub fn of(mocks: usize, sections: &str) -> Self {
        let sections = sections.to_owned();
        Self::start(Setup {
            mocks: Some(mocks),
            sections,
            ..Setup::default()
        })
    }

    pub fn start(setup: Setup) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        // On threads of their own: waiting for a process blocks the test's.
        let mocks: Vec<_> = (0..setup.mocks.unwrap_or(1))
            .map(|index| {
                let mock = MockConfig {
                    last_serial: index as u64 * 1_000_000,
                    ..setup.mock.clone()
                };
                Mock::start_on_thread(mock).expect("a mock")
            })
            .collect();
        let (gateway, address) = running(&folder, &setup, &mocks);
        Self {
            gateway,
            address,
            mocks,
            _folder: folder,
        }
    }

    /// The upstream of the only mock's account.
    pub fn mock(&self) -> &MockServer {
        self.at(0)
    }

    pub fn at(&self, index: usize) -> &MockServer {
        &self.mocks[index]
    }

    /// Stops an upstream: nobody listens there any more.
    pub async fn stop_mock(&mut self, index: usize) {
        self.mocks.remove(index).shutdown().await;
    }

    /// Both of two accounts answer so, once each.
    pub fn script_all(&self, answer: &Scenario) {
        for mock in &self.mocks {
            mock.script([answer.clone()]);
        }
    }

    /// Requests that reached each mock; probes of the gateway's own are not counted.
    pub fn reached(&self) -> Vec<usize> {
        let asked = |mock: &MockServer| {
            let entries = mock.journal().entries();
            entries.iter().filter(|entry| !is_probe(entry)).count()
        };
        self.mocks.iter().map(asked).collect()
    }

    pub async fn client(&self) -> Client {
        Client::connect(self.address).await
    }

    /// One request on a connection of its own, with the first key unless `headers` hold one.
    pub async fn call(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) -> Answer {
        let mut all = headers.to_vec();
        let is_credential =
            |name: &str| matches!(name.to_lowercase().as_str(), "x-api-key" | "authorization");
        if !headers.iter().any(|(name, _)| is_credential(name)) {
            all.push(("x-api-key", FIRST));
        }
        if !body.as_ref().is_empty() && !headers.iter().any(|(name, _)| *name == "content-type") {
            all.push(("content-type", "application/json"));
        }
        let bytes = request(method, target, &all, body.as_ref());
        self.raw(&bytes).await
    }

    /// `POST /v1/messages`.
    pub async fn post(&self, body: impl AsRef<[u8]>) -> Answer {
        self.call("POST", "/v1/messages", &[], body).await
    }

    pub async fn get(&self, target: &str) -> Answer {
        self.call("GET", target, &[], "").await
    }

    /// These bytes on a connection of their own, and one answer.
    pub async fn raw(&self, bytes: &[u8]) -> Answer {
        let mut client = self.client().await;
        client.send(bytes).await;
        client.answer().await
    }

    /// Waits until the metrics hold `text`: rows are counted a moment after their answers.
    pub async fn until_metric(&self, text: &str) {
        let end = Instant::now() + READY_WITHIN;
        loop {
            let metrics = self.get("/metrics").await.text();
            if metrics.contains(text) {
                return;
            }
            assert!(Instant::now() < end, "no {text:?} in\n{metrics}");
        }
    }

    /// Memory of the process, as it says itself, in KiB.
    pub async fn memory_kib(&self) -> u64 {
        let metrics = self.get("/metrics").await.text();
        let line = metrics
            .lines()
            .find_map(|line| line.strip_prefix("process_resident_memory_bytes "));
        let bytes = line.and_then(|value| value.parse::<f64>().ok());
        bytes.expect("the memory of the process") as u64 / 1024
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("the gateway said:\n{}", self.gateway.log());
        }
    }
}

fn is_probe(entry: &Entry) -> bool {
    entry.method == "GET" && entry.path() == "/v1/models"
}

fn running(
    folder: &tempfile::TempDir,
    setup: &Setup,
    mocks: &[MockServer],
) -> (Process, SocketAddr) {
    let mut accounts = setup.accounts.clone();
    accounts.extend(mocks.iter().map(|mock| Account {
        base_url: mock.url(),
        more: setup.account.clone(),
    }));
    let address = process::free_address();
    let config = folder.path().join("troupe.yaml");
    std::fs::write(&config, configuration(address, &accounts, &setup.sections))
        .expect("a configuration file");
    let mut command = Command::new(process::binary("troupe"));
    command.arg("serve").arg("--config").arg(&config);
    let mut gateway = Process::start("troupe", command, folder.path());
    gateway.ready(address, "/healthz", READY_WITHIN);
    (gateway, address)
}

fn configuration(address: SocketAddr, accounts: &[Account], sections: &str) -> String {
    let mut text = "version: 1\n".to_owned();
    if !sections.contains("server:") {
        let _ = writeln!(text, "server: {{ bind: \"{address}\", threads: 1 }}");
    }
    if !sections.contains("storage:") {
        text.push_str("storage: { url: \"memory:\" }\n");
    }
    text.push_str(&sections.replace("BIND", &address.to_string()));
    text.push_str("\naccounts:\n");
    for (index, account) in accounts.iter().enumerate() {
        let _ = writeln!(
            text,
            "  - {{ name: a{index}, kind: api_key, api_key: upstream-key-{index}-0123456789, base_url: \"{}\"{} }}",
            account.base_url, account.more
        );
    }
    let _ = write!(
        text,
        "keys:
  - {{ name: first, secret: {FIRST}, endpoints: all }}
  - {{ name: second, secret: {SECOND}, endpoints: all }}
  - {{ name: plain, secret: {PLAIN} }}
  - {{ name: files, secret: {FILES}, endpoints: [/v1/files, /v1/messages/batches], resources: all }}
  - {{ name: unbound, secret: {UNBOUND}, endpoints: all, resources: all }}
"
    );
    text
}

/// A small Messages request.
pub fn message() -> String {
    asking("")
}

/// The same as a stream.
pub fn stream() -> String {
    asking(r#""stream":true,"#)
}

fn asking(more: &str) -> String {
    format!(
        r#"{{"model":"claude-sonnet-5","max_tokens":100000000,{more}"messages":[{{"role":"user","content":"Hello"}}]}}"#
    )
}
