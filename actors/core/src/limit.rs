//! Limits: how much of what a request may use, and what it holds while it runs.
//!
//! Index. [`name`]: dimensions, periods, names. [`period`]: calendar windows. [`rule`]: a limit and what happens when it
//! is reached; [`set`]: those of one holder. [`amounts`]: units by dimension. [`cell`]: one limit in one window.
//! [`gate`]: what a scope publishes. [`hold`]: what a request has of one scope. [`judge`]: why it does not fit.
//!
//! ```text
//!            take (bound)          checkpoint (facts so far)          settle (facts)
//!  request ──────────────▶ hold ───────────────────────────▶ hold ──────────────────▶ gone
//!                            └─ give back: nothing was used        (drop: settled at the last checkpoint)
//! ```
//!
//! Invariant: of one cell never more is taken than its limit allows, whatever runs at the same time, but for what had
//! been used before anybody could know (server-side tools); what is taken is given back or charged, once.

pub mod amounts;
pub mod cell;
pub mod gate;
pub mod hold;
pub mod judge;
pub mod name;
pub mod period;
pub mod rule;
pub mod set;

pub use amounts::{Amounts, Demand};
pub use cell::Cell;
pub use gate::{Gate, Limit, ScopeView};
pub use hold::{Blocked, Hold, Overrun};
pub use judge::{Shortage, Verdict, Why, judge};
pub use name::{Dimension, LimitName, Scope, Source};
pub use period::{Period, Span};
pub use rule::{Cap, Grant, LimitRule, OnLimit};
pub use set::{LimitSet, Own};

#[cfg(test)]
mod tests;
