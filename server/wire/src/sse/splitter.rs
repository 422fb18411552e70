//! Finds the event boundaries of a stream of chunks.
//!
//! Invariant: at most [`HELD_LIMIT_BYTES`] are held; each byte is looked at a bounded number of
//! times, however small the chunks are.

use bytes::{Bytes, BytesMut};

use super::event::{self, Event, EventKind};

/// Bytes of an unfinished event that are held before it is passed on as it comes.
pub const HELD_LIMIT_BYTES: usize = 1024 * 1024;

/// Whole events that may be forwarded now: up to two pieces, to be sent in this order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// What was held, joined with the start of the chunk.
    pub head: Option<Bytes>,
    /// A slice of the chunk itself.
    pub rest: Option<Bytes>,
    /// Set while an event passes the bound of what is held: its bytes are forwarded as they come,
    /// and nothing may be injected until it ends.
    pub overlong: bool,
}

impl Ready {
    /// Bytes to forward.
    pub fn len(&self) -> usize {
        self.head.as_ref().map_or(0, Bytes::len) + self.rest.as_ref().map_or(0, Bytes::len)
    }

    pub fn is_empty(&self) -> bool {
        self.head.is_none() && self.rest.is_none()
    }
}

impl IntoIterator for Ready {
    type Item = Bytes;
    type IntoIter = std::iter::Flatten<std::array::IntoIter<Option<Bytes>, 2>>;

    fn into_iter(self) -> Self::IntoIter {
        [self.head, self.rest].into_iter().flatten()
    }
}

/// Splits a stream at its event boundaries; one per stream.
#[derive(Debug, Default)]
pub struct Splitter {
    held: BytesMut,
    lines: Lines,
    /// Stream offset of the first held byte.
    base: u64,
    /// Kind of the event whose bytes are being forwarded unfinished.
    overlong: Option<EventKind>,
    overlong_bytes: u64,
}

impl Splitter {
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a chunk, tells the observer of every event that it finishes, and returns the bytes
    /// that may be forwarded.
    pub fn push(&mut self, chunk: Bytes, observer: &mut impl FnMut(Event<'_>)) -> Ready {
        let mut ready = Ready::default();
        let mut done = 0;
        if !self.held.is_empty() || self.overlong.is_some() {
            match self.lines.boundary(&chunk, 0) {
                None => return self.push_unfinished(chunk),
                Some(end) => {
                    self.finish_first(&chunk.slice(..end), &mut ready, observer);
                    done = end;
                }
            }
        }
        let first = done;
        while let Some(end) = self.lines.boundary(&chunk, done) {
            let block = &chunk[done..end];
            event::read(
                block,
                self.base == 0 && done == first,
                self.base + (end - first) as u64,
            )
            .map(&mut *observer);
            done = end;
        }
        if done > first {
            self.base += (done - first) as u64;
            ready.rest = Some(chunk.slice(first..done));
        }
        if chunk.len() - done > HELD_LIMIT_BYTES {
            self.start_overlong(&chunk[done..]);
            self.base += (chunk.len() - done) as u64;
            ready.rest = Some(chunk.slice(first..));
            ready.overlong = true;
        } else {
            // A copy: a slice would keep the whole chunk alive while a stream is silent.
            self.held.extend_from_slice(&chunk[done..]);
        }
        ready
    }

    /// Whether an event of our own may be sent now.
    pub fn at_boundary(&self) -> bool {
        self.overlong.is_none()
    }

    /// Bytes that are held.
    pub fn held_len(&self) -> usize {
        self.held.len()
    }

    /// Takes the held start of an unfinished event when the stream has ended. Not empty means that
    /// the stream was cut inside an event.
    pub fn take_held(&mut self) -> Bytes {
        self.lines = Lines::default();
        self.base += self.held.len() as u64;
        self.held.split().freeze()
    }

    fn push_unfinished(&mut self, chunk: Bytes) -> Ready {
        if self.overlong.is_some() {
            self.base += chunk.len() as u64;
            self.overlong_bytes += chunk.len() as u64;
            let rest = (!chunk.is_empty()).then_some(chunk);
            return Ready {
                head: None,
                rest,
                overlong: true,
            };
        }
        self.held.extend_from_slice(&chunk);
        if self.held.len() <= HELD_LIMIT_BYTES {
            return Ready::default();
        }
        let held = self.held.split().freeze();
        self.start_overlong(&held);
        self.base += held.len() as u64;
        Ready {
            head: Some(held),
            rest: None,
            overlong: true,
        }
    }

    fn start_overlong(&mut self, start: &[u8]) {
        self.overlong = Some(event::kind_of_start(start));
        self.overlong_bytes = start.len() as u64;
    }

    /// Ends the event that was open before this chunk; `end` is the chunk's part of it.
    fn finish_first(
        &mut self,
        end: &Bytes,
        ready: &mut Ready,
        observer: &mut impl FnMut(Event<'_>),
    ) {
        let is_first = self.base == 0;
        if let Some(kind) = self.overlong.take() {
            self.base += end.len() as u64;
            let text_chars = match kind {
                EventKind::ContentBlockDelta => self.overlong_bytes + end.len() as u64,
                _ => 0,
            };
            observer(Event {
                kind,
                data: None,
                text_chars,
                raw: &[],
                end_offset: self.base,
            });
            ready.head = Some(end.clone());
            return;
        }
        self.held.extend_from_slice(end);
        let block = self.held.split().freeze();
        self.base += block.len() as u64;
        event::read(&block, is_first, self.base).map(observer);
        ready.head = Some(block);
    }
}

/// Observes a stream without forwarding it.
#[derive(Debug, Default)]
pub struct EventScanner {
    splitter: Splitter,
}

impl EventScanner {
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells the observer of every event that `chunk` finishes.
    pub fn push(&mut self, chunk: &Bytes, observer: &mut impl FnMut(Event<'_>)) {
        self.splitter.push(chunk.clone(), observer);
    }

    /// Whether the stream, were it to end here, would end between two events.
    pub fn at_boundary(&self) -> bool {
        self.splitter.at_boundary() && self.splitter.held_len() == 0
    }
}

/// Where in its lines the stream is.
#[derive(Debug, Clone, Copy, Default)]
enum Lines {
    /// At the start of a line.
    #[default]
    Start,
    /// At the start of a line, after a CR: an LF here belongs to the line before.
    AfterCr,
    /// The same, where the line before was empty: the LF belongs to the event that has ended.
    AfterEmptyCr,
    /// Inside a line.
    Inside,
}

impl Lines {
    /// The position after the next empty line of `chunk` at or after `at`, `None` when it has none.
    /// A CR at the chunk's very end counts as the whole line end, so that no event waits for the
    /// next one; an LF that follows it is a boundary of its own without an event.
    fn boundary(&mut self, chunk: &[u8], mut at: usize) -> Option<usize> {
        while let Some(&byte) = chunk.get(at) {
            match (*self, byte) {
                (Self::AfterEmptyCr, b'\n') => {
                    *self = Self::Start;
                    return Some(at + 1);
                }
                (Self::AfterCr, b'\n') => {
                    *self = Self::Start;
                    at += 1;
                }
                (Self::Inside, _) => {
                    let found = memchr::memchr2(b'\n', b'\r', &chunk[at..])?;
                    at += found + 1;
                    *self = if chunk[at - 1] == b'\r' {
                        Self::AfterCr
                    } else {
                        Self::Start
                    };
                }
                (_, b'\n') => {
                    *self = Self::Start;
                    return Some(at + 1);
                }
                (_, b'\r') => {
                    if chunk.get(at + 1) == Some(&b'\n') {
                        *self = Self::Start;
                        return Some(at + 2);
                    }
                    *self = if at + 1 == chunk.len() {
                        Self::AfterEmptyCr
                    } else {
                        Self::AfterCr
                    };
                    return Some(at + 1);
                }
                _ => *self = Self::Inside,
            }
        }
        None
    }
}
