//! Real child processes for tests that must see the program as its users do: each is killed by
//! its id when its guard goes, and its output is kept for the message of a failed test.

use std::{
    fs::File,
    hash::{BuildHasher, Hasher, RandomState},
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::{Duration, Instant},
};

use crate::secrets;

/// A binary of the workspace, built beside this test (`make build`).
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the path of this test");
    let profile = test
        .ancestors()
        .nth(2)
        .expect("target/<profile>/deps/<test>");
    let path = profile.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(
        path.exists(),
        "{} is not built: run `make build` first",
        path.display()
    );
    path
}

/// A loopback address nobody listens on at the moment. Its port is below those that the system gives to clients: one
/// of those could be in use by the time it is listened on.
pub fn free_address() -> SocketAddr {
    let random = || RandomState::new().build_hasher().finish();
    let ports = (0..1_000).map(|_| 18_000 + u16::try_from(random() % 14_000).unwrap_or_default());
    let mut addresses = ports.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    addresses
        .find(|address| TcpListener::bind(address).is_ok())
        .expect("a free port")
}

/// A child with its output in files of `folder`.
#[derive(Debug)]
pub struct Process {
    child: Child,
    name: String,
    folder: PathBuf,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Process {
    /// Starts `command` in `folder` with no input and only the environment set on it, `PATH` and
    /// `HOME`: what the developer's shell exports (keys, proxies) must not reach a test.
    pub fn start(name: &str, mut command: Command, folder: &Path) -> Self {
        secrets::know_folder(folder);
        secrets::know_command(&command, "");
        let stdout = folder.join(format!("{name}.stdout"));
        let stderr = folder.join(format!("{name}.stderr"));
        let child = alone(&mut command, folder)
            .stdin(Stdio::null())
            .stdout(File::create(&stdout).expect("a file for its output"))
            .stderr(File::create(&stderr).expect("a file for its log"))
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        Self {
            child,
            name: name.to_owned(),
            folder: folder.to_owned(),
            stdout,
            stderr,
        }
    }

    /// Waits until `GET path` answers 200; fails at once when the child ends, at last after
    /// `within`.
    pub fn ready(&mut self, address: SocketAddr, path: &str, within: Duration) {
        let answers = until(within, || {
            if let Some(status) = self.child.try_wait().expect("the state of a child") {
                panic!("{} ended with {status}:\n{}", self.name, self.log());
            }
            get(address, path) == Some(200)
        });
        assert!(
            answers,
            "{} is not ready after {within:?}:\n{}",
            self.name,
            self.log()
        );
    }

    /// What it has printed so far, its log last.
    pub fn log(&self) -> String {
        self.stdout() + &self.stderr()
    }

    pub fn stdout(&self) -> String {
        std::fs::read_to_string(&self.stdout).unwrap_or_default()
    }

    pub fn stderr(&self) -> String {
        std::fs::read_to_string(&self.stderr).unwrap_or_default()
    }

    /// Sends it a signal, by name: `TERM`, `HUP`, `KILL`.
    pub fn signal(&self, name: &str) {
        let line = format!("kill -{name} {}", self.child.id());
        let sent = Command::new("sh").args(["-c", &line]).status();
        assert!(sent.is_ok_and(|status| status.success()), "{line}");
    }

    /// Waits for its end, and gives its exit code (128 + N when signal N ended it); fails after `within`.
    pub fn ended(&mut self, within: Duration) -> i32 {
        let mut status = None;
        let ended = until(within, || {
            status = self.child.try_wait().expect("the state of a child");
            status.is_some()
        });
        assert!(
            ended,
            "{} has not ended after {within:?}:\n{}",
            self.name,
            self.log()
        );
        code(status.expect("the status of a child that has ended"))
    }
}

/// An exit code as a shell tells it.
pub fn code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        secrets::look_after_process(&self.name, &self.folder);
    }
}

/// Runs `command` in `folder` to its end, in the environment of [`Process::start`]; what it
/// prints is this test's own output. True when it succeeded.
pub fn run(mut command: Command, folder: &Path) -> bool {
    alone(&mut command, folder)
        .stdin(Stdio::null())
        .status()
        .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"))
        .success()
}

/// Runs `command` in `folder` to its end as [`run`] does, with `input`, and gives what it printed.
pub fn output(mut command: Command, folder: &Path, input: &str) -> Output {
    secrets::know_folder(folder);
    secrets::know_command(&command, input);
    let mut child = alone(&mut command, folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    let mut stdin = child.stdin.take().expect("its input");
    // A command that reads nothing may have ended already.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().expect("its output");
    if !secrets::tells(&command) {
        secrets::look(&format!("the output of {command:?}"), &output.stdout);
        secrets::look(&format!("the errors of {command:?}"), &output.stderr);
    }
    output
}

fn alone<'a>(command: &'a mut Command, folder: &Path) -> &'a mut Command {
    let kept: Vec<_> = command
        .get_envs()
        .map(|(k, v)| (k.to_owned(), v.map(ToOwned::to_owned)))
        .collect();
    command.env_clear().current_dir(folder).env("HOME", folder);
    // The last one: where a coverage run wants its profiles.
    for name in ["PATH", "LLVM_PROFILE_FILE"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.envs(
        kept.into_iter()
            .filter_map(|(name, value)| Some((name, value?))),
    )
}

/// Asks again and again, with a short rest, until `condition` holds; false after `within`.
pub fn until(within: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + within;
    while !condition() {
        if Instant::now() > end {
            return false;
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
    true
}

/// The status of `GET path`; nothing when nobody answers in HTTP.
fn get(address: SocketAddr, path: &str) -> Option<u16> {
    let limit = Duration::from_secs(2);
    let mut stream = TcpStream::connect_timeout(&address, limit).ok()?;
    stream.set_read_timeout(Some(limit)).ok()?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
    )
    .ok()?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).ok()?;
    std::str::from_utf8(answer.strip_prefix(b"HTTP/1.1 ")?)
        .ok()?
        .parse()
        .ok()
}
