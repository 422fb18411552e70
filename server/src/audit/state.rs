//! What the tasks of a trail know of each other.
//!
//! Invariant: numbers only grow; what is read here is durable.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use tokio::sync::watch;

use super::lock;

#[derive(Debug)]
pub(super) struct State {
    /// Number of the last line on the disk.
    seq: watch::Sender<u64>,
    /// Number of the last line that the store has.
    mirrored: watch::Sender<u64>,
    told: AtomicU64,
    rows: AtomicU64,
    damaged: AtomicBool,
    /// The store was compared with what the trail tells of.
    compared: AtomicBool,
    broken: Mutex<Option<String>>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            seq: watch::Sender::new(0),
            mirrored: watch::Sender::new(0),
            told: AtomicU64::new(0),
            rows: AtomicU64::new(0),
            damaged: AtomicBool::new(false),
            compared: AtomicBool::new(false),
            broken: Mutex::new(Some("it is being opened".into())),
        }
    }
}

impl State {
    /// Lines up to `seq` are on the disk, `new` of them just now.
    pub fn written(&self, seq: u64, told: u64, new: usize) {
        self.rows.fetch_add(new as u64, SeqCst);
        self.told.store(told, SeqCst);
        *lock(&self.broken) = None;
        self.seq.send_replace(seq);
    }

    pub fn breaks(&self, why: String) {
        *lock(&self.broken) = Some(why);
    }

    pub fn broken(&self) -> Option<String> {
        lock(&self.broken).clone()
    }

    pub fn damaged(&self) {
        self.damaged.store(true, SeqCst);
    }

    pub fn compared(&self) {
        self.compared.store(true, SeqCst);
    }

    pub fn is_compared(&self) -> bool {
        self.compared.load(SeqCst)
    }

    pub fn is_damaged(&self) -> bool {
        self.damaged.load(SeqCst)
    }

    pub fn seq(&self) -> u64 {
        *self.seq.borrow()
    }

    pub fn follow(&self) -> watch::Receiver<u64> {
        self.seq.subscribe()
    }

    pub fn told(&self) -> u64 {
        self.told.load(SeqCst)
    }

    pub fn rows(&self) -> u64 {
        self.rows.load(SeqCst)
    }

    pub fn mirrored(&self, seq: u64) {
        self.mirrored.send_replace(seq);
    }

    pub fn last_mirrored(&self) -> u64 {
        *self.mirrored.borrow()
    }

    pub fn unmirrored(&self) -> u64 {
        self.seq().saturating_sub(self.last_mirrored())
    }

    /// Waits until the store has every line, for at most `within`.
    pub async fn mirrored_within(&self, within: Duration) {
        let mut mirrored = self.mirrored.subscribe();
        let all = mirrored.wait_for(|mirrored| *mirrored >= self.seq());
        let _ = tokio::time::timeout(within, all).await;
    }
}
