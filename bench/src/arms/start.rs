//! Starts the mock and the arms, each in a folder of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use super::Arm;
use crate::error::{Doing, Result};
use crate::load::Target;
use crate::process::{Child, Launch, free_address};

/// The gateway key of every arm: 40 characters, made up.
pub const SECRET: &str = "troupe-bench-0123456789abcdefghijklmnopq";

/// The mock, running as a process of its own.
#[derive(Debug)]
pub struct Upstream {
    child: Child,
    address: SocketAddr,
    _dir: TempDir,
}

impl Upstream {
    /// Starts it: this very binary with `mock`.
    ///
    /// # Errors
    /// When it cannot be started or is not ready in time.
    pub async fn start() -> Result<Self> {
        let dir = tempfile::tempdir().doing("make a folder")?;
        let address = free_address()?;
        let program = std::env::current_exe().doing("find this binary")?;
        let mut child = Child::spawn(Launch {
            name: "mock",
            program: &program,
            args: vec![
                "mock".into(),
                "--bind".into(),
                address.to_string(),
                "--tied".into(),
            ],
            env: Default::default(),
            dir: dir.path(),
        })?;
        child.ready(address, "/").await?;
        Ok(Self {
            child,
            address,
            _dir: dir,
        })
    }
}

/// An arm that is ready for requests.
#[derive(Debug)]
pub struct Running {
    // Before `dir`: the process ends before its folder goes.
    child: Option<Child>,
    _dir: Option<TempDir>,
    /// Where requests go.
    pub target: Target,
    /// The root of the process tree to measure.
    pub pid: u32,
    /// From the start to the first 200 of its readiness path; `None` without a gateway.
    pub cold_start: Option<Duration>,
}

impl Running {
    /// Starts `arm` in front of `upstream`.
    ///
    /// # Errors
    /// When it cannot be started or is not ready in time.
    pub async fn start(arm: &Arm, threads: u32, upstream: &Upstream) -> Result<Self> {
        let target = |address| Target {
            address,
            path: arm.path.clone(),
            secret: SECRET.to_owned(),
            sessions: arm.sessions,
        };
        let Some(program) = &arm.program else {
            return Ok(Self {
                child: None,
                _dir: None,
                target: target(upstream.address),
                pid: upstream.child.pid(),
                cold_start: None,
            });
        };
        let dir = tempfile::tempdir().doing("make a folder")?;
        let address = free_address()?;
        let fill = |text: &str| fill(text, address, upstream.address, threads, dir.path());
        for (name, text) in &arm.files {
            let path = dir.path().join(name);
            std::fs::write(&path, fill(text)).doing(format!("write {}", path.display()))?;
        }
        let mut child = Child::spawn(Launch {
            name: &arm.name,
            program,
            args: arm.args.iter().map(|arg| fill(arg)).collect(),
            env: arm
                .env
                .iter()
                .map(|(name, value)| (name.clone(), fill(value)))
                .collect(),
            dir: dir.path(),
        })?;
        let cold_start = child.ready(address, &arm.ready_path).await?;
        let pid = child.pid();
        let target = target(address);
        Ok(Self {
            child: Some(child),
            _dir: Some(dir),
            target,
            pid,
            cold_start: Some(cold_start),
        })
    }

    /// Whether there is a gateway process at all.
    #[must_use]
    pub fn is_gateway(&self) -> bool {
        self.child.is_some()
    }
}

fn fill(text: &str, address: SocketAddr, upstream: SocketAddr, threads: u32, dir: &Path) -> String {
    text.replace("@address@", &address.to_string())
        .replace("@port@", &address.port().to_string())
        .replace("@upstream@", &upstream.to_string())
        .replace("@threads@", &threads.to_string())
        .replace("@secret@", SECRET)
        .replace("@dir@", &dir.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_filled() {
        let arm = Arm::troupe(Path::new("troupe"));
        let here = "127.0.0.1:5200".parse().expect("an address");
        let there = "127.0.0.1:9".parse().expect("an address");
        let text = fill(
            &arm.files["troupe.yaml"],
            here,
            there,
            2,
            Path::new("/somewhere"),
        );
        assert!(!text.contains('@'), "{text}");
        assert!(text.contains("threads: 2") && text.contains("http://127.0.0.1:9"));
        assert_eq!(SECRET.len(), 40);
    }
}
