//! What a request may use: reserved of every limit that applies before it is sent, followed while it runs, settled when
//! it has ended.
//!
//! Index. [`need`]: the most that a request can use. [`admit`]: all limits of the gateway, its group and its key, or none.
//! [`held`]: what a request holds. [`refusal`]: what a client is told that was refused; [`told`]: one that was not.
//!
//! Invariant: no wait and no ask while there are units; what is refused by one limit consumes nothing of any.

pub mod admit;
pub mod held;
pub mod need;
pub mod refusal;
pub mod told;

pub use admit::{Admission, admit};
pub use held::Held;
pub use need::Need;
