//! The innermost room: ids, domain types, pure machines and the ports they reach the world through.
//!
//! Invariant: nothing here is async, reads a clock, draws a random number, does I/O or knows a framework.
//! Time, randomness and the results of effects come in as arguments, so every decision is a table or a property test.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod account;
pub mod audit;
pub mod bodies;
pub mod cidr;
pub mod event;
pub mod gate;
pub mod id;
pub mod key;
pub mod limit;
pub mod log;
pub mod machine;
pub mod models;
pub mod port;
pub mod price;
pub mod quota;
pub mod record;
pub mod recorder;
pub mod routing;
pub mod schedule;
pub mod session;
pub mod standing;
pub mod time;
pub mod usage;

pub use id::{AccountId, KeyHash, KeyId, LimitId, RequestId, SessionKey};
pub use machine::{AskError, Input, Machine, Ticket, Turn};
pub use time::Now;
