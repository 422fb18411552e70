//! The recorder: collects rows of the request log and hands them to the store in batches.
//!
//! Invariant: one write at a time; at most [`MAX_ROWS`] rows are held, the oldest go first and are counted.

use std::collections::VecDeque;

use crate::machine::{Input, Machine, Ticket, Turn};
use crate::record::RequestRecord;
use crate::time::Now;

/// Rows held while the store is slow.
pub const MAX_ROWS: usize = 20_000;
/// Rows that make a batch at once, and how long fewer may wait.
const BATCH: usize = 500;
const FLUSH_AFTER_MS: u64 = 200;
/// How often old segments are dropped.
const RETAIN_EVERY_MS: u64 = 3_600_000;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecorderView {
    pub held: usize,
    /// Rows dropped because the store was too slow, failed, or a write was lost.
    pub dropped: u64,
}

#[derive(Clone, Copy, Debug)]
pub enum RecorderAsk {
    /// Answered when every row told before is written (or given up).
    Flush,
}

#[derive(Debug)]
pub enum RecorderTell {
    Rows(Vec<RequestRecord>),
}

#[derive(Debug)]
pub enum RecorderEffect {
    Append(Vec<RequestRecord>),
    Retain { oldest_ms: u64 },
}

#[derive(Debug)]
pub enum RecorderDone {
    Appended { rows: usize, ok: bool },
    Retained,
}

/// The recorder actor's core.
#[derive(Debug)]
pub struct Recorder {
    rows: VecDeque<RequestRecord>,
    view: RecorderView,
    writing: bool,
    flushing: Vec<Ticket>,
    flush_at_ms: Option<u64>,
    retain_at_ms: u64,
    retention_ms: u64,
}

impl Recorder {
    #[must_use]
    pub fn new(retention_ms: u64, now: Now) -> Self {
        Self {
            rows: VecDeque::new(),
            view: RecorderView::default(),
            writing: false,
            flushing: Vec::new(),
            flush_at_ms: None,
            retain_at_ms: now.mono_ms,
            retention_ms,
        }
    }

    fn take(&mut self, now: Now, rows: Vec<RequestRecord>, turn: &mut Turn<Self>) {
        self.rows.extend(rows);
        let excess = self.rows.len().saturating_sub(MAX_ROWS);
        if excess > 0 {
            self.rows.drain(..excess);
            self.view.dropped += excess as u64;
            turn.publish();
        }
        self.flush_at_ms.get_or_insert(now.mono_ms + FLUSH_AFTER_MS);
    }

    fn write(&mut self, now: Now, turn: &mut Turn<Self>) {
        let due = self.rows.len() >= BATCH
            || !self.flushing.is_empty()
            || self.flush_at_ms.is_some_and(|at| at <= now.mono_ms);
        if self.writing {
            return;
        }
        if due && !self.rows.is_empty() {
            self.writing = true;
            let count = self.rows.len().min(4 * BATCH);
            turn.effect(RecorderEffect::Append(self.rows.drain(..count).collect()));
        }
        self.flush_at_ms = (!self.rows.is_empty()).then_some(now.mono_ms + FLUSH_AFTER_MS);
        if !self.writing {
            for ticket in self.flushing.drain(..) {
                turn.reply(ticket, ());
            }
        }
    }
}

impl Machine for Recorder {
    type Ask = RecorderAsk;
    type Reply = ();
    type Tell = RecorderTell;
    type Effect = RecorderEffect;
    type Done = RecorderDone;
    type View = RecorderView;

    fn handle(&mut self, now: Now, input: Input<Self>, turn: &mut Turn<Self>) {
        match input {
            Input::Ask(ticket, RecorderAsk::Flush) => self.flushing.push(ticket),
            Input::Tell(RecorderTell::Rows(rows)) => self.take(now, rows, turn),
            Input::Done(RecorderDone::Appended { rows, ok }) => {
                self.writing = false;
                if !ok {
                    self.view.dropped += rows as u64;
                }
                turn.publish();
            }
            Input::Left(ticket) => self.flushing.retain(|&waiting| waiting != ticket),
            Input::Done(RecorderDone::Retained) | Input::Wake => {}
        }
        if self.retain_at_ms <= now.mono_ms {
            self.retain_at_ms = now.mono_ms + RETAIN_EVERY_MS;
            turn.effect(RecorderEffect::Retain {
                oldest_ms: now.unix_ms.saturating_sub(self.retention_ms),
            });
        }
        // A flush waits for a flush time only when a write is under way.
        if self.flush_at_ms.is_none_or(|at| at <= now.mono_ms)
            || self.rows.len() >= BATCH
            || !self.flushing.is_empty()
        {
            self.write(now, turn);
        }
        self.view.held = self.rows.len();
    }

    fn view(&self) -> RecorderView {
        self.view
    }

    fn deadline(&self) -> Option<u64> {
        self.flush_at_ms
            .filter(|_| !self.writing)
            .into_iter()
            .chain([self.retain_at_ms])
            .min()
    }
}

#[cfg(test)]
mod tests;
