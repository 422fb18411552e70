//! How effects are run: as futures on the control runtime, never on an arbiter.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use troupe_core::Machine;

/// One effect under way.
pub struct Job<D> {
    pub(crate) work: Pin<Box<dyn Future<Output = D> + Send>>,
    pub(crate) if_lost: D,
}

impl<D> fmt::Debug for Job<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Job")
    }
}

impl<D> Job<D> {
    /// `if_lost` is told to the machine when `work` panics, so that a single flight never hangs.
    pub fn new(if_lost: D, work: impl Future<Output = D> + Send + 'static) -> Self {
        Self {
            work: Box::pin(work),
            if_lost,
        }
    }
}

/// Turns a machine's effects into work.
pub trait Effects<M: Machine>: Send + Sync + 'static {
    fn job(&self, effect: M::Effect) -> Job<M::Done>;
}
