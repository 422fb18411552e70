//! Bodies of requests and answers, where the log keeps them.
//!
//! ```text
//!  worker: capture ─▶ Taken ─▶ queue (bounded in bytes) ─▶ control runtime: redact ─▶ pack ─▶ BodyStore
//! ```
//! Invariant: nothing reaches a store that has not been through [`redact`]; a request never waits for any of this, and
//! what there is no room for is counted, not kept.

mod pack;
mod queue;
pub mod redact;
mod room;
mod settings;
mod taken;

pub use pack::{Kept, KeptBody, PackError, pack, unpack};
pub use queue::BodyQueue;
pub use room::{Held, Room};
pub use settings::{BodySettings, Policy};
pub use taken::{Part, Taken, Why};
