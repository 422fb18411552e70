//! A PostgreSQL of the test's own, on a free port, gone with the test.
//!
//! One server is enough for a test function: [`Postgres::fresh`] makes databases of it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection};
use tempfile::TempDir;

use crate::Options;

pub(crate) const PASSWORD: &str = "hunter2-of-the-database";
/// Debian's `nobody`: the server does not run as root.
const NOBODY: u32 = 65_534;
const TRIES: usize = 5;

pub(crate) struct Postgres {
    child: Child,
    port: u16,
    folder: TempDir,
    databases: AtomicU32,
}

impl Postgres {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        own(folder.path());
        let (data, password) = (folder.path().join("data"), folder.path().join("password"));
        fs::write(&password, PASSWORD).unwrap();
        own(&password);
        let initdb = command("initdb")
            .args([
                "-U",
                "postgres",
                "-E",
                "UTF8",
                "--locale=C",
                "--auth=scram-sha-256",
                "--no-sync",
                "--pwfile",
            ])
            .args([&password, Path::new("-D"), &data])
            .output()
            .unwrap();
        assert!(
            initdb.status.success(),
            "{}",
            String::from_utf8_lossy(&initdb.stderr)
        );
        let started = (0..TRIES).find_map(|_| {
            let port = free_port();
            Some((serve(&data, port)?, port))
        });
        let (child, port) = started.expect("postgres starts on a free port");
        Self {
            child,
            port,
            folder,
            databases: AtomicU32::new(0),
        }
    }

    /// The URL of an empty database.
    pub async fn fresh(&self) -> String {
        let name = format!("fresh_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.run(&format!("create database {name}")).await;
        self.url(&name)
    }

    /// How to open a store in an empty database, with `folder` for its node's.
    pub async fn options(&self, folder: &Path) -> Options {
        Options {
            url: self.fresh().await.into(),
            base: folder.to_owned(),
            dir: "data".into(),
            connections: 4,
            node: "n1".into(),
        }
    }

    /// It holds its connections, and answers none.
    pub fn freeze(&self) {
        self.signal_all("-STOP");
    }

    pub fn thaw(&self) {
        self.signal_all("-CONT");
    }

    /// As when the machine fails.
    pub fn kill(&mut self) {
        self.signal_all("-KILL");
        let _ = self.child.wait();
    }

    /// After [`Postgres::kill`], on the same port.
    pub fn restart(&mut self) {
        let data = self.folder.path().join("data");
        // What the last process left of shared memory may be in its way once.
        let child = (0..TRIES * 4).find_map(|_| {
            let _ = fs::remove_file(data.join("postmaster.pid"));
            serve(&data, self.port)
        });
        self.child = child.expect("postgres starts again");
    }

    /// The server and the processes that it made.
    fn signal_all(&self, signal: &str) {
        let pid = self.child.id();
        let made = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let made = made.unwrap_or_default();
        let all =
            std::iter::once(pid.to_string()).chain(made.split_whitespace().map(str::to_owned));
        let _ = Command::new("kill").arg(signal).args(all).status();
    }

    pub fn url(&self, rest: &str) -> String {
        format!(
            "postgresql://postgres:{PASSWORD}@127.0.0.1:{}/{rest}",
            self.port
        )
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub async fn connect_to(&self, database: &str) -> PgConnection {
        let options = PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(self.port)
            .username("postgres")
            .password(PASSWORD)
            .database(database);
        options.connect().await.unwrap()
    }

    pub async fn run(&self, sql: &str) {
        self.run_in("postgres", sql).await;
    }

    pub async fn run_in(&self, database: &str, sql: &str) {
        let mut connection = self.connect_to(database).await;
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&mut connection)
            .await
            .unwrap();
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.thaw();
        // At once, and without leaving shared memory behind.
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-INT", &pid]).status();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Until it says that it takes connections; `None` when it ends before, for another took the port.
fn serve(data: &Path, port: u16) -> Option<Child> {
    let mut child = command("postgres")
        .arg("-D")
        .arg(data)
        .args(["-p", &port.to_string()])
        .args([
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "unix_socket_directories=",
        ])
        .args([
            "-c",
            "fsync=off",
            "-c",
            "shared_buffers=32MB",
            "-c",
            "logging_collector=off",
        ])
        .args(["-c", "lc_messages=C", "-c", "log_destination=stderr"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let ready = log
        .by_ref()
        .map_while(Result::ok)
        .any(|line| line.contains("ready to accept connections"));
    if !ready {
        let _ = child.wait();
        return None;
    }
    // What it writes from now on would fill the pipe.
    std::thread::spawn(move || log.for_each(drop));
    Some(child)
}

fn command(name: &str) -> Command {
    let mut command = Command::new(program(name));
    command
        .current_dir("/")
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

/// In the path, or where Debian puts it.
fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let versions = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let folders =
        std::env::split_paths(&path).chain(versions.map(|version| version.path().join("bin")));
    let found = folders
        .map(|folder| folder.join(name))
        .find(|program| program.exists());
    found.unwrap_or_else(|| panic!("{name} is missing: run tests/install, or install postgresql"))
}

fn own(path: &Path) {
    if is_root() {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}
