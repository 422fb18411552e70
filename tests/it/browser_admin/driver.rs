//! A real Chromium, driven over WebDriver: <https://www.w3.org/TR/webdriver2/>.
//!
//! Invariant: browser and driver end with their guards, whatever a test does.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::process::{self, Process};
use crate::serve::Ask;

const READY_WITHIN: Duration = Duration::from_secs(30);
const ARGUMENTS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

/// The first of `names` on the path.
fn program(names: &[&str]) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    let found = names.iter().find_map(|name| {
        let mut files = folders.iter().map(|folder| folder.join(name));
        files.find(|file| file.is_file())
    });
    found.unwrap_or_else(|| panic!("{names:?} are missing: run tests/install"))
}

/// One browser with an empty profile.
#[derive(Debug)]
pub struct Browser {
    address: SocketAddr,
    session: String,
    _driver: Process,
}

impl Browser {
    /// Its files go into `folder`.
    pub fn start(folder: &Path) -> Self {
        let address = process::free_address();
        let mut command = Command::new(program(&["chromedriver"]));
        command.arg(format!("--port={}", address.port()));
        let mut driver = Process::start("chromedriver", command, folder);
        driver.ready(address, "/status", READY_WITHIN);
        let profile = format!("--user-data-dir={}", folder.join("profile").display());
        let arguments: Vec<_> = ARGUMENTS
            .iter()
            .map(ToString::to_string)
            .chain([profile])
            .collect();
        let binary = program(&["chromium", "chromium-browser", "google-chrome"]);
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": {"binary": binary, "args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let answer = Ask::new("POST", "/session", wanted.to_string())
            .send(address)
            .json();
        let session = answer["value"]["sessionId"].as_str();
        let session = session.unwrap_or_else(|| panic!("no browser: {answer}\n{}", driver.log()));
        Self {
            address,
            session: session.to_owned(),
            _driver: driver,
        }
    }

    fn ask(&self, method: &'static str, path: &str, body: &Value) -> Value {
        let path = format!("/session/{}{path}", self.session);
        let body = if method == "POST" {
            body.to_string()
        } else {
            String::new()
        };
        let mut answer = Ask::new(method, &path, body).send(self.address).json();
        assert!(answer["value"]["error"].is_null(), "{path}: {answer}");
        answer["value"].take()
    }

    pub fn open(&self, url: &str) {
        self.ask("POST", "/url", &json!({"url": url}));
    }

    pub fn reload(&self) {
        self.ask("POST", "/refresh", &json!({}));
    }

    pub fn back(&self) {
        self.ask("POST", "/back", &json!({}));
    }

    pub fn url(&self) -> String {
        self.text_of("GET", "/url", &Value::Null)
    }

    pub fn title(&self) -> String {
        self.text_of("GET", "/title", &Value::Null)
    }

    fn text_of(&self, method: &'static str, path: &str, body: &Value) -> String {
        let value = self.ask(method, path, body);
        value.as_str().unwrap_or_default().to_owned()
    }

    /// What a script returns.
    pub fn run(&self, script: &str) -> Value {
        self.ask(
            "POST",
            "/execute/sync",
            &json!({"script": script, "args": []}),
        )
    }

    /// The text that a reader of the page sees.
    pub fn text(&self) -> String {
        self.text_of(
            "POST",
            "/execute/sync",
            &json!({"script": "return document.body.innerText", "args": []}),
        )
    }

    /// Waits until the page shows `text`.
    pub fn shows(&self, text: &str) {
        let shown = process::until(READY_WITHIN, || self.text().contains(text));
        assert!(
            shown,
            "{text:?} is not in:\n{}\nconsole: {:?}",
            self.text(),
            self.console()
        );
    }

    pub fn click(&self, css: &str) {
        let found = self.ask(
            "POST",
            "/element",
            &json!({"using": "css selector", "value": css}),
        );
        let element = found
            .as_object()
            .and_then(|ids| ids.values().next()?.as_str().map(str::to_owned));
        let element = element.unwrap_or_else(|| panic!("no {css}: {found}"));
        self.ask("POST", &format!("/element/{element}/click"), &json!({}));
    }

    /// What the console has said since it was last asked: faults of scripts, of loading, of the content policy.
    pub fn console(&self) -> Vec<String> {
        let entries = self.ask("POST", "/se/log", &json!({"type": "browser"}));
        let entries = entries.as_array().cloned().unwrap_or_default();
        entries.iter().map(ToString::to_string).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends its browser with the session; killed, it would leave it behind.
        let path = format!("/session/{}", self.session);
        let _ = Ask::new("DELETE", &path, String::new()).try_send(self.address);
    }
}
