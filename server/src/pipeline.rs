//! A request's way, phase by phase.
//!
//! ```text
//!  exchange  begins the row, takes a place in the process        load shed
//!  key       who: hash → published view; a slot at the key's gate
//!  address   may the key be used from there?                      only for keys that say from where
//!  body      reads the body whole (bounded) or passes it on
//!  place     session → preferred account                          snapshot
//!  owner     whose are the resources that the body names          store, only when it names any
//!  attempt   rank, lease, send, classify, perhaps the next        pure ranking, atomics
//!  answer    the head of what the client gets
//!  capture   copies both bodies where the log keeps them          beside it all
//!  relay     the upstream's bytes, observed, never changed
//!  exchange  settles once: row, key, account                      one Drop guard
//! ```
//!
//! Invariant: after the first event nothing is retried; whatever happens, an [`Exchange`] is settled exactly once.

pub mod address;
pub mod answer;
pub mod attempt;
pub mod body;
pub mod capture;
pub mod choose;
pub mod exchange;
pub mod failure;
pub mod key;
pub mod limits;
pub mod noted;
pub mod observe;
pub mod own;
pub mod owner;
pub mod place;
pub mod relay;
pub mod web;

pub use exchange::Exchange;
