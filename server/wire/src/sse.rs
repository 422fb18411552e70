//! Cuts an event stream into whole events without copying it.
//!
//! Invariant: what is handed out, joined, is the upstream's stream byte for byte; every piece ends
//! at an event boundary, so that an event of our own may stand after it; what comes after the last
//! boundary is held. The framing is that of the HTML standard (server-sent events, "interpreting
//! an event stream"): lines end with LF, CRLF or CR, mixed at will, and an empty line ends an event.

mod event;
mod splitter;

pub use event::{Event, EventKind};
pub use splitter::{EventScanner, HELD_LIMIT_BYTES, Ready, Splitter};

#[cfg(test)]
mod tests;
