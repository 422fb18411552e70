//! The gateway as its operator has it: the real binary in a folder of its own, commands beside it, a scripted upstream
//! behind it.

mod client;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use troupe_mock::{Mock, MockConfig, MockServer};

pub use client::{Ask, Reply};

use crate::process::{self, Process};

pub const READY_WITHIN: Duration = Duration::from_secs(30);
pub const ENDS_WITHIN: Duration = Duration::from_secs(30);
/// What the scripted upstream takes for an account's credential.
pub const ACCOUNT: &str = "upstream-key-0123456789abcdef";
/// A key that the configuration of [`Place::new`] declares.
pub const KEY: &str = "declared-key-0123456789abcdef";

/// A folder with a `troupe.yaml`, and the upstream that it names.
#[derive(Debug)]
pub struct Place {
    folder: tempfile::TempDir,
    pub upstream: MockServer,
    pub address: SocketAddr,
}

impl Place {
    /// One declared account and one declared key.
    pub fn new() -> Self {
        Self::with(&format!("keys: [{{ name: declared, secret: {KEY} }}]\n"))
    }

    /// One declared account and the sections of `rest`.
    pub fn with(rest: &str) -> Self {
        let place = Self::bare();
        place.configure(&(place.account("scripted", ACCOUNT) + rest));
        place
    }

    /// Neither account nor key, nor any file.
    pub fn bare() -> Self {
        let upstream = Mock::start_on_thread(MockConfig {
            require_keys: vec![ACCOUNT.to_owned(), format!("{ACCOUNT}-2")],
            ..MockConfig::default()
        });
        Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
            upstream: upstream.expect("a scripted upstream"),
            address: process::free_address(),
        }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// The section `accounts` with one.
    pub fn account(&self, name: &str, key: &str) -> String {
        let url = self.upstream.url();
        format!(
            "accounts: [{{ name: {name}, kind: api_key, api_key: {key}, base_url: \"{url}\" }}]\n"
        )
    }

    /// Writes `troupe.yaml`: where to listen and a quick end, and `sections`. As an editor does: whole, by a rename.
    pub fn configure(&self, sections: &str) {
        let server = if sections.contains("server:") {
            String::new()
        } else {
            format!("{}\n", self.server("delay: 0s"))
        };
        let new = self.path().join("troupe.yaml.new");
        std::fs::write(&new, format!("version: 1\n{server}{sections}")).expect("a file");
        std::fs::rename(new, self.path().join("troupe.yaml")).expect("a configuration file");
    }

    /// The section `server` with these settings of `drain`.
    pub fn server(&self, drain: &str) -> String {
        format!(
            "server: {{ bind: \"{}\", drain: {{ {drain} }} }}",
            self.address
        )
    }

    /// The binary with these arguments, separated by spaces.
    pub fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(process::binary("troupe"));
        command.args(arguments.split_whitespace());
        command
    }

    /// Starts `troupe serve` and waits until it is ready.
    pub fn serve(&self) -> Process {
        self.start("troupe", self.command("serve"))
    }

    /// Starts `command` under a name for its files, and waits until it is ready.
    pub fn start(&self, name: &str, command: Command) -> Process {
        let mut gateway = Process::start(name, command, self.path());
        gateway.ready(self.address, "/readyz", READY_WITHIN);
        gateway
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &str) -> Done {
        self.run_with(arguments, "")
    }

    pub fn run_with(&self, arguments: &str, input: &str) -> Done {
        self.finish(self.command(arguments), input)
    }

    pub fn finish(&self, command: Command, input: &str) -> Done {
        let line = format!("{command:?}");
        let output = process::output(command, self.path(), input);
        Done {
            line,
            code: process::code(output.status),
            stdout: String::from_utf8(output.stdout).expect("text"),
            stderr: String::from_utf8(output.stderr).expect("text"),
        }
    }

    /// Makes a key and gives its secret.
    pub fn key(&self, arguments: &str) -> String {
        let made = self.run(&format!("key create {arguments} --quiet")).ok();
        made.trim().to_owned()
    }

    /// The status of a request that only the gateway answers.
    pub fn models(&self, key: &str) -> u16 {
        Ask::get("/v1/models").key(key).status(self.address)
    }

    pub fn message(&self, key: &str, scenario: &str) -> Reply {
        Ask::message(scenario, false).key(key).send(self.address)
    }

    pub fn stream(&self, key: &str, scenario: &str) -> Reply {
        Ask::message(scenario, true).key(key).send(self.address)
    }

    /// Opens a stream and waits for its first text.
    pub fn running_stream(&self, key: &str, scenario: &str) -> Reply {
        let mut stream = self.stream(key, scenario);
        assert_eq!(stream.status, 200, "{stream:?}");
        stream.until("content_block_delta");
        stream
    }
}

/// A command that has ended.
#[derive(Debug)]
pub struct Done {
    pub line: String,
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Done {
    /// Standard output of a command that must have worked, and said nothing else.
    pub fn ok(self) -> String {
        let line = &self.line;
        assert_eq!(
            (self.code, self.stderr.as_str()),
            (0, ""),
            "{line}: {self:?}"
        );
        self.stdout
    }

    pub fn json(self) -> serde_json::Value {
        let text = self.ok();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"))
    }

    /// The error line of a command that must have failed with `code`: one line, and nothing on standard output.
    pub fn error(self, code: i32) -> String {
        assert_eq!((self.code, self.stdout.as_str()), (code, ""), "{self:?}");
        assert_eq!(self.stderr.trim_end().lines().count(), 1, "{self:?}");
        self.stderr
    }
}

/// A stream that lasts `count` × 100 ms and then ends well.
pub fn paced(count: usize) -> String {
    format!("{{\"count\":{count},\"event_delay_ms\":100}}")
}
