//! A paused conversation: the open stream of a completion that waits for tool results.
//!
//! Invariant: it holds everything that must end with it. Dropped (expired, refused, forgotten) it closes the stream, and
//! the conversation's guard deletes the conversation.

use std::{
    fmt,
    time::{Duration, Instant},
};

use super::answer::Live;

/// Keeps paused conversations; an actor's handle. Called before the client hears of the tool calls, so that its results
/// cannot come too early; must not block.
pub trait PauseSink: Send + Sync {
    /// A refusal is told by dropping it.
    fn pause(&self, paused: Paused);
}

/// See the module.
pub struct Paused {
    tool_use_ids: Vec<String>,
    expires_at: Instant,
    pub(super) model: String,
    pub(super) live: Live,
}

// === impl Paused ===

impl Paused {
    pub(super) fn new(
        tool_use_ids: Vec<String>,
        model: String,
        live: Live,
        wait: Duration,
    ) -> Self {
        Self {
            tool_use_ids,
            expires_at: Instant::now() + wait,
            model,
            live,
        }
    }

    /// The calls whose results it waits for, at least one.
    #[must_use]
    pub fn tool_use_ids(&self) -> &[String] {
        &self.tool_use_ids
    }

    /// After this moment it is to be dropped.
    #[must_use]
    pub fn expires_at(&self) -> Instant {
        self.expires_at
    }
}

impl fmt::Debug for Paused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Paused")
            .field("tool_use_ids", &self.tool_use_ids)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}
