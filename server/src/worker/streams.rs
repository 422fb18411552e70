//! The streams that are open on this worker, and who looks after them when their client does not read.
//!
//! actix does not poll a body while the client's socket is full, so keep-alives, idle timeouts and the upstream's end
//! must not live only in that poll: one ticker per worker walks the open streams instead of one timer per stream.
//!
//! Invariant: a stream is listed from its first byte to its drop, and no longer.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::gateway::{Gateway, Phase};

/// A stream that wants to be looked after.
pub trait Watched {
    /// Called every tick with the time in ms (monotonic) and the phase of the process.
    fn tick(&self, now_ms: u64, phase: Phase);
}

/// The open streams of one worker.
#[derive(Default)]
pub struct Streams {
    open: RefCell<Vec<Option<Rc<dyn Watched>>>>,
    free: RefCell<Vec<usize>>,
    /// The ticker's clock, in ms: coarse, and free to read.
    now_ms: Cell<u64>,
}

impl std::fmt::Debug for Streams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Streams")
            .field("open", &self.len())
            .finish()
    }
}

impl Streams {
    /// `now_ms`: the monotonic clock, until the first tick.
    #[must_use]
    pub fn new(now_ms: u64) -> Self {
        let streams = Self::default();
        streams.now_ms.set(now_ms);
        streams
    }

    /// Monotonic ms, at most one tick old.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.now_ms.get()
    }

    /// Lists a stream; the place is given to [`Self::remove`].
    pub fn add(&self, stream: Rc<dyn Watched>) -> usize {
        let mut open = self.open.borrow_mut();
        if let Some(place) = self.free.borrow_mut().pop() {
            open[place] = Some(stream);
            return place;
        }
        open.push(Some(stream));
        open.len() - 1
    }

    pub fn remove(&self, place: usize) {
        // Dropped after the borrow ends: a stream's drop may come back here.
        let gone = self.open.borrow_mut()[place].take();
        self.free.borrow_mut().push(place);
        drop(gone);
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.open.borrow().len() - self.free.borrow().len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn tick(&self, gateway: &Gateway) {
        let now_ms = gateway.directory.clock().now().mono_ms;
        self.now_ms.set(now_ms);
        let phase = gateway.phase();
        let mut place = 0;
        loop {
            let stream = match self.open.borrow().get(place) {
                Some(stream) => stream.clone(),
                None => return,
            };
            if let Some(stream) = stream {
                stream.tick(now_ms, phase);
            }
            place += 1;
        }
    }
}
