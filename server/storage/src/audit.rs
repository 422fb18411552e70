//! The audit trail on disk: a chain of JSON lines, in one file a day.
//!
//! Index. `line`: what a line says; `chain`: how lines hang together; `files`: where they stand; `trail`: who writes
//! them; `follow`: who reads on; `verify`: who judges them.
//!
//! ```text
//! DIR/.NODE.lock               one writer at a time
//! DIR/NODE-2026-02-24.jsonl    lines of a day and of the moment after it, 0600
//! ```
//! Invariant: a line that was promised is on the disk, and nothing here changes a line that is complete; numbers go on
//! over files, so that the files' order is that of their names.

mod chain;
mod files;
mod follow;
mod line;
mod trail;
mod verify;

pub use chain::{Chain, GENESIS};
pub use files::{Position, nodes, scan};
pub use follow::Follower;
pub use line::{Entry, Fault, Line};
pub use trail::{Found, Trail};
pub use verify::{Broken, Report, Tail, verify};

/// The line that says which lines before it are no longer kept.
pub const RETIRED: &str = "trail.retired";
/// The line that says that the store, with its copy of the lines before, came out of a backup.
pub const RESTORED: &str = "store.restored";
/// The first line of a folder behind lines of which only the store has a copy.
pub const CONTINUED: &str = "trail.continued";
/// What the store's copy has in place of a line that the file does not have any more.
pub const UNREADABLE: &str = "trail.unreadable";
/// The line that says what was found wrong at a start.
pub const DAMAGED: &str = "trail.damaged";
/// The line that says that an unfinished line was taken off at a start.
pub const REPAIRED: &str = "trail.repaired";

#[cfg(test)]
mod tests;
