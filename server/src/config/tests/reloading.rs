//! All sections or none, and what needs a restart.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

/// Follows `sessions.max`; cannot follow above its bound.
struct Follower {
    name: &'static str,
    bound: u64,
    value: AtomicU64,
}

impl Section for Follower {
    type Prepared = u64;

    fn name(&self) -> &'static str {
        self.name
    }

    fn prepare(&self, new: &Config) -> Result<u64, String> {
        if new.sessions.max > self.bound {
            return Err(format!("holds at most {}", self.bound));
        }
        Ok(new.sessions.max)
    }

    fn commit(&self, prepared: u64) {
        self.value.store(prepared, Ordering::Relaxed);
    }
}

fn follower(name: &'static str, bound: u64) -> Arc<Follower> {
    Arc::new(Follower {
        name,
        bound,
        value: AtomicU64::new(0),
    })
}

fn with_max(max: u64) -> Config {
    let mut config = Config::default();
    config.sessions.max = max;
    config
}

#[test]
fn one_section_that_cannot_follow_keeps_all_as_they_were() {
    let (wide, narrow) = (follower("wide", 1000), follower("narrow", 10));
    let reloader = Reloader::new(with_max(1))
        .with(wide.clone())
        .with(narrow.clone());
    let values = || {
        (
            wide.value.load(Ordering::Relaxed),
            narrow.value.load(Ordering::Relaxed),
        )
    };
    assert!(reloader.apply(with_max(5)).expect("a report").changed);
    assert_eq!(values(), (5, 5));
    let error = reloader.apply(with_max(50)).expect_err("an error");
    assert_eq!(error.to_string(), "configuration: narrow: holds at most 10");
    assert_eq!(values(), (5, 5));
    assert_eq!(reloader.current().sessions.max, 5);
    assert!(!reloader.apply(with_max(5)).expect("a report").changed);
}

#[test]
fn keys_that_need_a_restart_are_told_until_there_was_one() {
    let reloader = Reloader::new(Config::default());
    let mut new = Config::default();
    new.server.bind.set_port(1);
    new.telemetry.metrics.enabled = false;
    new.streaming.keepalive = HumanDuration::from_secs(1);
    new.secrets.key_file = "new.key".into();
    let told = ["server.bind", "telemetry.metrics.enabled"];
    let report = reloader.apply(new.clone()).expect("a report");
    assert_eq!(report.needs_restart, told);
    let report = reloader.apply(new).expect("a report");
    assert!(!report.changed);
    assert_eq!(report.needs_restart, told);
    let back = reloader.apply(Config::default()).expect("a report");
    assert_eq!(back.needs_restart, [""; 0]);
}
