//! Stop sequences, which this surface does not know: found in the text on its way to the client.
//!
//! The sequence that is complete first wins; of several that end at the same place the longest. The API's own rules are
//! the same for one sequence, and do not tell for several.
//!
//! Invariant: the result does not depend on how the text was cut into deltas; no more is held back than the longest end of
//! the text that could begin a sequence; what is held is sent before the block's stop. Sequences do not span blocks.

use std::collections::BTreeMap;

use troupe_wire::sse::EventKind;

use super::event::WebEvent;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct StopSequences {
    sequences: Vec<String>,
    /// Open text blocks by the client's index: what of their text is held back.
    held: BTreeMap<u64, String>,
}

// === impl StopSequences ===

impl StopSequences {
    pub(super) fn new(sequences: Vec<String>) -> Self {
        let held = BTreeMap::new();
        Self { sequences, held }
    }

    /// Passes the event on, or what may be sent of it. The sequence found ends the message: nothing may be pushed after.
    pub(super) fn push(&mut self, event: WebEvent, out: &mut Vec<WebEvent>) -> Option<String> {
        if self.sequences.is_empty() {
            out.push(event);
            return None;
        }
        let Some(index) = event.index() else {
            out.push(event);
            return None;
        };
        match event.kind {
            EventKind::ContentBlockStart => {
                let block = event.members.object("content_block");
                if block.and_then(|block| block.text("type")).as_deref() == Some("text") {
                    self.held.insert(index, String::new());
                }
            }
            EventKind::ContentBlockDelta => {
                if let Some(held) = self.held.get_mut(&index)
                    && let Some(text) = text_delta(&event)
                {
                    held.push_str(&text);
                    return self.search(index, out);
                }
            }
            EventKind::ContentBlockStop => self.flush(index, out),
            _ => {}
        }
        out.push(event);
        None
    }

    /// Sends what is held of the block: its text has ended.
    pub(super) fn flush(&mut self, index: u64, out: &mut Vec<WebEvent>) {
        if let Some(text) = self.held.remove(&index) {
            send(index, &text, out);
        }
    }

    fn search(&mut self, index: u64, out: &mut Vec<WebEvent>) -> Option<String> {
        let held = self.held.get_mut(&index)?;
        if let Some((start, found)) = find(held, &self.sequences) {
            let found = found.to_owned();
            send(index, held.get(..start).unwrap_or_default(), out);
            self.held.remove(&index);
            return Some(found);
        }
        let kept = self.sequences.iter().map(|sequence| begun(held, sequence));
        let keep_from = held.len() - kept.max().unwrap_or(0);
        let rest = held.split_off(keep_from);
        send(index, held, out);
        *held = rest;
        None
    }
}

fn text_delta(event: &WebEvent) -> Option<String> {
    let delta = event.members.object("delta")?;
    (delta.text("type")? == "text_delta").then(|| delta.text("text"))?
}

fn send(index: u64, text: &str, out: &mut Vec<WebEvent>) {
    if !text.is_empty() {
        out.push(WebEvent::delta(index, "text_delta", "text", text));
    }
}

/// Where the sequence that ends first begins; of those that end there the longest.
fn find<'a>(text: &str, sequences: &'a [String]) -> Option<(usize, &'a str)> {
    let found = sequences
        .iter()
        .filter_map(|sequence| Some((text.find(sequence.as_str())?, sequence.as_str())));
    found.min_by_key(|(start, sequence)| (start + sequence.len(), *start))
}

/// Bytes of the longest proper beginning of `sequence` with which `text` ends.
fn begun(text: &str, sequence: &str) -> usize {
    let mut ends = sequence.char_indices().map(|(at, _)| at).rev();
    ends.find(|at| text.ends_with(sequence.get(..*at).unwrap_or_default()))
        .unwrap_or(0)
}
