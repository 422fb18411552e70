//! A gateway with accounts of every kind in front of one scripted upstream, which is their authorization server as well.
//! It can be killed and started again, and asked by its control socket.

use std::{
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    os::unix::net::UnixStream,
    process::Command,
    time::Duration,
};

use serde_json::{Value, json};
use tokio::task::JoinSet;
use troupe_mock::{
    Entry, FamilyFacts, FamilySeed, Mock, MockConfig, MockServer, Scenario, fingerprint,
};

use super::client::{Answer, Client, request};
use super::declare::{first_refresh_token, keys, secret};
use crate::process::{self, Process};

const PATIENCE: Duration = Duration::from_secs(30);

/// Its fields are dropped in order: the gateway goes first, the folder last.
#[derive(Debug)]
pub struct Pool {
    gateway: Option<Process>,
    pub address: SocketAddr,
    pub mock: MockServer,
    folder: tempfile::TempDir,
}

impl Pool {
    /// Serves with these sections, `MOCK` standing for the upstream's URL. Without `keys` there is one named `any`.
    pub fn serving(config: &str) -> Self {
        let mut pool = Self::new(config);
        pool.serve();
        pool
    }

    /// The same before its start. The upstream tells nothing about limits unless scripted to.
    pub fn new(config: &str) -> Self {
        let mock = Mock::start_on_thread(MockConfig {
            rate_limit_headers: false,
            journal_entries: 20_000,
            ..MockConfig::default()
        });
        let pool = Self {
            gateway: None,
            address: process::free_address(),
            mock: mock.expect("a mock"),
            folder: tempfile::tempdir().expect("a temporary folder"),
        };
        pool.configure(config);
        pool
    }

    pub fn configure(&self, config: &str) {
        let mut text = "version: 1\n".to_owned();
        if !config.contains("server:") {
            text.push_str("server: { bind: \"BIND\", threads: 1, drain: { delay: 0s } }\n");
        }
        if !config.contains("storage:") {
            text.push_str("storage: { url: \"sled:./data\" }\n");
        }
        text.push_str(&config.replace("MOCK", &self.mock.url()));
        text = text.replace("BIND", &self.address.to_string());
        if !config.contains("keys:") {
            text.push_str(&keys(&[("any", "")]));
        }
        self.write("troupe.yaml.new", &text);
        let path = |name| self.folder.path().join(name);
        std::fs::rename(path("troupe.yaml.new"), path("troupe.yaml")).expect("a configuration");
    }

    /// The gateway's working directory.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// A file in the gateway's working directory.
    pub fn write(&self, name: &str, content: &str) {
        std::fs::write(self.folder.path().join(name), content).expect("a file");
    }

    pub fn serve(&mut self) {
        let mut command = Command::new(process::binary("troupe"));
        command.arg("serve");
        let mut gateway = Process::start("troupe", command, self.folder.path());
        gateway.ready(self.address, "/healthz", PATIENCE);
        self.gateway = Some(gateway);
    }

    /// Tries to serve with a configuration that must be refused; what it says.
    pub fn refused(&self) -> String {
        let mut command = Command::new(process::binary("troupe"));
        command.arg("serve");
        let output = process::output(command, self.folder.path(), "");
        assert_eq!(process::code(output.status), 64, "{output:?}");
        String::from_utf8(output.stderr).expect("text")
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.tells_no_secret();
        self.gateway = None;
    }

    /// Ends it well.
    pub fn stop(&mut self) {
        self.tells_no_secret();
        let mut gateway = self.gateway.take().expect("a gateway");
        gateway.signal("TERM");
        assert_eq!(gateway.ended(PATIENCE), 0, "{}", gateway.log());
    }

    /// What the gateway has printed and logged since its last start.
    pub fn log(&self) -> String {
        self.gateway.as_ref().map(Process::log).unwrap_or_default()
    }

    /// Neither accounts' nor clients' credentials are in anything it has printed.
    fn tells_no_secret(&self) {
        let log = self.log();
        for secret in [
            "key-of-",
            "first-rt-of-",
            "secret-of-",
            "mock-at-",
            "mock-rt-",
        ] {
            assert!(!log.contains(secret), "{secret} in\n{log}");
        }
    }

    /// Begins the family of an [`oauth`] account; its access tokens live so long.
    pub fn seed(&self, name: &str, life_ms: u64) {
        self.mock.oauth().seed(FamilySeed {
            family: name.to_owned(),
            refresh_token: Some(first_refresh_token(name)),
            life_ms: Some(life_ms),
            ..FamilySeed::default()
        });
    }

    pub fn family(&self, name: &str) -> FamilyFacts {
        let family = self.mock.oauth().family(name);
        family.unwrap_or_else(|| panic!("no family {name}"))
    }

    // === the operator ===

    /// One operation over the control socket.
    ///
    /// # Errors
    /// The refusal's message.
    pub fn operate(&self, name: &str, mut input: Value) -> Result<Value, String> {
        crate::secrets::know_json(&input);
        input["op"] = json!(name);
        let socket = self.folder.path().join("data/run/troupe.sock");
        let mut stream = UnixStream::connect(&socket).expect("the control socket");
        let mut line = input.to_string();
        line.push('\n');
        stream.write_all(line.as_bytes()).expect("an operation");
        let mut answer = String::new();
        BufReader::new(stream)
            .read_line(&mut answer)
            .expect("an answer");
        if !matches!(name, "key.create" | "key.rotate") {
            crate::secrets::look(&format!("the answer to {name}"), answer.as_bytes());
        }
        let mut answer: Value = serde_json::from_str(&answer).expect("JSON");
        match answer.get_mut("ok") {
            Some(outcome) => Ok(outcome.take()),
            None => Err(answer["error"]["message"]
                .as_str()
                .unwrap_or_default()
                .to_owned()),
        }
    }

    /// An account as its operator sees it.
    pub fn account(&self, name: &str) -> Value {
        let mut shown = self
            .operate("account.show", json!({"name": name}))
            .expect("an account");
        match shown.get_mut("account") {
            Some(account) => account.take(),
            None => shown,
        }
    }

    /// Waits until an account is as wanted.
    pub fn until(&self, name: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut account = Value::Null;
        let found = process::until(PATIENCE, || {
            account = self.account(name);
            wanted(&account)
        });
        assert!(found, "{name} is never {what}: {account:#}\n{}", self.log());
        account
    }

    pub fn until_state(&self, name: &str, state: &str) -> Value {
        self.until(name, state, |account| account["state"] == state)
    }

    // === clients ===

    /// `POST /v1/messages` with this key on a connection of its own.
    pub async fn ask(&self, key: &str, body: impl AsRef<[u8]>) -> Answer {
        self.ask_with(key, &[], body).await
    }

    pub async fn ask_with(
        &self,
        key: &str,
        headers: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) -> Answer {
        let secret = secret(key);
        let mut all = vec![
            ("x-api-key", &*secret),
            ("content-type", "application/json"),
        ];
        all.extend(headers);
        self.raw(&request("POST", "/v1/messages", &all, body.as_ref()))
            .await
    }

    /// These bytes, and one answer.
    pub async fn raw(&self, bytes: &[u8]) -> Answer {
        let mut client = Client::connect(self.address).await;
        client.send(bytes).await;
        client.answer().await
    }

    /// An answer, and which accounts were asked for it.
    pub async fn tell(&self, key: &str, body: impl AsRef<[u8]>) -> (Answer, Vec<String>) {
        let before = self.entries().len();
        let answer = self.ask(key, body).await;
        (answer, self.asked().split_off(before))
    }

    /// So many at once.
    pub async fn burst(&self, count: usize, key: &str, body: &str) -> Vec<Answer> {
        let mut running = JoinSet::new();
        let secret = secret(key);
        let headers = [
            ("x-api-key", &*secret),
            ("content-type", "application/json"),
        ];
        let bytes = request("POST", "/v1/messages", &headers, body.as_bytes());
        for _ in 0..count {
            let (bytes, address) = (bytes.clone(), self.address);
            running.spawn(async move {
                let mut client = Client::connect(address).await;
                client.send(&bytes).await;
                client.answer().await
            });
        }
        running.join_all().await
    }

    // === the upstream ===

    pub fn script(&self, answers: impl IntoIterator<Item = Scenario>) {
        self.mock.script(answers);
    }

    /// Messages that reached the upstream.
    pub fn entries(&self) -> Vec<Entry> {
        self.to("/v1/messages")
    }

    /// What was posted to a path.
    pub fn to(&self, path: &str) -> Vec<Entry> {
        let mut entries = self.mock.journal().entries();
        entries.retain(|entry| entry.method == "POST" && entry.path() == path);
        entries
    }

    /// The accounts that [`Self::entries`] came from, by name; `oauth:` before those that showed a token.
    pub fn asked(&self) -> Vec<String> {
        let families = self.mock.oauth().families();
        let name = |entry: &Entry| {
            if let Some(key) = entry.header("x-api-key") {
                let name = key.strip_prefix("key-of-");
                let name = name.and_then(|rest| rest.strip_suffix("-0123456789abcdef"));
                return name.unwrap_or(key).to_owned();
            }
            let token = entry.header("authorization").unwrap_or_default();
            let hash = fingerprint(token.trim_start_matches("Bearer "));
            let of_token = |family: &&FamilyFacts| family.access_token_hash.as_ref() == Some(&hash);
            let family = families.iter().find(of_token);
            format!("oauth:{}", family.map_or("old", |family| &family.family))
        };
        self.entries().iter().map(name).collect()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("the gateway said:\n{}", self.log());
        } else {
            self.tells_no_secret();
        }
    }
}
