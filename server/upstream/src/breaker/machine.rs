//! When a host's breaker opens and closes. Pure: time is an argument.
//!
//! ```text
//!            so many failures in a row, and quickly
//!   Closed ──────────────────────────────────────────▶ Open
//!     ▲  ▲                                           │  ▲
//!     │  └── any success ────────────────────────────┤  │ the trial fails: twice as long
//!     │                                      in time ▼  │
//!     └── a success of the trial or another ── HalfOpen ┘
//! ```
//!
//! Invariant: at most one trial counts at a time; one that is silent too long loses its place to the next; a failure of a
//! request that began before it opened changes nothing.

use std::collections::VecDeque;

/// What opens a breaker, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// In a row, with no success between.
    pub failures: usize,
    /// All within this.
    pub window_ms: u64,
    /// The first time; doubled with each trial that fails.
    pub open_ms: u64,
    pub open_most_ms: u64,
    /// A trial without a verdict for so long makes room for another.
    pub trial_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            failures: 100,
            window_ms: 10_000,
            open_ms: 2_000,
            open_most_ms: 30_000,
            trial_ms: 10_000,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    Closed,
    Open,
    /// A trial is under way.
    HalfOpen,
}

/// Refused: everything fails on this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("everything fails on this upstream host; it is tried again soon")]
pub struct OpenUntil {
    /// Not before then is it worth asking again.
    pub until_ms: u64,
}

/// How a request was let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Free,
    /// The trial of this number.
    Trial(u64),
}

#[derive(Debug)]
pub(super) struct Machine {
    settings: Settings,
    state: State,
    /// Numbers given to trials.
    trials: u64,
}

#[derive(Debug)]
enum State {
    /// When the last failures were; never more than open it.
    Closed {
        failed_at_ms: VecDeque<u64>,
    },
    Open {
        until_ms: u64,
        for_ms: u64,
    },
    HalfOpen {
        trial: u64,
        until_ms: u64,
        for_ms: u64,
    },
}

// === impl Machine ===

impl Machine {
    pub(super) fn new(settings: Settings) -> Self {
        let failed_at_ms = VecDeque::new();
        Self {
            settings,
            state: State::Closed { failed_at_ms },
            trials: 0,
        }
    }

    pub(super) fn state(&self) -> BreakerState {
        match self.state {
            State::Closed { .. } => BreakerState::Closed,
            State::Open { .. } => BreakerState::Open,
            State::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// Has nothing failed since the last success?
    pub(super) fn is_clean(&self) -> bool {
        matches!(&self.state, State::Closed { failed_at_ms } if failed_at_ms.is_empty())
    }

    pub(super) fn refusal(&self, now_ms: u64) -> Option<OpenUntil> {
        match self.state {
            State::Open { until_ms, .. } | State::HalfOpen { until_ms, .. }
                if now_ms < until_ms =>
            {
                Some(OpenUntil { until_ms })
            }
            _ => None,
        }
    }

    pub(super) fn permit(&mut self, now_ms: u64) -> Result<Way, OpenUntil> {
        if let Some(refusal) = self.refusal(now_ms) {
            return Err(refusal);
        }
        let (State::Open { for_ms, .. } | State::HalfOpen { for_ms, .. }) = self.state else {
            return Ok(Way::Free);
        };
        self.trials += 1;
        self.state = State::HalfOpen {
            trial: self.trials,
            until_ms: now_ms.saturating_add(self.settings.trial_ms),
            for_ms,
        };
        Ok(Way::Trial(self.trials))
    }

    pub(super) fn succeeded(&mut self) {
        match &mut self.state {
            State::Closed { failed_at_ms } => failed_at_ms.clear(),
            _ => {
                let failed_at_ms = VecDeque::new();
                self.state = State::Closed { failed_at_ms };
            }
        }
    }

    pub(super) fn failed(&mut self, way: Way, now_ms: u64) {
        match &mut self.state {
            State::Closed { failed_at_ms } => {
                failed_at_ms.push_back(now_ms);
                if failed_at_ms.len() < self.settings.failures {
                    return;
                }
                let first = failed_at_ms.pop_front().unwrap_or(now_ms);
                if now_ms.saturating_sub(first) <= self.settings.window_ms {
                    self.open(now_ms, self.settings.open_ms);
                }
            }
            State::HalfOpen { trial, for_ms, .. } if way == Way::Trial(*trial) => {
                let for_ms = for_ms.saturating_mul(2).min(self.settings.open_most_ms);
                self.open(now_ms, for_ms);
            }
            State::HalfOpen { .. } | State::Open { .. } => {}
        }
    }

    /// A request ended without a verdict: the next may try at once.
    pub(super) fn gave_up(&mut self, way: Way) {
        if let State::HalfOpen { trial, for_ms, .. } = self.state
            && way == Way::Trial(trial)
        {
            self.state = State::Open {
                until_ms: 0,
                for_ms,
            };
        }
    }

    fn open(&mut self, now_ms: u64, for_ms: u64) {
        let until_ms = now_ms.saturating_add(for_ms);
        self.state = State::Open { until_ms, for_ms };
    }
}

#[cfg(test)]
mod tests;
