//! What is on the wire: request bodies, event streams, usage, errors, models and paths.
//!
//! Invariant: nothing here does I/O, reads a clock or depends on another crate of the workspace,
//! and nothing re-encodes what a client or an upstream sent: bodies are read as byte ranges of the
//! original bytes and streams are cut into slices of the original chunks.

pub mod answer;
pub mod body;
pub mod cache_marks;
pub mod error;
pub mod estimate;
mod json;
mod json_check;
pub mod models;
pub mod patch;
pub mod path;
pub mod resources;
pub mod sse;
pub mod usage;

pub use answer::JsonAnswer;
pub use body::{PeekError, RequestPeek};
pub use cache_marks::CacheMarks;
pub use patch::{Body, Patch};
pub use path::{PathError, normalise};
pub use resources::{ResourceKind, ResourceRef};
pub use sse::{Event, EventKind, EventScanner, Ready, Splitter};
pub use usage::{Usage, UsageScanner};
