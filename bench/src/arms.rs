//! The arms of a run, as data: how a gateway is started and where it listens.
//!
//! In arguments, environment and files these stand for the values of a start:
//! `@address@` and `@port@` (where to listen), `@upstream@` (the mock's host and port), `@threads@`,
//! `@secret@` (the key clients send), `@dir@` (a folder of its own, empty at the start).

mod start;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

pub use start::{Running, SECRET, Upstream};

use crate::error::{Doing, Error, Result};

/// What ratios are taken to.
pub const YARDSTICK: &str = "nginx";
/// Troupe with one account.
pub const TROUPE: &str = "troupe";
/// Troupe with many accounts and many sessions; its ratio to [`TROUPE`] is what the pool costs.
pub const POOL: &str = "troupe-pool";
/// Troupe with every limit on that a key can have; its ratio to [`TROUPE`] is what limits cost.
pub const LIMITS: &str = "troupe-limits";
/// Troupe without a request log; the ratio of [`TROUPE`] to it is what rows cost.
pub const UNLOGGED: &str = "troupe-unlogged";
/// Accounts and sessions of [`POOL`].
const POOL_ACCOUNTS: usize = 1_000;
const POOL_SESSIONS: u32 = 10_000;
/// The arm without a gateway; what latency is added to.
pub const DIRECT: &str = "direct";

/// A gateway under test. [`Arm::load`] reads one from a JSON file of the same fields.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arm {
    /// Its name in the report.
    pub name: String,
    /// Its binary, a path or a name on `PATH`. `None` is no gateway: the mock itself is measured.
    pub program: Option<PathBuf>,
    /// Arguments.
    #[serde(default)]
    pub args: Vec<String>,
    /// Additions to the environment.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Files written into its folder before the start: name → text.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// A path that answers GET with 200 when it is ready.
    pub ready_path: String,
    /// The path requests go to.
    #[serde(default = "messages_path")]
    pub path: String,
    /// Requests name so many sessions in turn (`x-claude-code-session-id`); 0 for none.
    #[serde(default)]
    pub sessions: u32,
}

fn messages_path() -> String {
    "/v1/messages".to_owned()
}

impl Arm {
    /// The arm `name`: one of the built-in ones, or of `others`.
    ///
    /// # Errors
    /// When there is none, or its binary is missing: an arm is never left out in silence.
    pub fn named(name: &str, troupe: &Path, others: &[Self]) -> Result<Self> {
        let arm = match name {
            DIRECT => direct(),
            YARDSTICK => nginx(),
            TROUPE => Self::troupe(troupe),
            POOL => Self::pool(troupe),
            LIMITS => Self::limits(troupe),
            UNLOGGED => Self::unlogged(troupe),
            _ => others
                .iter()
                .find(|arm| arm.name == name)
                .cloned()
                .ok_or_else(|| {
                    Error::Input(format!(
                        "no arm {name}: direct, nginx, troupe, troupe-pool, troupe-limits, troupe-unlogged or one given by --arm-file"
                    ))
                })?,
        };
        arm.binary_bytes()?;
        Ok(arm)
    }

    /// Reads an arm from a JSON file.
    ///
    /// # Errors
    /// When the file cannot be read or is not an arm.
    pub fn load(file: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(file).doing(format!("read {}", file.display()))?;
        serde_json::from_str(&text)
            .map_err(|error| Error::Input(format!("{}: {error}", file.display())))
    }

    /// Size of its binary; `None` without one.
    ///
    /// # Errors
    /// When the binary is not there.
    pub fn binary_bytes(&self) -> Result<Option<u64>> {
        let Some(program) = &self.program else {
            return Ok(None);
        };
        let missing = || {
            let hint = if [TROUPE, POOL, LIMITS, UNLOGGED].contains(&self.name.as_str()) {
                "build it (cargo build --release -p troupe-server) or give --troupe PATH"
            } else {
                "install it"
            };
            Error::Input(format!(
                "arm {}: no {}: {hint}, or leave the arm out with --arms",
                self.name,
                program.display()
            ))
        };
        on_path(program)
            .and_then(|path| Some(path.metadata().ok()?.len()))
            .ok_or_else(missing)
            .map(Some)
    }

    /// The same with three windows of requests, two of tokens, one of money and a number of slots; none is ever reached.
    fn limits(binary: &Path) -> Self {
        const MANY: &str = "    limits: { requests_per_minute: 1000000000, requests_per_hour: 1000000000, \
             requests_per_day: 1000000000, tokens_per_minute: 1000000000000, tokens_per_day: 1000000000000, \
             usd_per_month: 1000000000, concurrent: 100000 }\n";
        let mut arm = Self::troupe(binary);
        arm.name = LIMITS.to_owned();
        for text in arm.files.values_mut() {
            let key = "    secret: \"@secret@\"\n";
            *text = text.replace(key, &format!("{key}{MANY}"));
        }
        arm
    }

    /// The same, which keeps no row of a request. Usage is counted all the same: limits and reports need it.
    fn unlogged(binary: &Path) -> Self {
        let mut arm = Self::troupe(binary);
        arm.name = UNLOGGED.to_owned();
        for text in arm.files.values_mut() {
            text.push_str("request_log: { enabled: false }\n");
        }
        arm
    }

    /// `troupe serve` with one declared account and one declared key.
    fn troupe(binary: &Path) -> Self {
        Self {
            name: TROUPE.to_owned(),
            program: Some(binary.to_owned()),
            args: ["serve", "--config", "@dir@/troupe.yaml"]
                .map(str::to_owned)
                .to_vec(),
            env: BTreeMap::new(),
            files: BTreeMap::from([(
                "troupe.yaml".to_owned(),
                include_str!("arms/troupe.yaml").to_owned(),
            )]),
            ready_path: "/readyz".to_owned(),
            path: messages_path(),
            sessions: 0,
        }
    }

    /// The same with a pool of accounts, each as the one of `troupe`, and sessions that are at home there.
    fn pool(binary: &Path) -> Self {
        let mut arm = Self::troupe(binary);
        arm.name = POOL.to_owned();
        arm.sessions = POOL_SESSIONS;
        for text in arm.files.values_mut() {
            *text = with_accounts(text, POOL_ACCOUNTS);
        }
        arm
    }
}

/// The configuration with `count` accounts in place of its one.
fn with_accounts(text: &str, count: usize) -> String {
    let (begin, end) = ("accounts:\n", "keys:\n");
    let Some((before, rest)) = text.split_once(begin) else {
        return text.to_owned();
    };
    let Some((account, after)) = rest.split_once(end) else {
        return text.to_owned();
    };
    let accounts: String = (0..count)
        .map(|n| account.replacen("name: bench", &format!("name: bench-{n:04}"), 1))
        .collect();
    [before, begin, &accounts, end, after].concat()
}

fn direct() -> Arm {
    Arm {
        name: DIRECT.to_owned(),
        program: None,
        args: Vec::new(),
        env: BTreeMap::new(),
        files: BTreeMap::new(),
        ready_path: "/".to_owned(),
        path: messages_path(),
        sessions: 0,
    }
}

fn nginx() -> Arm {
    // Started by root, workers would change to a user that may not enter the arm's folder.
    let user = if nix::unistd::geteuid().is_root() {
        "user root;"
    } else {
        ""
    };
    let conf = include_str!("arms/nginx.conf").replace("@user@", user);
    Arm {
        name: YARDSTICK.to_owned(),
        program: Some("nginx".into()),
        args: ["-p", "@dir@", "-e", "stderr", "-c", "@dir@/nginx.conf"]
            .map(str::to_owned)
            .to_vec(),
        env: BTreeMap::new(),
        files: BTreeMap::from([("nginx.conf".to_owned(), conf)]),
        ready_path: "/".to_owned(),
        path: messages_path(),
        sessions: 0,
    }
}

/// Where a program is: itself when it names a folder, else looked up as the shell does.
fn on_path(program: &Path) -> Option<PathBuf> {
    if program.components().count() > 1 {
        return program.is_file().then(|| program.to_owned());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into()])
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_gateway_is_a_json_file() {
        let text =
            r#"{"name":"other","program":"/bin/true","args":["--port","@port@"],"ready_path":"/"}"#;
        let arm: Arm = serde_json::from_str(text).expect("an arm");
        assert_eq!(arm.path, "/v1/messages");
        let found = Arm::named("other", Path::new("none"), &[arm]).expect("found");
        assert!(
            found
                .binary_bytes()
                .expect("there")
                .is_some_and(|bytes| bytes > 0)
        );
    }

    #[test]
    fn a_pool_is_the_same_with_more_accounts() {
        let one = Arm::troupe(Path::new("troupe"));
        let pool = Arm::pool(Path::new("troupe"));
        let text = &pool.files["troupe.yaml"];
        assert_eq!(text.matches("kind: api_key").count(), POOL_ACCOUNTS);
        assert!(text.contains("  - name: bench-0999\n"), "{text}");
        assert_eq!(
            with_accounts(&one.files["troupe.yaml"], 1).lines().count(),
            one.files["troupe.yaml"].lines().count()
        );
    }

    #[test]
    fn a_missing_binary_is_an_error_that_says_what_to_do() {
        let error = Arm::named("troupe", Path::new("no/such/troupe"), &[]).expect_err("missing");
        assert!(error.to_string().contains("--troupe PATH"));
        assert!(Arm::named("unknown", Path::new("x"), &[]).is_err());
    }
}
