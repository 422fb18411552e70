//! One message from the surface's events to the client's: fill → tool calls → stop sequences → token count.
//!
//! ```text
//!  Waiting ──first event──► Within ──message_stop | stop sequence | silence after tool calls──► Ended
//!     └──────────────────── error, broken stream: a fault of the caller's ─────────────────────►
//! ```
//!
//! Invariant: pure; what it gives for a stream does not depend on how the stream was cut. A message ends with its stop
//! reason said, every block closed, and `message_stop` last.

use std::collections::BTreeSet;

use troupe_wire::sse::EventKind;

use super::{
    count::TokenCount, event::WebEvent, fault::WebFault, fill::Fill, members::Members,
    stop::StopSequences, tool_call::ToolCalls,
};

/// What a message is translated by.
#[derive(Clone, Debug, Default)]
pub(super) struct Terms {
    pub model: String,
    pub thinking: bool,
    pub stop_sequences: Vec<String>,
    pub input_tokens: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Waiting,
    Within,
    Ended,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Translation {
    fill: Fill,
    tools: ToolCalls,
    stops: StopSequences,
    count: TokenCount,
    phase: Phase,
    /// The client's indexes of blocks that it saw begin and not end.
    open: BTreeSet<u64>,
    /// The stop reason was said.
    reasoned: bool,
    out: Vec<WebEvent>,
}

// === impl Translation ===

impl Translation {
    pub(super) fn new(terms: Terms) -> Self {
        Self {
            fill: Fill::new(&terms.model, terms.thinking),
            tools: ToolCalls::default(),
            stops: StopSequences::new(terms.stop_sequences),
            count: TokenCount::new(terms.input_tokens),
            phase: Phase::Waiting,
            open: BTreeSet::new(),
            reasoned: false,
            out: Vec::new(),
        }
    }

    /// Takes one event; what it gives for the client is in [`Self::take`]. Events after the end are not looked at.
    pub(super) fn push(&mut self, event: WebEvent) -> Result<(), WebFault> {
        if self.phase == Phase::Ended {
            return Ok(());
        }
        let mut filled = Vec::new();
        self.fill.push(event, &mut filled)?;
        for event in filled {
            self.step(event);
            if self.phase == Phase::Ended {
                break;
            }
        }
        Ok(())
    }

    /// Events for the client since the last call.
    pub(super) fn take(&mut self) -> Vec<WebEvent> {
        std::mem::take(&mut self.out)
    }

    pub(super) fn has_begun(&self) -> bool {
        self.phase != Phase::Waiting
    }

    pub(super) fn has_ended(&self) -> bool {
        self.phase == Phase::Ended
    }

    /// Is silence now the upstream's way to ask for tool results?
    pub(super) fn awaits_tools(&self) -> bool {
        let asked = !self.tools.ids().is_empty();
        asked && self.phase == Phase::Within && !self.reasoned && !self.fill.is_within_block()
    }

    /// Ends the message for its tool calls and returns their ids.
    pub(super) fn end_for_tools(&mut self) -> Vec<String> {
        self.end("tool_use", None);
        self.tools.ids().to_vec()
    }

    fn step(&mut self, event: WebEvent) {
        match event.kind {
            EventKind::MessageDelta => {
                self.close_blocks();
                self.reasoned = true;
            }
            EventKind::MessageStop if self.reasoned => self.close_blocks(),
            // It ended without a reason: every message of the API has one.
            EventKind::MessageStop => return self.end("end_turn", None),
            _ => {}
        }
        self.tools.observe(&event);
        let mut passed = Vec::new();
        let found = self.stops.push(event, &mut passed);
        for event in passed {
            self.emit(event);
        }
        if let Some(sequence) = found {
            self.end("stop_sequence", Some(&sequence));
        }
    }

    fn end(&mut self, reason: &str, sequence: Option<&str>) {
        self.close_blocks();
        let mut delta = Members::default();
        delta.set("stop_reason", &reason);
        delta.set("stop_sequence", &sequence);
        let mut event = WebEvent::new(EventKind::MessageDelta, "message_delta");
        event.members.set("delta", &delta);
        self.emit(event);
        self.emit(WebEvent::new(EventKind::MessageStop, "message_stop"));
    }

    fn close_blocks(&mut self) {
        for index in self.open.clone() {
            let mut held = Vec::new();
            self.stops.flush(index, &mut held);
            for event in held {
                self.emit(event);
            }
            self.emit(WebEvent::of_block(
                EventKind::ContentBlockStop,
                "content_block_stop",
                index,
            ));
        }
    }

    fn emit(&mut self, mut event: WebEvent) {
        match (event.kind, event.index()) {
            (EventKind::ContentBlockStart, Some(index)) => {
                self.open.insert(index);
            }
            (EventKind::ContentBlockStop, Some(index)) if self.open.remove(&index) => {}
            (EventKind::ContentBlockDelta, Some(index)) if self.open.contains(&index) => {}
            // The block was closed when the stop reason came.
            (EventKind::ContentBlockStop | EventKind::ContentBlockDelta, _) => return,
            _ => {}
        }
        self.phase = match event.kind {
            EventKind::MessageStop => Phase::Ended,
            EventKind::Ping | EventKind::Other => self.phase,
            _ => Phase::Within,
        };
        self.count.push(&mut event);
        self.out.push(event);
    }
}
