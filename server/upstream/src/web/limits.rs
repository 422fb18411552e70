//! How long and how much: the bounds of one web answer.
//!
//! Invariant: every call has a bound in time and in bytes; only a whole stream has none in time.

use std::time::Duration;

/// Bounds of one request. The default is what the gateway uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebLimits {
    /// A short call (organisations, conversation, settings, tool result, deletion), answer included.
    pub call_ms: u64,
    /// One upload.
    pub upload_ms: u64,
    /// From the completion's request (or the last tool result) to its first event.
    pub first_event_ms: u64,
    /// Silence within a stream.
    pub idle_ms: u64,
    /// Silence after a whole tool call that means that the upstream waits for its result.
    pub tool_silence_ms: u64,
    /// How long a paused conversation may wait for its tool results.
    pub pause_ms: u64,
    /// A longer prompt becomes a text attachment.
    pub prompt_max_bytes: usize,
    /// Images and documents in one request.
    pub files_max: usize,
    /// Bytes of one completion's stream, all its messages together.
    pub answer_max_bytes: u64,
}

impl Default for WebLimits {
    fn default() -> Self {
        Self {
            call_ms: 15_000,
            upload_ms: 60_000,
            first_event_ms: 120_000,
            idle_ms: 300_000,
            tool_silence_ms: 250,
            pause_ms: 600_000,
            prompt_max_bytes: 8 * 1024,
            files_max: 20,
            answer_max_bytes: 64 * 1024 * 1024,
        }
    }
}

impl WebLimits {
    pub(super) fn call(&self) -> Duration {
        Duration::from_millis(self.call_ms)
    }
}
