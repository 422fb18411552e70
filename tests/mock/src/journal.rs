//! What reached the mock, and how each exchange ended.
//!
//! Invariant: an entry is written before the first byte of its answer; it is never lost while the
//! journal is within its bounds, and the oldest go first when it is not.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use serde::Serialize;
use serde::ser::SerializeStruct;
use tokio::sync::watch;

/// How long [`Journal::wait_for`] waits.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// One request and the fate of its answer. Times are milliseconds since the mock's start.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Counts from 1 in the order of arrival.
    pub id: u64,
    /// Counts from 1; requests on one kept-alive connection share it.
    pub connection: u64,
    pub method: String,
    /// Path and query as they were sent.
    pub target: String,
    /// Names and values in order, as the bytes that were sent.
    pub headers: Vec<(Bytes, Bytes)>,
    /// The body, without its framing.
    pub body: Bytes,
    pub started_at: Instant,
    /// By the wall clock, for what is cut by it.
    pub started_wall: SystemTime,
    pub started_at_ms: u64,
    /// Status that was sent; `None` before the head is.
    pub status: Option<u16>,
    /// Name of the scenario that answered, where it has one.
    pub scenario: Option<String>,
    /// Events (or pieces of another body) written in full.
    pub events_sent: u64,
    /// Set when the answer ended as the scenario told.
    pub finished_at_ms: Option<u64>,
    /// Set when the client went away before that.
    pub aborted_at_ms: Option<u64>,
    pub aborted_at: Option<Instant>,
}

impl Entry {
    /// The part of the target before `?`.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The part of the target after `?`.
    pub fn query(&self) -> Option<&str> {
        Some(self.target.split_once('?')?.1)
    }

    /// The first header of that name (any case), when it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self
            .headers
            .iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes()))?;
        std::str::from_utf8(value).ok()
    }

    /// All headers of that name (any case) that are text.
    pub fn headers_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> + 'a {
        self.headers
            .iter()
            .filter(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes()))
            .filter_map(|(_, value)| std::str::from_utf8(value).ok())
    }

    /// The body as a JSON tree; `null` when it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Whether the exchange is over, one way or the other.
    pub fn is_over(&self) -> bool {
        self.finished_at_ms.is_some() || self.aborted_at_ms.is_some()
    }
}

/// Header bytes as text; a body that is not UTF-8 comes as `body_hex`.
impl Serialize for Entry {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let headers: Vec<_> = self
            .headers
            .iter()
            .map(|(name, value)| {
                [
                    String::from_utf8_lossy(name),
                    String::from_utf8_lossy(value),
                ]
            })
            .collect();
        let mut entry = serializer.serialize_struct("Entry", 13)?;
        entry.serialize_field("id", &self.id)?;
        entry.serialize_field("connection", &self.connection)?;
        entry.serialize_field("method", &self.method)?;
        entry.serialize_field("target", &self.target)?;
        entry.serialize_field("path", self.path())?;
        entry.serialize_field("headers", &headers)?;
        match std::str::from_utf8(&self.body) {
            Ok(text) => entry.serialize_field("body", text)?,
            Err(_) => entry.serialize_field("body_hex", &format!("{:x}", self.body))?,
        }
        entry.serialize_field("started_at_ms", &self.started_at_ms)?;
        entry.serialize_field("status", &self.status)?;
        entry.serialize_field("scenario", &self.scenario)?;
        entry.serialize_field("events_sent", &self.events_sent)?;
        entry.serialize_field("finished_at_ms", &self.finished_at_ms)?;
        entry.serialize_field("aborted_at_ms", &self.aborted_at_ms)?;
        entry.end()
    }
}

/// What was waited for did not happen in 20 s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitTimeout;

impl fmt::Display for WaitTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what the test waits for did not reach the mock in 20 s")
    }
}

impl std::error::Error for WaitTimeout {}

/// A handle to the journal; clones share it.
#[derive(Debug, Clone)]
pub struct Journal {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    entries: Mutex<Entries>,
    changes: watch::Sender<u64>,
    start: Instant,
}

#[derive(Debug)]
struct Entries {
    list: VecDeque<Entry>,
    last_id: u64,
    open_connections: usize,
    body_bytes: usize,
    max_entries: usize,
    max_body_bytes: usize,
}

impl Journal {
    pub(crate) fn new(max_entries: usize, max_body_bytes: usize) -> Self {
        let entries = Entries {
            list: VecDeque::new(),
            last_id: 0,
            open_connections: 0,
            body_bytes: 0,
            max_entries: max_entries.max(1),
            max_body_bytes,
        };
        let (changes, _) = watch::channel(0);
        let shared = Shared {
            entries: Mutex::new(entries),
            changes,
            start: Instant::now(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// All entries, oldest first.
    pub fn entries(&self) -> Vec<Entry> {
        self.lock().list.iter().cloned().collect()
    }

    /// Looks at all entries, oldest first, without a copy.
    pub fn each(&self, look: impl FnMut(&Entry)) {
        self.lock().list.iter().for_each(look);
    }

    /// The newest entry.
    pub fn last(&self) -> Option<Entry> {
        self.lock().list.back().cloned()
    }

    pub fn len(&self) -> usize {
        self.lock().list.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets all entries; exchanges that still run are forgotten too.
    pub fn clear(&self) {
        self.change(|entries| {
            entries.list.clear();
            entries.body_bytes = 0;
        });
    }

    /// Client connections that are open now.
    pub fn open_connections(&self) -> usize {
        self.lock().open_connections
    }

    /// Waits until the entries satisfy `predicate`, without polling.
    ///
    /// # Errors
    /// After 20 s.
    pub async fn wait_for(&self, predicate: impl Fn(&[Entry]) -> bool) -> Result<(), WaitTimeout> {
        self.wait(|entries| predicate(entries.list.make_contiguous()).then_some(()))
            .await
    }

    /// Waits for the first entry that satisfies `predicate`.
    ///
    /// # Errors
    /// After 20 s.
    pub async fn wait_for_entry(
        &self,
        predicate: impl Fn(&Entry) -> bool,
    ) -> Result<Entry, WaitTimeout> {
        self.wait(|entries| entries.list.iter().find(|entry| predicate(entry)).cloned())
            .await
    }

    /// Waits until the number of open connections satisfies `predicate`.
    ///
    /// # Errors
    /// After 20 s.
    pub async fn wait_for_connections(
        &self,
        predicate: impl Fn(usize) -> bool,
    ) -> Result<usize, WaitTimeout> {
        self.wait(|entries| predicate(entries.open_connections).then_some(entries.open_connections))
            .await
    }

    async fn wait<T>(
        &self,
        mut check: impl FnMut(&mut Entries) -> Option<T>,
    ) -> Result<T, WaitTimeout> {
        let mut changes = self.shared.changes.subscribe();
        let satisfied = async {
            loop {
                changes.borrow_and_update();
                if let Some(found) = check(&mut self.lock()) {
                    return Some(found);
                }
                changes.changed().await.ok()?;
            }
        };
        tokio::time::timeout(PATIENCE, satisfied)
            .await
            .ok()
            .flatten()
            .ok_or(WaitTimeout)
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.shared
            .entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Entries) -> T) -> T {
        let changed = change(&mut self.lock());
        self.shared.changes.send_modify(|version| *version += 1);
        changed
    }

    pub(crate) fn now_ms(&self) -> u64 {
        u64::try_from(self.shared.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(crate) fn connected(&self) -> ConnectionGuard {
        self.change(|entries| entries.open_connections += 1);
        ConnectionGuard {
            journal: self.clone(),
        }
    }

    /// Appends an entry, gives it its id, and drops the oldest ones over the bounds.
    pub(crate) fn append(&self, mut entry: Entry) -> Exchange {
        let id = self.change(|entries| {
            entries.last_id += 1;
            entry.id = entries.last_id;
            entries.body_bytes += entry.body.len();
            entries.list.push_back(entry);
            while entries.list.len() > 1
                && (entries.list.len() > entries.max_entries
                    || entries.body_bytes > entries.max_body_bytes)
            {
                let dropped = entries.list.pop_front().map_or(0, |entry| entry.body.len());
                entries.body_bytes -= dropped;
            }
            entries.last_id
        });
        Exchange {
            journal: self.clone(),
            id,
            over: false,
        }
    }
}

/// Counts a connection as open while it lives.
pub(crate) struct ConnectionGuard {
    journal: Journal,
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.journal.change(|entries| entries.open_connections -= 1);
    }
}

/// The entry of a running exchange; dropped before its end it counts as aborted.
pub(crate) struct Exchange {
    journal: Journal,
    id: u64,
    over: bool,
}

impl Exchange {
    pub(crate) fn update(&self, update: impl FnOnce(&mut Entry)) {
        let id = self.id;
        self.journal.change(|entries| {
            let found = entries.list.iter_mut().rev().find(|entry| entry.id == id);
            if let Some(entry) = found {
                update(entry);
            }
        });
    }

    pub(crate) fn finish(mut self) {
        self.over = true;
        let now_ms = self.journal.now_ms();
        self.update(|entry| entry.finished_at_ms = Some(now_ms));
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if !self.over {
            let now_ms = self.journal.now_ms();
            self.update(|entry| {
                entry.aborted_at_ms = Some(now_ms);
                entry.aborted_at = Some(Instant::now());
            });
        }
    }
}
