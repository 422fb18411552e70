//! Model filling: gives the surface's events the members and indexes that the Messages API's have.
//!
//! Invariant: the client sees one `message_start`, block indexes from 0 without a gap, and per block a start, deltas and
//! a stop. What only this surface has is taken out by the lists below; everything else unknown passes.

use std::collections::BTreeMap;

use troupe_wire::sse::EventKind;
use uuid::Uuid;

use super::{event::WebEvent, fault::WebFault, members::Members};

/// Members of messages, blocks and their stops that only the web surface has.
const WEB_ONLY_MEMBERS: &[&str] = &[
    "start_timestamp",
    "stop_timestamp",
    "uuid",
    "parent_uuid",
    "trace_id",
    "request_id",
    "flags",
    "message",
    "integration_name",
    "integration_icon_url",
    "icon_name",
    "context",
    "display_content",
    "approval_options",
    "approval_key",
    "summaries",
    "cut_off",
    "truncated",
    "alternative_display_type",
];

/// Deltas that only the web surface has.
const WEB_ONLY_DELTAS: &[&str] = &["thinking_summary_delta", "tool_use_block_update_delta"];

/// Blocks within an answer that only the web surface has: there a result stands in the answer that asked for it.
const WEB_ONLY_BLOCKS: &[&str] = &["tool_result"];

/// See the module.
#[derive(Debug)]
pub(super) struct Fill {
    model: String,
    /// Did the client ask for thinking? Otherwise it gets no such block, as from the Messages API.
    thinking: bool,
    started: bool,
    /// Open blocks by the upstream's index.
    blocks: BTreeMap<u64, Block>,
    next_index: u64,
}

#[derive(Debug)]
enum Block {
    Shown {
        index: u64,
        /// A tool's whole input that stood in the block's start, until its first delta.
        input: Option<String>,
    },
    Hidden,
}

// === impl Fill ===

impl Fill {
    pub(super) fn new(model: &str, thinking: bool) -> Self {
        Self {
            model: model.to_owned(),
            thinking,
            started: false,
            blocks: BTreeMap::new(),
            next_index: 0,
        }
    }

    /// Is a block on its way from the upstream, shown or not?
    pub(super) fn is_within_block(&self) -> bool {
        !self.blocks.is_empty()
    }

    pub(super) fn push(
        &mut self,
        mut event: WebEvent,
        out: &mut Vec<WebEvent>,
    ) -> Result<(), WebFault> {
        match event.kind {
            EventKind::MessageStart => {
                let message = event.members.object("message").map(Members::into_owned);
                self.start(message.unwrap_or_default(), out);
            }
            EventKind::ContentBlockStart => self.block_start(event, out)?,
            EventKind::ContentBlockDelta => self.block_delta(event, out),
            EventKind::ContentBlockStop => self.block_stop(event, out),
            EventKind::MessageDelta => {
                self.start(Members::default(), out);
                let delta = event.members.object("delta").map(Members::into_owned);
                let mut delta = delta.unwrap_or_default();
                delta.fill("stop_reason", &None::<&str>);
                delta.fill("stop_sequence", &None::<&str>);
                event.members.set("delta", &delta);
                out.push(event);
            }
            EventKind::MessageStop => {
                self.start(Members::default(), out);
                event.members.remove(WEB_ONLY_MEMBERS);
                out.push(event);
            }
            EventKind::Ping | EventKind::Error | EventKind::Other => out.push(event),
        }
        Ok(())
    }

    /// Says `message_start` unless it was said: a resumed answer goes on without one.
    fn start(&mut self, mut message: Members<'static>, out: &mut Vec<WebEvent>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        message.remove(WEB_ONLY_MEMBERS);
        if message.text("id").is_none_or(|id| id.is_empty()) {
            message.set("id", &format!("msg_{}", Uuid::new_v4().simple()));
        }
        message.fill("type", &"message");
        message.fill("role", &"assistant");
        if message.text("model").is_none_or(|model| model.is_empty()) {
            message.set("model", &self.model);
        }
        message.set("content", &[(); 0]);
        message.fill("stop_reason", &None::<&str>);
        message.fill("stop_sequence", &None::<&str>);
        let mut event = WebEvent::new(EventKind::MessageStart, "message_start");
        event.members.set("message", &message);
        out.push(event);
    }

    fn block_start(
        &mut self,
        mut event: WebEvent,
        out: &mut Vec<WebEvent>,
    ) -> Result<(), WebFault> {
        self.start(Members::default(), out);
        let block = event
            .members
            .object("content_block")
            .map(Members::into_owned);
        let (Some(at), Some(mut block)) = (event.index(), block) else {
            return Err(WebFault::platform(
                "the upstream sent a block that cannot be read",
            ));
        };
        let kind = block.text("type").unwrap_or_default();
        let is_thinking = matches!(kind.as_str(), "thinking" | "redacted_thinking");
        if WEB_ONLY_BLOCKS.contains(&kind.as_str()) || is_thinking && !self.thinking {
            self.blocks.insert(at, Block::Hidden);
            return Ok(());
        }
        block.remove(WEB_ONLY_MEMBERS);
        let (mut input, mut text) = (None, None);
        match kind.as_str() {
            "text" => text = take_text(&mut block, "text"),
            "thinking" => {
                text = take_text(&mut block, "thinking");
                block.fill("signature", &"");
            }
            "tool_use" => {
                let whole = block.raw("input").map(|input| input.get().to_owned());
                input = whole.filter(|text| {
                    Members::read(text).is_some_and(|input| input.names().next().is_some())
                });
                block.set("input", &Members::default());
            }
            _ => {}
        }
        let index = self.next_index;
        self.next_index += 1;
        self.blocks.insert(at, Block::Shown { index, input });
        event.members.set("index", &index);
        event.members.set("content_block", &block);
        out.push(event);
        if let Some(text) = text {
            out.push(WebEvent::delta(
                index,
                &format!("{kind}_delta"),
                &kind,
                &text,
            ));
        }
        Ok(())
    }

    fn block_delta(&mut self, mut event: WebEvent, out: &mut Vec<WebEvent>) {
        let kind = event
            .members
            .object("delta")
            .and_then(|delta| delta.text("type"));
        let kind = kind.unwrap_or_default();
        let block = event.index().and_then(|at| self.blocks.get_mut(&at));
        let Some(Block::Shown { index, input }) = block else {
            return;
        };
        if WEB_ONLY_DELTAS.contains(&kind.as_str()) {
            return;
        }
        if kind == "input_json_delta" {
            *input = None;
        }
        event.members.set("index", index);
        out.push(event);
    }

    fn block_stop(&mut self, mut event: WebEvent, out: &mut Vec<WebEvent>) {
        let block = event.index().and_then(|at| self.blocks.remove(&at));
        let Some(Block::Shown { index, input }) = block else {
            return;
        };
        if let Some(input) = input {
            out.push(WebEvent::delta(
                index,
                "input_json_delta",
                "partial_json",
                &input,
            ));
        }
        event.members.set("index", &index);
        event.members.remove(WEB_ONLY_MEMBERS);
        out.push(event);
    }
}

/// The text that stood in a block's start, where the Messages API has an empty one.
fn take_text(block: &mut Members<'static>, name: &str) -> Option<String> {
    let text = block.text(name).filter(|text| !text.is_empty());
    block.set(name, &"");
    text
}
