//! Failed sign-ins: the first at once, what follows within a minute as one line.
//!
//! ```text
//! quiet ── failed ──▶ line ──▶ counting ── a minute ──▶ line with count (none: quiet again)
//! ```
//! Invariant: at most one line a minute but for the first; prefixes and addresses are bounded, and how many more there
//! were is counted as far as it is known.

use std::collections::BTreeSet;

use serde_json::json;
use troupe_core::audit::AuditStatus;
use troupe_storage::audit::Entry;

const MINUTE_MS: u64 = 60_000;
/// Distinct prefixes and addresses that a line names.
const NAMED: usize = 16;
/// Distinct ones that are counted.
const DISTINCT: usize = 1_024;

pub(super) const ACTION: &str = "client.sign_in_failed";

#[derive(Debug, Default)]
pub(super) struct Flood {
    counting: Option<Counting>,
}

#[derive(Debug)]
struct Counting {
    since_ms: u64,
    times: u64,
    prefixes: BTreeSet<String>,
    remotes: BTreeSet<String>,
}

impl Counting {
    fn new(since_ms: u64) -> Self {
        Self {
            since_ms,
            times: 0,
            prefixes: BTreeSet::new(),
            remotes: BTreeSet::new(),
        }
    }

    fn is_over(&self, now_ms: u64) -> bool {
        now_ms.abs_diff(self.since_ms) >= MINUTE_MS
    }

    fn line(&self, now_ms: u64) -> Entry {
        let named = |set: &BTreeSet<String>| set.iter().take(NAMED).cloned().collect::<Vec<_>>();
        Entry {
            status: Some(AuditStatus::Denied),
            count: Some(self.times),
            after: Some(json!({
                "seconds": now_ms.saturating_sub(self.since_ms) / 1_000,
                "distinct_prefixes": self.prefixes.len(),
                "prefixes": named(&self.prefixes),
                "distinct_addresses": self.remotes.len(),
                "addresses": named(&self.remotes),
            })),
            ..Entry::new(now_ms, "client", ACTION, "gateway")
        }
    }
}

impl Flood {
    pub fn failed(
        &mut self,
        now_ms: u64,
        prefix: Option<&str>,
        remote: Option<&str>,
        request_id: String,
    ) -> Option<Entry> {
        let Some(counting) = &mut self.counting else {
            self.counting = Some(Counting::new(now_ms));
            return Some(Entry {
                status: Some(AuditStatus::Denied),
                remote: remote.map(str::to_owned),
                request_id: Some(request_id),
                after: prefix.map(|prefix| json!({ "prefix": prefix })),
                ..Entry::new(now_ms, "client", ACTION, "gateway")
            });
        };
        counting.times += 1;
        for (set, one) in [
            (&mut counting.prefixes, prefix),
            (&mut counting.remotes, remote),
        ] {
            if let Some(one) = one
                && set.len() < DISTINCT
                && !set.contains(one)
            {
                set.insert(one.to_owned());
            }
        }
        self.tick(now_ms)
    }

    /// The line of a minute that is over.
    pub fn tick(&mut self, now_ms: u64) -> Option<Entry> {
        let over = self.counting.take_if(|counting| counting.is_over(now_ms))?;
        if over.times == 0 {
            return None;
        }
        self.counting = Some(Counting::new(now_ms));
        Some(over.line(now_ms))
    }

    /// What is counted, at the end of the process.
    pub fn rest(&mut self, now_ms: u64) -> Option<Entry> {
        let rest = self.counting.take()?;
        (rest.times > 0).then(|| rest.line(now_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told_at_once_and_the_rest_by_the_minute() {
        let mut flood = Flood::default();
        let fail = |flood: &mut Flood, now_ms, n: u64| {
            let (prefix, remote) = (format!("p{n}"), format!("10.0.0.{}", n % 3));
            flood.failed(now_ms, Some(&prefix), Some(&remote), "req_1".into())
        };
        let first = fail(&mut flood, 0, 0).unwrap();
        assert_eq!(
            (first.count, first.remote.as_deref()),
            (None, Some("10.0.0.0"))
        );
        for n in 1..=5_000 {
            assert_eq!(fail(&mut flood, n, n), None);
        }
        assert_eq!(flood.tick(59_999), None);
        let line = flood.tick(60_000).unwrap();
        assert_eq!(line.count, Some(5_000));
        let after = line.after.unwrap();
        assert_eq!(after["distinct_prefixes"], 1_024);
        assert_eq!(after["prefixes"].as_array().unwrap().len(), NAMED);
        assert_eq!(after["distinct_addresses"], 3);
        assert_eq!(fail(&mut flood, 60_001, 1), None, "it goes on");
        assert_eq!(flood.tick(120_000).unwrap().count, Some(1));
        assert_eq!(flood.tick(180_000), None, "quiet again");
        assert!(fail(&mut flood, 180_001, 1).is_some());
        assert_eq!(flood.rest(180_002), None);
    }
}
