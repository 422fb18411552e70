//! How nodes of one gateway know of each other.
//!
//! Invariant: no request waits for anything in here; a node that is alone needs no server beside it ([`single`]).

pub mod single;
