//! The shell: the program's only actix actor, generic over the machine it runs.
//!
//! It catches panics, rebuilds the machine, counts depth in the callers' handles, publishes the view before the replies
//! leave, runs effects as futures on the control runtime and hands their outcomes back, and arms one timer.
//!
//! Invariant: an ask is always answered: by the machine, or `Restarted` after its panic, or `Stopped`. A tell is always
//! accepted. An outcome of an effect reaches only the incarnation that asked for it.

mod actor;
mod clock;
mod depth;
mod effects;
mod handle;

pub use clock::Clock;
pub use depth::{Depth, DepthStats};
pub use effects::{Effects, Job};
pub use handle::Handle;

pub(crate) use actor::{Gone, Seed, spawn};
