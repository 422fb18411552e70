//! Tool calls: this surface does not end the message for them but falls silent until their results are posted.
//!
//! ```text
//!  none ──start of a tool_use──► asked ──every block whole, silence──► the message ends with `tool_use`
//!                                  │ any further block: several tools of one turn come without silence
//!                                  └──message_delta──► ended by the upstream itself
//! ```
//!
//! Invariant: no message is ended within a block, so no tool's JSON is ever cut by us.

use troupe_wire::sse::EventKind;

use super::event::WebEvent;

/// Calls longer than this in one message are not one turn of a model.
const CALLS_MAX: usize = 256;

/// The calls of one message.
#[derive(Debug, Default)]
pub(super) struct ToolCalls {
    ids: Vec<String>,
}

// === impl ToolCalls ===

impl ToolCalls {
    /// Notes the call that the event begins.
    pub(super) fn observe(&mut self, event: &WebEvent) {
        if event.kind != EventKind::ContentBlockStart || self.ids.len() == CALLS_MAX {
            return;
        }
        let Some(block) = event.members.object("content_block") else {
            return;
        };
        if block.text("type").as_deref() == Some("tool_use") {
            self.ids.extend(block.text("id"));
        }
    }

    /// Their ids, in the order of the calls.
    pub(super) fn ids(&self) -> &[String] {
        &self.ids
    }
}
