//! The state of one relay.
//!
//! ```text
//!            upstream's end               nothing left to send
//!  Open ────────────────────▶ Ended(how) ─────────────────────▶ done
//!   │ idle, drain, cut ──────▶ Ended(cut): error event, or no last chunk
//!   └ client leaves ─────────▶ settled as cancelled
//! ```

use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_util::Stream;
use smallvec::SmallVec;
use troupe_core::account::Verdict;
use troupe_core::limit::Overrun;
use troupe_core::record::Outcome;
use troupe_upstream::AnswerBody;
use troupe_wire::error::{error_event, ping_event};
use troupe_wire::sse::{Event, EventKind, Splitter};
use troupe_wire::usage::UsageScanner;

use super::super::exchange::Exchange;
use super::super::limits::refusal;
use super::super::observe::{self, JsonUsage};
use super::{Cut, MAX_HELD};
use crate::gateway::Phase;
use crate::plan::Silence;
use crate::worker::Worker;

/// A client that was not able to take a byte for this long is left behind by the ticker, which reads on for it.
const SLOW_AFTER_MS: u64 = 1_000;

/// What is relayed.
pub(super) enum Kind {
    Events {
        splitter: Splitter,
        usage: UsageScanner,
    },
    Plain {
        usage: JsonUsage,
    },
}

impl Kind {
    pub(super) fn plain() -> Self {
        Self::Plain {
            usage: JsonUsage::default(),
        }
    }
}

/// How the upstream's side ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Whole,
    /// The body breaks off without its last chunk.
    Cut,
}

pub(super) struct State {
    exchange: Box<Exchange>,
    body: Option<AnswerBody>,
    silence: Silence,
    kind: Kind,
    ready: VecDeque<Bytes>,
    held: usize,
    end: Option<End>,
    saw_error: bool,
    /// What stands before a cut was written.
    flushed: bool,
    ping_due: bool,
    /// The last poll found nothing to send: it is the upstream that is waited for, not the client.
    waiting: bool,
    waker: Option<Waker>,
    /// Monotonic ms of the ticker's clock.
    last_polled_ms: u64,
    last_upstream_ms: u64,
    last_sent_ms: u64,
}

impl State {
    pub(super) fn new(
        exchange: Box<Exchange>,
        body: AnswerBody,
        silence: Silence,
        kind: Kind,
    ) -> Self {
        let now_ms = exchange.worker.streams.now_ms();
        Self {
            exchange,
            body: Some(body),
            silence,
            kind,
            ready: VecDeque::new(),
            held: 0,
            end: None,
            saw_error: false,
            flushed: false,
            ping_due: false,
            waiting: false,
            waker: None,
            last_polled_ms: now_ms,
            last_upstream_ms: now_ms,
            last_sent_ms: now_ms,
        }
    }

    pub(super) fn worker(&self) -> &Rc<Worker> {
        &self.exchange.worker
    }

    /// Takes over what was read to get at the first event.
    pub(super) fn begin(&mut self, pieces: SmallVec<[Bytes; 2]>, saw_error: bool, ended: bool) {
        self.saw_error = saw_error;
        pieces.into_iter().for_each(|piece| self.keep(piece));
        if ended {
            self.upstream_ended();
        } else if let Kind::Events { usage, .. } = &self.kind
            && let Err(overrun) = self.exchange.checkpoint(usage)
        {
            // The upstream may say nothing more for long, and what it has said is used.
            self.overrun(overrun);
        }
    }

    fn keep(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.held += piece.len();
            self.ready.push_back(piece);
        }
    }

    /// The client's side: the next piece.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        now_ms: u64,
    ) -> Poll<Option<Result<Bytes, Cut>>> {
        self.last_polled_ms = now_ms;
        self.waiting = false;
        loop {
            if let Some(piece) = self.ready.pop_front() {
                self.held -= piece.len();
                if let Some(capture) = self.exchange.capturing() {
                    capture.piece(&piece);
                }
                self.last_sent_ms = now_ms;
                self.ping_due = false;
                return Poll::Ready(Some(Ok(piece)));
            }
            match self.end {
                Some(End::Whole) => {
                    self.settle(None);
                    return Poll::Ready(None);
                }
                // Once more through the loop: an error throws away what actix has not written yet.
                Some(End::Cut) if !std::mem::replace(&mut self.flushed, true) => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Some(End::Cut) => {
                    self.settle(None);
                    return Poll::Ready(Some(Err(Cut)));
                }
                None => {}
            }
            if !self.read(cx, now_ms) {
                break;
            }
        }
        if std::mem::take(&mut self.ping_due) && self.at_boundary() {
            self.last_sent_ms = now_ms;
            return Poll::Ready(Some(Ok(Bytes::from_static(ping_event()))));
        }
        if self.waker.as_ref().is_none_or(|w| !w.will_wake(cx.waker())) {
            self.waker = Some(cx.waker().clone());
        }
        self.waiting = true;
        Poll::Pending
    }

    /// Reads once from the upstream; `false` when nothing is there yet.
    fn read(&mut self, cx: &mut Context<'_>, now_ms: u64) -> bool {
        let Some(body) = &mut self.body else {
            return false;
        };
        match Pin::new(body).poll_next(cx) {
            Poll::Pending => return false,
            Poll::Ready(Some(Ok(chunk))) => {
                self.last_upstream_ms = now_ms;
                self.take(chunk);
            }
            Poll::Ready(Some(Err(error))) => self.cut(
                &error.to_string(),
                "api_error",
                "the upstream broke off its answer",
            ),
            Poll::Ready(None) => self.upstream_ended(),
        }
        true
    }

    fn take(&mut self, chunk: Bytes) {
        match &mut self.kind {
            Kind::Plain { usage } => {
                usage.push(&chunk);
                self.keep(chunk);
            }
            Kind::Events { splitter, usage } => {
                let saw_error = &mut self.saw_error;
                let ready = splitter.push(chunk, &mut |event: Event<'_>| {
                    *saw_error |= event.kind == EventKind::Error;
                    usage.observe(&event);
                });
                let overrun = self.exchange.checkpoint(usage).err();
                ready.into_iter().for_each(|piece| self.keep(piece));
                if let Some(overrun) = overrun {
                    self.overrun(overrun);
                }
            }
        }
    }

    /// A strict limit is at its end in the middle of a stream: so is the stream.
    fn overrun(&mut self, overrun: Overrun) {
        let why = format!(
            "ended: more was used than was left of the limit {}",
            overrun.name
        );
        let event = refusal::overrun_event(overrun);
        self.end_early(&why, event, Verdict::Unknown);
    }

    /// The upstream's body is at its end: was the answer?
    fn upstream_ended(&mut self) {
        let over = self.is_over();
        if let Kind::Events { splitter, usage } = &mut self.kind {
            let started = usage.message_id.is_some() || usage.usage.is_some();
            if !over && (started || splitter.held_len() > 0) {
                return self.cut(
                    "stream ended without message_stop",
                    "api_error",
                    "the upstream ended its stream early",
                );
            }
            let last_words = splitter.take_held();
            self.keep(last_words);
        }
        self.finished();
    }

    /// Has the stream said how its message ended? Then nothing of it can be missing.
    fn is_over(&self) -> bool {
        let stopped = matches!(&self.kind, Kind::Events { usage, .. } if usage.stopped);
        stopped || self.saw_error
    }

    fn finished(&mut self) {
        self.close(End::Whole);
        if self.saw_error {
            self.exchange.record.error =
                Some("the upstream's stream ended with an error event".into());
        }
        self.account_done(if self.saw_error {
            Verdict::Platform
        } else {
            Verdict::Success
        });
    }

    /// Ends the answer so that nobody takes it for whole, unless it is.
    fn cut(&mut self, why: &str, kind: &str, message: &str) {
        self.end_early(why, error_event(kind, message), Verdict::Platform);
    }

    fn end_early(&mut self, why: &str, event: Bytes, verdict: Verdict) {
        if self.is_over() && self.at_boundary() {
            return self.finished();
        }
        self.exchange.record.error = Some(why.to_owned());
        if self.at_boundary() {
            self.keep(event);
            self.close(End::Whole);
        } else {
            self.close(End::Cut);
        }
        self.exchange.record.outcome = Outcome::Truncated;
        self.account_done(verdict);
    }

    /// May an event of ours follow what was forwarded? What is held was not.
    fn at_boundary(&self) -> bool {
        match &self.kind {
            Kind::Events { splitter, .. } => splitter.at_boundary(),
            Kind::Plain { .. } => false,
        }
    }

    fn close(&mut self, end: End) {
        self.end = Some(end);
        // Dropping an unfinished body closes its connection: the upstream stops at once.
        self.body = None;
    }

    /// The account's side is over: usage is known, the lease goes back.
    fn account_done(&mut self, verdict: Verdict) {
        let record = &mut self.exchange.record;
        let nonsense = match &mut self.kind {
            Kind::Events { usage, .. } => observe::stream_usage(usage, record),
            Kind::Plain { usage } => usage.finish(record),
        };
        self.exchange.make_sense(nonsense);
        self.exchange.priced();
        self.exchange.release(verdict);
    }

    fn settle(&mut self, cancelled: Option<&str>) {
        let outcome = match cancelled {
            Some(why) => {
                self.exchange
                    .record
                    .error
                    .get_or_insert_with(|| why.to_owned());
                Outcome::Cancelled
            }
            None if self.exchange.record.outcome == Outcome::Truncated => Outcome::Truncated,
            None if self.saw_error => Outcome::Failed,
            None => Outcome::Completed,
        };
        self.exchange.finish(outcome);
    }

    /// The client is gone, or took everything.
    pub(super) fn client_left(&mut self) {
        if self.body.take().is_some() {
            self.account_done(Verdict::Unknown);
            self.settle(Some("the client went away"));
        } else if !self.ready.is_empty() {
            self.settle(Some("the client went away before it had read everything"));
        } else {
            self.settle(None);
        }
    }

    /// Once a tick: timeouts, keep-alives, and the upstream of a client that does not read. Returns whom to wake.
    pub(super) fn tick(&mut self, now_ms: u64, phase: Phase) -> Option<Waker> {
        let unread_ms = match self.waiting {
            true => 0,
            false => now_ms.saturating_sub(self.last_polled_ms),
        };
        if unread_ms >= SLOW_AFTER_MS {
            self.read_ahead(now_ms);
        }
        if unread_ms >= self.silence.idle_ms {
            // The client has not taken a byte for the whole idle time: its places are given back.
            self.ready.clear();
            self.held = 0;
            self.close(End::Cut);
            self.account_done(Verdict::Unknown);
            self.settle(Some("the client stopped reading"));
            return self.waker.take();
        }
        self.body.as_ref()?;
        let silent_ms = now_ms.saturating_sub(self.last_upstream_ms);
        let full = self.held >= MAX_HELD;
        if !full && silent_ms >= self.silence.idle_ms {
            self.cut(
                "upstream silent beyond the idle timeout",
                "timeout_error",
                "the upstream fell silent",
            );
            return self.waker.take();
        }
        let drained = phase == Phase::Draining && silent_ms >= self.silence.drain_idle_ms;
        if drained || phase == Phase::Stopping {
            self.cut(
                "ended by the drain of the gateway",
                "api_error",
                "the gateway is shutting down",
            );
            return self.waker.take();
        }
        if matches!(self.kind, Kind::Events { .. })
            && now_ms.saturating_sub(self.last_sent_ms) >= self.silence.keepalive_ms
        {
            self.ping_due = true;
            return self.waker.take();
        }
        None
    }

    /// Reads what the upstream has, up to the bound, so that its side ends when it ends.
    fn read_ahead(&mut self, now_ms: u64) {
        // The client's own poll registers its waker anew; this one only looks.
        let mut cx = Context::from_waker(Waker::noop());
        while self.held < MAX_HELD && self.end.is_none() && self.read(&mut cx, now_ms) {}
    }
}
