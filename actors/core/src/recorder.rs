//! The recorder: collects rows of the request log and hands them to the store in batches, and with them what they add to
//! usage.
//!
//! ```text
//! rows ─┬─▶ held rows (the oldest go when there are too many) ─▶ log
//!       └─▶ fold ─▶ batch ─▶ usage: told again under its number until the store has it
//! ```
//! Series go with every tenth batch or so: written with each, they would cost more than everything else.
//!
//! Invariant: one write at a time; at most [`MAX_ROWS`] rows are held, the oldest go first and are counted. A row is counted
//! in usage when it comes, so also one that is dropped from the log; a batch of usage is never given up, and never told
//! after a later one.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::machine::{Input, Machine, Ticket, Turn};
use crate::record::RequestRecord;
use crate::time::Now;
use crate::usage::{Grain, UsageBatch, UsageFold, day_of};

/// Rows held while the store is slow.
pub const MAX_ROWS: usize = 20_000;
/// Rows that make a batch at once, and how long fewer may wait.
const BATCH: usize = 500;
const FLUSH_AFTER_MS: u64 = 200;
/// How often what is old is dropped.
const RETAIN_EVERY_MS: u64 = 3_600_000;
/// A store that did not take a batch of usage is tried again after this.
const USAGE_AGAIN_MS: u64 = 2_000;
/// How long series wait for more to be summed with, unless a flush is asked for.
const SERIES_AFTER_MS: u64 = 2_000;
/// How long minutes and hours of series are kept, if usage is kept as long; days are kept like usage.
const MINUTES_KEPT_MS: u64 = 2 * 86_400_000;
const HOURS_KEPT_MS: u64 = 60 * 86_400_000;

/// How long rows of the log, bodies beside them, and days of usage are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    pub log_ms: u64,
    pub bodies_ms: u64,
    pub usage_ms: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecorderView {
    pub held: usize,
    /// Rows dropped because the store was too slow, failed, or a write was lost.
    pub dropped: u64,
}

#[derive(Clone, Copy, Debug)]
pub enum RecorderAsk {
    /// Answered when every row told before is written (or given up), and its usage is, if the store takes it.
    Flush,
}

#[derive(Debug)]
pub enum RecorderTell {
    Rows(Vec<RequestRecord>),
    /// Rows that count in usage and are not logged.
    Uses(Vec<RequestRecord>),
    /// It is another from now on, and holds at once.
    Keep(Retention),
}

#[derive(Debug)]
pub enum RecorderEffect {
    /// The rows first, then the usage.
    Write {
        rows: Vec<RequestRecord>,
        usage: Option<Arc<UsageBatch>>,
    },
    Retain {
        oldest_ms: u64,
        oldest_bodies_ms: u64,
        usage_from_day: u32,
        /// The first point that is kept of each grain.
        series_from: [(Grain, u32); 3],
    },
    /// Which models were used since that day?
    Recall { from_day: u32 },
}

/// How the usage of a write fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// There was none to write.
    Nothing,
    Written,
    /// It may be there or not: it is told again.
    Unknown,
}

#[derive(Debug)]
pub enum RecorderDone {
    Written {
        rows: usize,
        logged: bool,
        counted: Counted,
    },
    Retained,
    Recalled(Vec<Arc<str>>),
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
    retention: Retention,
    recalled: bool,
    usage: UsageFold,
    /// A batch that the store may not have.
    unsettled: Option<Arc<UsageBatch>>,
    last_batch: u64,
    /// Not before: the store did not take the last one.
    usage_at_ms: u64,
    /// When the next series are due.
    series_at_ms: u64,
    /// Since the last flush was asked for, the store did not take usage.
    gave_up: bool,
}

impl Recorder {
    #[must_use]
    pub fn new(retention: Retention, now: Now) -> Self {
        Self {
            rows: VecDeque::new(),
            view: RecorderView::default(),
            writing: false,
            flushing: Vec::new(),
            flush_at_ms: None,
            retain_at_ms: now.mono_ms,
            retention,
            recalled: false,
            usage: UsageFold::default(),
            unsettled: None,
            last_batch: 0,
            usage_at_ms: now.mono_ms,
            series_at_ms: now.mono_ms,
            gave_up: false,
        }
    }

    /// Into usage, and not into the log.
    fn count(&mut self, now: Now, rows: &[RequestRecord]) {
        if !self.usage.has_series() {
            self.series_at_ms = now.mono_ms + SERIES_AFTER_MS;
        }
        rows.iter().for_each(|row| self.usage.add(row));
        let flush_at_ms = now.mono_ms + FLUSH_AFTER_MS;
        let earlier = |at: u64| at.min(flush_at_ms);
        self.flush_at_ms = Some(self.flush_at_ms.map_or(flush_at_ms, earlier));
    }

    fn take(&mut self, now: Now, rows: Vec<RequestRecord>, turn: &mut Turn<Self>) {
        self.count(now, &rows);
        self.rows.extend(rows);
        let excess = self.rows.len().saturating_sub(MAX_ROWS);
        if excess > 0 {
            self.rows.drain(..excess);
            self.view.dropped += excess as u64;
            turn.publish();
        }
    }

    fn written(&mut self, now: Now, counted: Counted) {
        self.writing = false;
        match counted {
            Counted::Nothing => {}
            Counted::Written => self.unsettled = None,
            Counted::Unknown => {
                self.gave_up = true;
                self.usage_at_ms = now.mono_ms + USAGE_AGAIN_MS;
            }
        }
    }

    fn is_due(&self, now: Now) -> bool {
        self.rows.len() >= BATCH
            || !self.flushing.is_empty()
            || self.flush_at_ms.is_some_and(|at| at <= now.mono_ms)
    }

    fn write(&mut self, now: Now, turn: &mut Turn<Self>) {
        let usage = self.next_usage(now);
        if self.rows.is_empty() && usage.is_none() {
            for ticket in self.flushing.drain(..) {
                turn.reply(ticket, ());
            }
        } else {
            self.writing = true;
            let count = self.rows.len().min(4 * BATCH);
            let rows = self.rows.drain(..count).collect();
            turn.effect(RecorderEffect::Write { rows, usage });
        }
        self.flush_at_ms = if !self.rows.is_empty() {
            Some(now.mono_ms + FLUSH_AFTER_MS)
        } else if self.unsettled.is_some() || !self.usage.is_empty() {
            Some(self.usage_at_ms.max(now.mono_ms + FLUSH_AFTER_MS))
        } else if self.usage.has_series() {
            Some(self.series_at_ms.max(now.mono_ms + FLUSH_AFTER_MS))
        } else {
            None
        };
    }

    fn next_usage(&mut self, now: Now) -> Option<Arc<UsageBatch>> {
        let asked = !self.flushing.is_empty() && !self.gave_up;
        if !asked && now.mono_ms < self.usage_at_ms {
            return None;
        }
        let takes_series = self.usage.has_series() && (asked || self.series_at_ms <= now.mono_ms);
        if self.unsettled.is_none() && (takes_series || !self.usage.is_empty()) {
            // Never one that an earlier process gave: it was before now.
            self.last_batch = now.unix_ms.max(self.last_batch + 1);
            self.unsettled = Some(Arc::new(UsageBatch {
                number: self.last_batch,
                rows: self.usage.take(),
                series: if takes_series {
                    self.usage.take_series()
                } else {
                    Vec::new()
                },
            }));
        }
        self.unsettled.clone()
    }

    fn keep_house(&mut self, now: Now, turn: &mut Turn<Self>) {
        if self.retain_at_ms > now.mono_ms {
            return;
        }
        self.retain_at_ms = now.mono_ms + RETAIN_EVERY_MS;
        let oldest_ms = |kept_ms| now.unix_ms.saturating_sub(kept_ms);
        let usage_ms = self.retention.usage_ms;
        let series_from = [
            (Grain::Minute, MINUTES_KEPT_MS.min(usage_ms)),
            (Grain::Hour, HOURS_KEPT_MS.min(usage_ms)),
            (Grain::Day, usage_ms),
        ];
        turn.effect(RecorderEffect::Retain {
            oldest_ms: oldest_ms(self.retention.log_ms),
            oldest_bodies_ms: oldest_ms(self.retention.bodies_ms),
            usage_from_day: day_of(oldest_ms(usage_ms)),
            series_from: series_from
                .map(|(grain, kept_ms)| (grain, grain.point(oldest_ms(kept_ms)))),
        });
        if !std::mem::replace(&mut self.recalled, true) {
            let from_day = day_of(now.unix_ms).saturating_sub(1);
            turn.effect(RecorderEffect::Recall { from_day });
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
            Input::Ask(ticket, RecorderAsk::Flush) => {
                self.flushing.push(ticket);
                self.gave_up = false;
            }
            Input::Tell(RecorderTell::Rows(rows)) => self.take(now, rows, turn),
            Input::Tell(RecorderTell::Uses(rows)) => self.count(now, &rows),
            Input::Tell(RecorderTell::Keep(retention)) => {
                if std::mem::replace(&mut self.retention, retention) != retention {
                    self.retain_at_ms = now.mono_ms;
                }
            }
            Input::Done(RecorderDone::Written {
                rows,
                logged,
                counted,
            }) => {
                self.written(now, counted);
                if !logged {
                    self.view.dropped += rows as u64;
                }
                turn.publish();
            }
            Input::Done(RecorderDone::Recalled(models)) => self.usage.know(models),
            Input::Left(ticket) => self.flushing.retain(|&waiting| waiting != ticket),
            Input::Done(RecorderDone::Retained) | Input::Wake => {}
        }
        self.keep_house(now, turn);
        if !self.writing && self.is_due(now) {
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
