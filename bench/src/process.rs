//! Child processes that are certain to end: started, awaited until ready, stopped by their own id.
//!
//! Invariant: a [`Child`] that is dropped, for whatever reason, is gone: SIGTERM, a bounded wait,
//! SIGKILL for what is left of its tree.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::error::{Doing, Error, Result};
use crate::load::get_status;
use crate::measure;

const READY_WITHIN: Duration = Duration::from_secs(30);
const READY_POLL: Duration = Duration::from_millis(1);
const STOP_WITHIN: Duration = Duration::from_secs(5);
const LOG_TAIL_BYTES: usize = 1_000;

/// What to start.
#[derive(Debug)]
pub struct Launch<'a> {
    /// What it is called in messages.
    pub name: &'a str,
    /// The binary, a path or a name on `PATH`.
    pub program: &'a Path,
    /// Its arguments.
    pub args: Vec<String>,
    /// Additions to the environment.
    pub env: BTreeMap<String, String>,
    /// Its working folder; its output goes to `output.log` there.
    pub dir: &'a Path,
}

/// A running child process.
#[derive(Debug)]
pub struct Child {
    name: String,
    inner: std::process::Child,
    started: Instant,
    log: PathBuf,
}

impl Child {
    /// Starts it. Its standard input is a pipe that closes with this process.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(launch: Launch<'_>) -> Result<Self> {
        let log = launch.dir.join("output.log");
        let output = File::create(&log).doing(format!("create {}", log.display()))?;
        let errors = output.try_clone().doing("duplicate a file handle")?;
        let started = Instant::now();
        let inner = Command::new(launch.program)
            .args(launch.args)
            .env_clear()
            .envs(std::env::var("PATH").map(|path| ("PATH", path)))
            .envs(launch.env)
            .current_dir(launch.dir)
            .stdin(Stdio::piped())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .doing(format!(
                "start {} ({})",
                launch.name,
                launch.program.display()
            ))?;
        Ok(Self {
            name: launch.name.to_owned(),
            inner,
            started,
            log,
        })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.inner.id()
    }

    /// Polls `path` until it answers 200; gives the time since the start.
    ///
    /// # Errors
    /// When it exits first or is not ready within 30 s.
    pub async fn ready(&mut self, address: SocketAddr, path: &str) -> Result<Duration> {
        loop {
            if matches!(get_status(address, path).await, Ok(200)) {
                return Ok(self.started.elapsed());
            }
            if let Some(status) = self.inner.try_wait().doing("look after a child")? {
                return Err(self.complaint(&format!("ended ({status})")));
            }
            if self.started.elapsed() > READY_WITHIN {
                return Err(self.complaint(&format!("not ready within {READY_WITHIN:?}")));
            }
            tokio::time::sleep(READY_POLL).await;
        }
    }

    fn complaint(&self, what: &str) -> Error {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let tail = String::from_utf8_lossy(&log[log.len().saturating_sub(LOG_TAIL_BYTES)..]);
        Error::Child(format!(
            "{} {what}; its last output:\n{}",
            self.name,
            tail.trim()
        ))
    }

    fn ended_within(&mut self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        while Instant::now() < until {
            if !matches!(self.inner.try_wait(), Ok(None)) {
                return true;
            }
            pause();
        }
        false
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "in Drop, on a thread that has nothing else to do"
)]
fn pause() {
    std::thread::sleep(Duration::from_millis(5));
}

impl Drop for Child {
    fn drop(&mut self) {
        let tree = measure::tree(self.pid());
        drop(self.inner.stdin.take());
        signal(self.pid(), Signal::SIGTERM);
        if !self.ended_within(STOP_WITHIN) {
            tree.iter().for_each(|&pid| signal(pid, Signal::SIGKILL));
            self.ended_within(STOP_WITHIN);
        }
    }
}

/// A process that is gone already is what was wanted.
fn signal(pid: u32, signal: Signal) {
    if let Ok(pid) = i32::try_from(pid) {
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

/// A loopback address whose port, and the one after it, are free now. Some gateways use both.
///
/// # Errors
/// When none is found in 100 attempts.
pub fn free_address() -> Result<SocketAddr> {
    for _ in 0..100 {
        let first = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).doing("bind a free port")?;
        let address = first.local_addr().doing("read a port")?;
        let next = address.port().checked_add(1);
        if next.is_some_and(|next| TcpListener::bind((Ipv4Addr::LOCALHOST, next)).is_ok()) {
            return Ok(address);
        }
    }
    Err(Error::Child("no two adjacent free ports".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_child_is_gone() {
        let dir = tempfile::tempdir().expect("a folder");
        let child = Child::spawn(Launch {
            name: "sleeper",
            program: Path::new("sleep"),
            args: vec!["60".to_owned()],
            env: BTreeMap::new(),
            dir: dir.path(),
        })
        .expect("started");
        let pid = child.pid();
        assert!(Path::new(&format!("/proc/{pid}")).exists());
        drop(child);
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
    }
}
