//! The part of a scenario that only the web-session surface reads.
//!
//! Invariant: the default of every field is what the service ordinarily does.

use serde::{Deserialize, Serialize};

use crate::scenario::{Events, Scenario};

/// What a completion consists of, and which request a scripted answer is for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebScenario {
    /// For scripted answers: the endpoint that consumes it; by default a completion.
    pub at: Option<Endpoint>,
    /// For scripted answers: only requests whose cookie contains this.
    pub cookie: Option<String>,
    /// For scripted answers: it stays, for the next requests too.
    pub keep: bool,
    /// Tool calls of each round; the stream pauses after a round until all its results came.
    pub tools: Vec<usize>,
    /// Text before the first round of tools.
    pub preamble: bool,
    /// Never thinking, not even where it is switched on.
    pub no_thinking: bool,
    /// A word of the text that is cut into deltas between its characters.
    pub bait: Option<String>,
    /// Events, deltas and blocks that no client knows, among the others.
    pub unknown: bool,
    /// Cuts the stream after every CR, inside every character of several bytes, and anywhere else
    /// after 23 bytes.
    pub awkward: bool,
    pub message_limit: MessageLimit,
    /// Of the `message_limit` event and of an `error` event; Unix seconds.
    pub resets_at: Option<u64>,
}

/// An endpoint of the web-session surface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    Organizations,
    Create,
    Settings,
    Upload,
    Completion,
    ToolResult,
    Delete,
    Authorize,
}

impl Endpoint {
    /// The endpoint of that name, as in JSON.
    pub(super) fn named(name: &str) -> Option<Self> {
        serde_json::from_value(name.into()).ok()
    }
}

/// `type` of the `message_limit` event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageLimit {
    #[default]
    WithinLimit,
    ApproachingLimit,
    ExceededLimit,
}

impl WebScenario {
    /// What a scenario means here, also one that was written for the Messages API.
    pub(super) fn of(scenario: &Scenario) -> Self {
        if let Some(web) = &scenario.web {
            return web.clone();
        }
        let base = Self::default();
        match &scenario.events {
            Some(Events::ToolUse) => Self {
                tools: vec![1],
                ..base
            },
            Some(Events::ParallelTools | Events::Everything) => Self {
                tools: vec![2],
                preamble: true,
                ..base
            },
            Some(Events::Text) => Self {
                no_thinking: true,
                ..base
            },
            Some(Events::Unknown) => Self {
                unknown: true,
                ..base
            },
            _ => base,
        }
    }
}
