//! The process's life: load, build, listen, follow the configuration, drain, stop.
//!
//! ```text
//!  SIGTERM ─▶ /readyz 503, `connection: close` ─▶ drain.delay ─▶ no new connections
//!          ─▶ requests finish (silent streams end after drain.idle, all after drain.max) ─▶ actors ─▶ store
//!  a second signal, or drain.max ─▶ forced: exit 1
//! ```
//! Invariant: nothing acknowledged is lost on the way down: actors are drained after the last request, the store is
//! closed after the last actor.

mod demo;
mod drain;
mod reload;
mod serve;
mod told;

pub use demo::demo;
pub use serve::{ServeOptions, serve};
