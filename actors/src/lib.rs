//! The actors: the one generic shell, the tree that owns their threads, and the directory of what they publish.
//!
//! Invariant: actix is named only in [`shell`]; callers hold handles and gates, never addresses; asks point one way
//! (pipeline → session → key → account), and actors among themselves use tells or read snapshots.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod account;
pub mod directory;
pub mod key;
pub mod quota;
pub mod recorder;
pub mod session;
pub mod shell;
pub mod tree;

pub use directory::{Directory, DirectoryConfig};
pub use shell::{Clock, Handle};
pub use tree::{Room, Tree};

#[cfg(test)]
mod tests;
