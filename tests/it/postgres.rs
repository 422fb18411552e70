//! A PostgreSQL of the test's own, on a free port; gone with the test.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::process::free_address;

pub const PASSWORD: &str = "hunter2-of-the-database";
const TABLES: &str = include_str!("../../server/storage/src/foreign/litellm/tests/litellm.sql");
/// Debian's `nobody`: the server does not run as root.
const NOBODY: u32 = 65_534;
const TRIES: usize = 5;

#[derive(Debug)]
pub struct Postgres {
    child: Child,
    port: u16,
    data: PathBuf,
    _folder: tempfile::TempDir,
}

impl Postgres {
    /// Empty.
    pub fn new() -> Self {
        Self::filled(|_| ())
    }

    /// With LiteLLM's tables, and after `rows`, one statement each.
    pub fn with(rows: &[String]) -> Self {
        Self::filled(|data| fill(data, rows))
    }

    fn filled(fill: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        own(folder.path());
        let (data, password) = (folder.path().join("data"), folder.path().join("password"));
        fs::write(&password, PASSWORD).expect("a file");
        own(&password);
        let made = command("initdb")
            .args(["-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync"])
            .args(["--auth=scram-sha-256", "--pwfile"])
            .args([&password, Path::new("-D"), &data])
            .output()
            .expect("initdb starts");
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        fill(&data);
        let started = (0..TRIES).find_map(|_| serve(&data, free_address().port()));
        let (child, port) = started.expect("postgres starts on a free port");
        Self {
            child,
            port,
            data,
            _folder: folder,
        }
    }

    /// At once, as a crash is; connections are refused from then on.
    pub fn stop(&mut self) {
        signal("QUIT", self.child.id());
        self.child.wait().expect("it ends");
    }

    /// Again, where it was.
    pub fn start(&mut self) {
        // The port was its own; the first start after a crash may find the old one's lock.
        let started = (0..TRIES).find_map(|_| serve(&self.data, self.port));
        self.child = started.expect("postgres starts again").0;
    }

    /// Connections are taken, and nothing is answered.
    pub fn freeze(&self) {
        self.signal_all("STOP");
    }

    pub fn thaw(&self) {
        self.signal_all("CONT");
    }

    /// The server, then its processes: it can make no more of them.
    fn signal_all(&self, name: &str) {
        let id = self.child.id();
        signal(name, id);
        let children = format!("/proc/{id}/task/{id}/children");
        // None when it has ended.
        let children = fs::read_to_string(children).unwrap_or_default();
        for child in children.split_ascii_whitespace() {
            signal(name, child.parse().expect("a number"));
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// With the password.
    pub fn url(&self) -> String {
        format!(
            "postgres://postgres:{PASSWORD}@127.0.0.1:{}/postgres",
            self.port
        )
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // At once, and without leaving shared memory behind.
        self.thaw();
        signal("INT", self.child.id());
        let _ = self.child.wait();
    }
}

fn signal(name: &str, id: u32) {
    let _ = Command::new("kill")
        .args([&format!("-{name}"), &id.to_string()])
        .status();
}

/// Before it serves: a line is a statement.
fn fill(data: &Path, rows: &[String]) {
    let tables = TABLES.lines().filter(|line| !line.starts_with("--"));
    let tables = tables.collect::<Vec<_>>().join(" ").replace("; ", ";\n");
    let mut single = command("postgres")
        .args(["--single", "-c", "fsync=off", "-D"])
        .arg(data)
        .arg("postgres")
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("postgres starts");
    let mut stdin = single.stdin.take().expect("its input");
    writeln!(stdin, "{tables}\n{}", rows.join("\n")).expect("it reads");
    drop(stdin);
    assert!(single.wait().expect("it ends").success());
}

/// Until it says that it takes connections; `None` when it ends before, for another took the port.
fn serve(data: &Path, port: u16) -> Option<(Child, u16)> {
    let mut child = command("postgres")
        .args(["-p", &port.to_string(), "-D"])
        .arg(data)
        .args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"])
        .args([
            "-c",
            "unix_socket_directories=",
            "-c",
            "shared_buffers=16MB",
        ])
        .args(["-c", "lc_messages=C", "-c", "log_destination=stderr"])
        .stderr(Stdio::piped())
        .spawn()
        .expect("postgres starts");
    let mut log = BufReader::new(child.stderr.take().expect("its log")).lines();
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
    Some((child, port))
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
    let mut programs = folders.map(|folder| folder.join(name));
    programs
        .find(|program| program.exists())
        .unwrap_or_else(|| panic!("{name} is missing: run tests/install, or install postgresql"))
}

fn own(path: &Path) {
    if is_root() {
        chown(path, Some(NOBODY), Some(NOBODY)).expect("root may");
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}
