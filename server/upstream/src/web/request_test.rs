//! Request tests: what clients send only to see whether anybody answers.
//!
//! Recognised strictly: one user message whose whole text is one of the words below, `max_tokens` 1, and no system, tools
//! or thinking. They are answered here, without a conversation that would have to be made and deleted; the message's id
//! says so (`msg_troupe_test_…`), and so does the answer's flag. The account is not asked: its state is for its probe.
//!
//! Invariant: a request that could want a model's words is never answered here.

use uuid::Uuid;

use super::{
    ask::{Ask, elements},
    event::WebEvent,
    members::{Members, text_of},
};
use troupe_wire::sse::EventKind;

/// Seen from clients; compared without case and surrounding white space.
const WORDS: [&str; 7] = ["test", "hi", "hello", "ping", "quota", "foo", "."];

const ANSWER: &str = "OK";

pub(super) fn is_test(ask: &Ask<'_>) -> bool {
    let [message] = &ask.messages[..] else {
        return false;
    };
    let is_bare =
        ask.system.is_none() && ask.tools.is_empty() && !ask.thinking && ask.max_tokens == 1;
    if !is_bare || message.text("role").as_deref() != Some("user") {
        return false;
    }
    let content = message
        .raw("content")
        .map_or("null", |content| content.get());
    whole_text(content).is_some_and(|text| {
        let text = text.trim();
        WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
    })
}

/// The text of a string or of a single text block.
fn whole_text(content: &str) -> Option<String> {
    if let Some(text) = text_of(content) {
        return Some(text);
    }
    let [block] = elements(content)?[..] else {
        return None;
    };
    let block = Members::read(block.get())?;
    (block.text("type")? == "text").then(|| block.text("text"))?
}

/// The events of the answer, as the surface would send them.
pub(super) fn events() -> Vec<WebEvent> {
    let mut message = Members::default();
    message.set(
        "id",
        &format!("msg_troupe_test_{}", Uuid::new_v4().simple()),
    );
    let mut start = WebEvent::new(EventKind::MessageStart, "message_start");
    start.members.set("message", &message);
    let mut block = Members::default();
    block.set("type", &"text");
    block.set("text", &"");
    let mut block_start =
        WebEvent::of_block(EventKind::ContentBlockStart, "content_block_start", 0);
    block_start.members.set("content_block", &block);
    vec![
        start,
        block_start,
        WebEvent::delta(0, "text_delta", "text", ANSWER),
        WebEvent::of_block(EventKind::ContentBlockStop, "content_block_stop", 0),
        WebEvent::new(EventKind::MessageStop, "message_stop"),
    ]
}
