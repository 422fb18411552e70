//! What tests see of the web-session surface.
//!
//! Invariant: a snapshot is a copy of one moment; nothing in it refers to the mock's own state.

use std::sync::Arc;

use serde::Serialize;

use super::store::WebStore;
use crate::journal::WaitTimeout;

/// A handle to the state of the web-session surface; clones share it.
#[derive(Debug, Clone)]
pub struct Web {
    store: Arc<WebStore>,
}

impl Web {
    pub(crate) fn new(store: Arc<WebStore>) -> Self {
        Self { store }
    }

    /// The state now, as in `GET /__mock/web`.
    pub fn snapshot(&self) -> WebSnapshot {
        self.store.snapshot()
    }

    /// Waits until the state satisfies `predicate`, without polling, and returns it.
    ///
    /// # Errors
    /// After 20 s.
    pub async fn wait_for(
        &self,
        predicate: impl Fn(&WebSnapshot) -> bool,
    ) -> Result<WebSnapshot, WaitTimeout> {
        self.store.wait_for(predicate).await
    }
}

/// Conversations and files, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WebSnapshot {
    pub conversations: Vec<ConversationView>,
    pub files: Vec<FileView>,
    /// Conversations that were not deleted.
    pub alive: usize,
    /// Streams that are under way, the paused ones included.
    pub running: usize,
    pub paused: usize,
}

impl WebSnapshot {
    pub(super) fn of(conversations: Vec<ConversationView>, files: Vec<FileView>) -> Self {
        let count = |is: &dyn Fn(&ConversationView) -> bool| {
            conversations.iter().filter(|found| is(found)).count()
        };
        Self {
            alive: count(&|found| !found.deleted),
            running: count(&|found| found.stream.is_running()),
            paused: count(&|found| found.stream == StreamState::Paused),
            conversations,
            files,
        }
    }

    /// The conversation of that id.
    pub fn conversation(&self, id: &str) -> Option<&ConversationView> {
        self.conversations.iter().find(|found| found.id == id)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConversationView {
    pub id: String,
    pub organization: String,
    pub deleted: bool,
    /// Whether `paprika_mode` is `extended`.
    pub extended: bool,
    /// Completions that were begun.
    pub completions: u64,
    /// Ids of the uploaded files that completions referred to; the last 100.
    pub files: Vec<String>,
    /// Results in the order in which they came; the last 100.
    pub tool_results: Vec<ToolResultView>,
    /// Ids of the calls that wait for their result.
    pub pending_tools: Vec<String>,
    /// Of the newest completion.
    pub stream: StreamState,
}

/// Life of a completion's stream.
///
/// ```text
/// None → Open ⇄ Paused        Open, Paused → Ended | Cut | Abandoned → Open (next completion)
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamState {
    /// No completion was begun.
    #[default]
    None,
    Open,
    /// Silent until the results of its tool calls come.
    Paused,
    /// The body ended as its framing promised.
    Ended,
    /// The scenario broke it off.
    Cut,
    /// The client closed the connection before the end.
    Abandoned,
}

impl StreamState {
    pub fn is_running(self) -> bool {
        matches!(self, Self::Open | Self::Paused)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ToolResultView {
    pub tool_use_id: String,
    pub tool_name: String,
    /// The texts of its blocks, joined by a line end; other blocks as `[type]`. The first 1 000
    /// characters.
    pub text: String,
    pub is_error: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileView {
    pub id: String,
    pub organization: String,
    pub name: String,
    pub content_type: String,
    pub size_bytes: usize,
    /// Lower-case hexadecimal.
    pub sha256: String,
}
