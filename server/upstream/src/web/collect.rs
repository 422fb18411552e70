//! Message collecting: the events of one message as the JSON answer of a request without `stream`.
//!
//! Invariant: the same blocks as in the stream, a tool's input byte for byte as it was streamed. Deltas of a type unknown
//! here say nothing that a JSON answer has a place for.

use bytes::Bytes;
use serde_json::value::RawValue;
use troupe_wire::sse::EventKind;

use super::{event::WebEvent, fault::WebFault, members::Members};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Collector {
    message: Members<'static>,
    blocks: Vec<Block>,
}

#[derive(Debug)]
struct Block {
    members: Members<'static>,
    /// What deltas added, by the member that they add to.
    text: Option<String>,
    thinking: Option<String>,
    signature: Option<String>,
    input: String,
    citations: Vec<Box<RawValue>>,
}

// === impl Collector ===

impl Collector {
    pub(super) fn push(&mut self, event: &WebEvent) {
        match event.kind {
            EventKind::MessageStart => {
                let message = event.members.object("message");
                self.message = message.map(Members::into_owned).unwrap_or_default();
            }
            EventKind::ContentBlockStart => {
                let block = event.members.object("content_block").unwrap_or_default();
                self.blocks.push(Block::new(block.into_owned()));
            }
            EventKind::ContentBlockDelta => {
                let index = event.index().and_then(|index| usize::try_from(index).ok());
                if let Some(block) = index.and_then(|index| self.blocks.get_mut(index))
                    && let Some(delta) = event.members.object("delta")
                {
                    block.add(&delta);
                }
            }
            EventKind::MessageDelta => {
                let delta = event.members.object("delta").unwrap_or_default();
                for name in ["stop_reason", "stop_sequence"] {
                    self.message.set(name, &delta.raw(name));
                }
                if let Some(usage) = event.members.raw("usage") {
                    self.merge_usage(usage);
                }
            }
            _ => {}
        }
    }

    /// The body of the answer.
    pub(super) fn finish(mut self) -> Result<Bytes, WebFault> {
        let is_cut = self.message.text("stop_reason").as_deref() == Some("max_tokens");
        let mut content = Vec::with_capacity(self.blocks.len());
        for block in self.blocks {
            content.push(block.finish(is_cut)?);
        }
        self.message.set("content", &content);
        let body = serde_json::to_vec(&self.message);
        body.map(Bytes::from)
            .map_err(|_| WebFault::platform("the answer cannot be written as JSON"))
    }

    /// A later value of a field wins, a field that is not repeated stays.
    fn merge_usage(&mut self, raw: &RawValue) {
        let earlier = self.message.object("usage").map(Members::into_owned);
        let (mut usage, Some(later)) = (earlier.unwrap_or_default(), Members::read(raw.get()))
        else {
            return;
        };
        for name in later.names() {
            usage.set(name, &later.raw(name));
        }
        self.message.set("usage", &usage);
    }
}

// === impl Block ===

impl Block {
    fn new(members: Members<'static>) -> Self {
        Self {
            members,
            text: None,
            thinking: None,
            signature: None,
            input: String::new(),
            citations: Vec::new(),
        }
    }

    fn add(&mut self, delta: &Members<'_>) {
        let append = |to: &mut Option<String>, name: &str| {
            let text = delta.text(name).unwrap_or_default();
            to.get_or_insert_default().push_str(&text);
        };
        match delta.text("type").as_deref() {
            Some("text_delta") => append(&mut self.text, "text"),
            Some("thinking_delta") => append(&mut self.thinking, "thinking"),
            Some("signature_delta") => append(&mut self.signature, "signature"),
            Some("input_json_delta") => {
                let json = delta.text("partial_json").unwrap_or_default();
                self.input.push_str(&json);
            }
            Some("citations_delta") => {
                let citation = delta.raw("citation").map(RawValue::to_owned);
                self.citations.extend(citation);
            }
            _ => {}
        }
    }

    fn finish(mut self, is_cut: bool) -> Result<Members<'static>, WebFault> {
        for (name, text) in [
            ("text", self.text),
            ("thinking", self.thinking),
            ("signature", self.signature),
        ] {
            if let Some(text) = text {
                self.members.set(name, &text);
            }
        }
        if !self.citations.is_empty() {
            self.members.set("citations", &self.citations);
        }
        if !self.input.is_empty() {
            match RawValue::from_string(self.input) {
                Ok(input) => self.members.set("input", &input),
                // The model had no room for all of it: no client runs such a call.
                Err(_) if is_cut => {}
                Err(_) => {
                    return Err(WebFault::platform(
                        "the upstream sent a tool call that is not JSON",
                    ));
                }
            }
        }
        Ok(self.members)
    }
}
