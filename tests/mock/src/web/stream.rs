//! A completion stream that waits for the results of its tools.
//!
//! Invariant: dropped before [`Live::finish`], the client has left, and the store says so. Calls are
//! let in by the store before their first byte is sent, so that no result comes too early.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Notify;

use super::cuts;
use super::events;
use super::store::{Round, WebStore};
use super::turn::Turn;
use super::view::{StreamState, ToolResultView};
use crate::scenario::{MidError, Scenario};

/// What is still to come of a stream, and whose fate it is.
pub(crate) struct Live {
    store: Arc<WebStore>,
    conversation: String,
    news: Arc<Notify>,
    turn: Turn,
    plan: Plan,
    /// Whether the last segment was made.
    over: bool,
    finished: bool,
}

/// Where the events end, other than where the turn does.
struct Plan {
    sent_events: usize,
    error: Option<MidError>,
    resets_at: Option<u64>,
    end_after_events: Option<usize>,
    awkward: bool,
}

impl Live {
    /// Of a completion that the store has begun.
    pub(super) fn new(
        store: Arc<WebStore>,
        conversation: &str,
        news: Arc<Notify>,
        turn: Turn,
        scenario: &Scenario,
    ) -> Self {
        let web = scenario.web.as_ref();
        Self {
            store,
            conversation: conversation.to_owned(),
            news,
            turn,
            plan: Plan {
                sent_events: 0,
                error: scenario.error.clone(),
                resets_at: web.and_then(|web| web.resets_at),
                end_after_events: scenario.end_after_events,
                awkward: web.is_some_and(|web| web.awkward),
            },
            over: false,
            finished: false,
        }
    }

    /// The next pieces, at once.
    pub(super) fn segment(&mut self, results: Vec<ToolResultView>) -> Vec<Bytes> {
        let segment = self.turn.next(results);
        self.store.expect(&self.conversation, &segment.calls);
        let (pieces, ended) = self.plan.apply(segment.events);
        self.over = ended || segment.calls.is_empty();
        pieces
    }

    /// The pieces after the present pause; `None` when the stream is over. May be dropped while it
    /// waits and called again.
    pub(crate) async fn next(&mut self) -> Option<Vec<Bytes>> {
        while !self.over {
            match self.store.round(&self.conversation) {
                Round::Answered(results) => return Some(self.segment(results)),
                Round::Gone => self.over = true,
                Round::Waiting => self.news.notified().await,
            }
        }
        None
    }

    /// The answer is written, in full or until the scenario broke it off.
    pub(crate) fn finish(mut self, broken_off: bool) {
        self.finished = true;
        let fate = if broken_off {
            StreamState::Cut
        } else {
            StreamState::Ended
        };
        self.store.end(&self.conversation, fate);
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if !self.finished {
            self.store.end(&self.conversation, StreamState::Abandoned);
        }
    }
}

impl Plan {
    /// The pieces of a segment, and whether the scenario ends the stream in it.
    fn apply(&mut self, mut events: Vec<Bytes>) -> (Vec<Bytes>, bool) {
        let within = |limit: usize| {
            let left = limit.saturating_sub(self.sent_events);
            (left <= events.len()).then_some(left)
        };
        let error = self.error.as_ref();
        let error_at = error.and_then(|error| within(error.after_events));
        let end_at = self.end_after_events.and_then(within);
        let mut ended = false;
        if let (Some(error), Some(at)) = (error, error_at) {
            events.truncate(at);
            events.push(events::error(&error.kind, &error.message, self.resets_at));
            ended = true;
        }
        if let Some(at) = end_at {
            events.truncate(at);
            ended = true;
        }
        self.sent_events += events.len();
        if self.awkward {
            events = cuts::awkward(&events);
        }
        (events, ended)
    }
}
