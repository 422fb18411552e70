//! The relay: the upstream's bytes to the client, observed and never changed.
//!
//! Events are forwarded whole and in order, as slices of what was read; what stands after the last boundary is held.
//! Our own events (ping, error) stand only between events. The state is shared with the worker's ticker, because actix
//! does not poll a body while the client's socket is full.
//!
//! Invariant: the account is released at the upstream's end, even when the client reads slowly; at most
//! [`MAX_HELD`] bytes wait for a slow client; the exchange is settled exactly once; a cut stream never looks finished.

mod state;

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;
use troupe_upstream::AnswerBody;

use super::attempt::FirstEvents;
use super::exchange::Exchange;
use crate::gateway::Phase;
use crate::plan::Silence;
use crate::worker::{Watched, Worker};

use state::{Kind, State};

/// Bytes that wait for a client that does not read, before the upstream is read no further.
pub const MAX_HELD: usize = 1 << 20;

/// The body could not be finished; the connection closes without its last chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer was cut")]
pub struct Cut;

/// The body of a relayed answer.
pub struct Relay {
    shared: Rc<Shared>,
    worker: Rc<Worker>,
    place: usize,
    length: Option<u64>,
}

struct Shared(RefCell<State>);

impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Relay")
    }
}

impl Relay {
    /// An event stream whose first events are at hand.
    #[must_use]
    pub fn events(
        exchange: Box<Exchange>,
        body: AnswerBody,
        first: FirstEvents,
        silence: Silence,
    ) -> Self {
        let FirstEvents {
            pieces,
            splitter,
            usage,
            saw_error,
            ended,
        } = first;
        let mut state = State::new(exchange, body, silence, Kind::Events { splitter, usage });
        state.begin(pieces, saw_error, ended);
        Self::start(state, None)
    }

    /// Any other answer, of a known length or not.
    #[must_use]
    pub fn plain(
        exchange: Box<Exchange>,
        body: AnswerBody,
        length: Option<u64>,
        silence: Silence,
    ) -> Self {
        Self::start(State::new(exchange, body, silence, Kind::plain()), length)
    }

    fn start(state: State, length: Option<u64>) -> Self {
        let worker = Rc::clone(state.worker());
        let shared = Rc::new(Shared(RefCell::new(state)));
        let place = worker.streams.add(shared.clone());
        worker.gateway.telemetry.stream_opened();
        Self {
            shared,
            worker,
            place,
            length,
        }
    }
}

impl MessageBody for Relay {
    type Error = Cut;

    fn size(&self) -> BodySize {
        self.length.map_or(BodySize::Stream, BodySize::Sized)
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Cut>>> {
        let now_ms = self.worker.streams.now_ms();
        self.shared.0.borrow_mut().poll(cx, now_ms)
    }
}

impl Watched for Shared {
    fn tick(&self, now_ms: u64, phase: Phase) {
        let wake = self.0.borrow_mut().tick(now_ms, phase);
        if let Some(waker) = wake {
            waker.wake();
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.worker.gateway.telemetry.stream_closed();
        self.shared.0.borrow_mut().client_left();
        self.worker.streams.remove(self.place);
    }
}
