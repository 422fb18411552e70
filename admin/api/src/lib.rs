//! What the gateway and its admin page say to each other.
//!
//! Invariant: serde and nothing else, so that the same types build for the server and for wasm32.
//! During a rolling update an older page talks to a newer gateway: every enum has a variant for
//! words it does not know, and unknown fields are ignored.

mod health;
mod readiness;

pub use health::{Health, Liveness};
pub use readiness::{CheckState, Readiness, ReadyState};
