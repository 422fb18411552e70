//! Token counting: the surface tells no usage, so it is estimated, by the rule of [`troupe_wire::estimate`].
//!
//! Invariant: counted is what the client gets; a usage that the upstream does tell is kept.

use serde::Serialize;
use troupe_wire::{estimate::text_tokens, sse::EventKind};

use super::{event::WebEvent, members::Members};

/// The usage of one message.
#[derive(Debug)]
pub(super) struct TokenCount {
    input_tokens: u64,
    output_chars: u64,
}

#[derive(Serialize)]
struct Usage {
    input_tokens: u64,
    cache_creation_input_tokens: u64,
    cache_read_input_tokens: u64,
    output_tokens: u64,
}

// === impl TokenCount ===

impl TokenCount {
    pub(super) fn new(input_tokens: u64) -> Self {
        let output_chars = 0;
        Self {
            input_tokens,
            output_chars,
        }
    }

    /// Counts the event or fills in its usage.
    pub(super) fn push(&mut self, event: &mut WebEvent) {
        match event.kind {
            EventKind::MessageStart => {
                let message = event.members.object("message").map(Members::into_owned);
                let mut message = message.unwrap_or_default();
                if !message.has("usage") {
                    message.set("usage", &self.usage(1));
                    event.members.set("message", &message);
                }
            }
            EventKind::ContentBlockDelta => {
                let delta = event.members.object("delta").unwrap_or_default();
                let texts = ["text", "thinking", "partial_json"];
                let chars =
                    texts.map(|name| delta.text(name).map_or(0, |text| text.chars().count()));
                self.output_chars += chars.iter().sum::<usize>() as u64;
            }
            EventKind::MessageDelta if !event.members.has("usage") => {
                let usage = self.usage(text_tokens(self.output_chars).max(1));
                event.members.set("usage", &usage);
            }
            _ => {}
        }
    }

    fn usage(&self, output_tokens: u64) -> Usage {
        Usage {
            input_tokens: self.input_tokens,
            cache_creation_input_tokens: 0,
            cache_read_input_tokens: 0,
            output_tokens,
        }
    }
}
