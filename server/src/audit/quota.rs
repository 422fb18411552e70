//! A limit that is used up: one line for a key, a limit and a window.
//!
//! Invariant: bounded; windows that have ended are forgotten, and when there are too many at once the one that ends first
//! is (and may then be told twice).

use std::collections::{BTreeSet, HashMap};

use serde_json::json;
use troupe_core::audit::AuditStatus;
use troupe_core::{KeyId, LimitId};
use troupe_storage::audit::Entry;

/// Windows that are remembered.
const WINDOWS: usize = 10_000;

pub(super) const ACTION: &str = "quota.exceeded";

/// A limit that kept a request out.
#[derive(Clone, Debug)]
pub struct Exceeded<'a> {
    pub key: Option<KeyId>,
    /// Name of the key.
    pub name: Option<&'a str>,
    pub limit_id: LimitId,
    /// `requests_per_minute`.
    pub limit: String,
    /// Whose limit: `key troupe-abc12345`, `group platform`, `this gateway`.
    pub scope: &'a str,
    pub capacity: u64,
    pub used: u64,
    /// The window's end (ms since the Unix epoch).
    pub end_ms: u64,
    pub request_id: String,
}

type Window = (Option<KeyId>, LimitId);

#[derive(Debug, Default)]
pub(super) struct Quotas {
    ends: HashMap<Window, u64>,
    order: BTreeSet<(u64, Option<KeyId>, LimitId)>,
}

impl Quotas {
    pub fn exceeded(&mut self, now_ms: u64, exceeded: &Exceeded<'_>) -> Option<Entry> {
        let window = (exceeded.key, exceeded.limit_id);
        match self.ends.insert(window, exceeded.end_ms) {
            Some(told) if told == exceeded.end_ms => return None,
            Some(told) => self.order.remove(&(told, window.0, window.1)),
            None => false,
        };
        self.order.insert((exceeded.end_ms, window.0, window.1));
        while let Some((end_ms, key, limit)) = self.order.first().copied()
            && (end_ms <= now_ms || self.order.len() > WINDOWS)
            && (key, limit) != window
        {
            self.order.pop_first();
            self.ends.remove(&(key, limit));
        }
        let name = exceeded.name.map(str::to_owned);
        let resource = name.or_else(|| exceeded.key.map(|id| id.0.to_string()));
        let resource = resource.map_or("gateway".to_owned(), |name| format!("key:{name}"));
        Some(Entry {
            status: Some(AuditStatus::Denied),
            key: exceeded.key.map(|id| id.0.to_string()),
            request_id: Some(exceeded.request_id.clone()),
            after: Some(json!({
                "limit": exceeded.limit,
                "of": exceeded.scope,
                "capacity": exceeded.capacity,
                "used": exceeded.used,
                "window_ends_ms": exceeded.end_ms,
            })),
            ..Entry::new(now_ms, "client", ACTION, resource)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exceeded(key: &str, limit: &str, end_ms: u64) -> Exceeded<'static> {
        Exceeded {
            key: Some(KeyId::declared(key)),
            name: Some("ci"),
            limit_id: LimitId(KeyId::declared(limit).0),
            limit: "requests_per_minute".into(),
            scope: "key troupe-abcdefgh",
            capacity: 1,
            used: 1,
            end_ms,
            request_id: "req_1".into(),
        }
    }

    #[test]
    fn each_window_of_a_key_and_a_limit_is_told_once() {
        let mut quotas = Quotas::default();
        let mut tells = |key, limit, end_ms| {
            let line = quotas.exceeded(100, &exceeded(key, limit, end_ms));
            line.is_some()
        };
        assert!(tells("a", "rpm", 1_000));
        assert!(!tells("a", "rpm", 1_000));
        assert!(tells("b", "rpm", 1_000));
        assert!(tells("a", "tpm", 1_000));
        assert!(tells("a", "rpm", 2_000));
        assert!(!tells("a", "rpm", 2_000));
    }

    #[test]
    fn windows_are_bounded() {
        let mut quotas = Quotas::default();
        for n in 0..WINDOWS as u64 + 9 {
            quotas.exceeded(0, &exceeded(&n.to_string(), "rpm", 1_000 + n));
        }
        assert_eq!((quotas.ends.len(), quotas.order.len()), (WINDOWS, WINDOWS));
        quotas.exceeded(1_000_000, &exceeded("late", "rpm", 2_000_000));
        assert_eq!((quotas.ends.len(), quotas.order.len()), (1, 1));
    }
}
