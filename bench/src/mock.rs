//! A Messages upstream that costs almost nothing, so that what is measured is the gateway.
//!
//! One thread, own HTTP/1.1, answers prepared once. Which answer a request gets is told by the
//! `model` in its body, which every gateway forwards; see [`Kind`].
//!
//! Invariant: the bytes of an answer depend on its kind alone, so a client knows beforehand how many
//! must arrive.

mod answers;
mod request;
mod serve;

pub use answers::{Answers, DELTAS, EVENTS, JSON_BYTES};
pub use serve::serve;

/// What the mock is asked for, by the `model` of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `bench-json`: a whole answer of [`JSON_BYTES`] bytes.
    Json,
    /// `bench-burst`: an event stream of [`DELTAS`] deltas, a chunk per event, in one write.
    Burst,
    /// `bench-paced`: the same stream, one delta every 5 ms.
    Paced,
    /// `bench-hold`: `message_start`, then a ping every few seconds until the client leaves.
    Hold,
}

impl Kind {
    /// The `model` that selects this kind.
    #[must_use]
    pub const fn model(self) -> &'static str {
        match self {
            Self::Json => "bench-json",
            Self::Burst => "bench-burst",
            Self::Paced => "bench-paced",
            Self::Hold => "bench-hold",
        }
    }

    /// Whether the answer is an event stream.
    #[must_use]
    pub const fn is_stream(self) -> bool {
        !matches!(self, Self::Json)
    }
}
