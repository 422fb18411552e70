//! What callers hold: named, counted, cheap to clone.

use std::sync::Arc;

use actix::Addr;
use tokio::sync::oneshot;
use troupe_core::{AskError, Machine};

use super::actor::{Post, Shell};
use super::depth::{Depth, DepthStats};

/// A handle to the actor that runs an `M`.
pub struct Handle<M: Machine> {
    addr: Addr<Shell<M>>,
    depth: Arc<Depth>,
}

impl<M: Machine> Clone for Handle<M> {
    fn clone(&self) -> Self {
        Self {
            addr: self.addr.clone(),
            depth: Arc::clone(&self.depth),
        }
    }
}

impl<M: Machine> std::fmt::Debug for Handle<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle")
            .field("depth", &self.depth)
            .finish_non_exhaustive()
    }
}

impl<M: Machine> Handle<M> {
    pub(crate) fn new(addr: Addr<Shell<M>>, depth: Arc<Depth>) -> Self {
        Self { addr, depth }
    }

    /// Asks and waits. Dropping the future cancels an ask that is not handled yet; a reply that nobody takes is
    /// dropped, and the guards in it give back.
    ///
    /// # Errors
    /// `Overloaded` when the bound is reached (nothing was enqueued), `Restarted`, `Stopped`.
    pub async fn ask(&self, ask: M::Ask) -> Result<M::Reply, AskError> {
        let place = self.depth.enter().ok_or(AskError::Overloaded)?;
        // Before the channel, so that it goes after it: the actor must find it closed.
        let mut waiting = Waiting(Some(&self.addr));
        let (answer, answered) = oneshot::channel();
        self.addr.do_send(Post::Ask(ask, answer, place));
        let reply = answered.await;
        waiting.0 = None;
        reply.unwrap_or(Err(AskError::Stopped))
    }

    /// Tells a fact. Always accepted; lost only when the actor is gone.
    pub fn tell(&self, tell: M::Tell) {
        self.addr.do_send(Post::Tell(tell));
    }

    /// Asks the actor to stop after what is in its mailbox; resolves when it is gone.
    pub async fn stop(&self) {
        let (gone, is_gone) = oneshot::channel();
        self.addr.do_send(Post::Stop(gone));
        let _ = is_gone.await;
    }

    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.addr.connected()
    }

    #[must_use]
    pub fn stats(&self) -> DepthStats {
        self.depth.stats()
    }
}

/// A caller that waits for its reply; one that leaves says so, and holds no place in anybody's queue.
struct Waiting<'a, M: Machine>(Option<&'a Addr<Shell<M>>>);

impl<M: Machine> Drop for Waiting<'_, M> {
    fn drop(&mut self) {
        if let Some(addr) = self.0 {
            addr.do_send(Post::Left);
        }
    }
}
