//! Tool results: read from the request that brings them, posted to the conversation that waits for them.
//!
//! Invariant: only a request whose last message answers exactly the calls that are open goes on with a conversation; any
//! other is replayed from its history. Text beside the results is not lost: it follows the last result.

use reqwest::Method;
use serde::Serialize;

use super::{
    WebLimits,
    ask::elements,
    conversation::Conversation,
    fault::WebFault,
    members::{Members, text_of},
    signal::Call,
};

/// One result, as it is posted.
#[derive(Debug, Serialize)]
pub(super) struct ToolResult {
    #[serde(rename = "type")]
    kind: &'static str,
    pub tool_use_id: String,
    content: Vec<Members<'static>>,
    is_error: bool,
}

/// The ids of the tool calls that the last message of a Messages request answers; empty when it answers none.
/// By these the paused conversation is found.
#[must_use]
pub fn answered_tools(body: &[u8]) -> Vec<String> {
    let fields = std::str::from_utf8(body).ok().and_then(Members::read);
    let messages = fields
        .as_ref()
        .and_then(|fields| fields.borrowed("messages"));
    let last = messages
        .and_then(elements)
        .and_then(|all| all.last().copied());
    let Some(last) = last.and_then(|last| Members::read(last.get())) else {
        return Vec::new();
    };
    let blocks = last
        .borrowed("content")
        .and_then(elements)
        .unwrap_or_default();
    let id = |block: &str| {
        let block = Members::read(block)?;
        (block.text("type")? == "tool_result").then(|| block.text("tool_use_id"))?
    };
    blocks.iter().filter_map(|block| id(block.get())).collect()
}

/// The results for exactly these calls, in their order; `None` when the message is not just that.
pub(super) fn results_for(last: &Members<'_>, calls: &[String]) -> Option<Vec<ToolResult>> {
    if last.text("role")? != "user" {
        return None;
    }
    let (mut found, mut beside) = (Vec::new(), Vec::new());
    for block in elements(last.raw("content")?.get())? {
        let block = Members::read(block.get())?;
        match block.text("type")?.as_str() {
            "tool_result" => found.push(read(&block)?),
            "text" => beside.push(plain(block)),
            _ => return None,
        }
    }
    let mut results = Vec::with_capacity(calls.len());
    for call in calls {
        let at = found
            .iter()
            .position(|result| result.tool_use_id == *call)?;
        results.push(found.swap_remove(at));
    }
    results.last_mut()?.content.extend(beside);
    found.is_empty().then_some(results)
}

fn read(block: &Members<'_>) -> Option<ToolResult> {
    let content = match block.raw("content").map(|content| content.get()) {
        None | Some("null") => Vec::new(),
        Some(raw) => match text_of(raw) {
            Some(text) => vec![text_block(&text)],
            None => blocks(raw)?,
        },
    };
    Some(ToolResult {
        kind: "tool_result",
        tool_use_id: block.text("tool_use_id")?,
        content,
        is_error: block.parse("is_error").unwrap_or(false),
    })
}

/// Text, and images given as base64; anything else goes the way of the replay, which says what it cannot do.
fn blocks(raw: &str) -> Option<Vec<Members<'static>>> {
    let mut blocks = Vec::new();
    for block in elements(raw)? {
        let block = Members::read(block.get())?;
        let is_sendable = match block.text("type")?.as_str() {
            "text" => true,
            "image" => block.object("source")?.text("type")? == "base64",
            _ => false,
        };
        if !is_sendable {
            return None;
        }
        blocks.push(plain(block));
    }
    Some(blocks)
}

fn plain(mut block: Members<'_>) -> Members<'static> {
    block.remove(&["cache_control"]);
    block.into_owned()
}

fn text_block(text: &str) -> Members<'static> {
    let mut block = Members::default();
    block.set("type", &"text");
    block.set("text", &text);
    block
}

/// Posts the results one after the other.
pub(super) async fn post(
    conversation: &Conversation,
    results: &[ToolResult],
    limits: &WebLimits,
) -> Result<(), WebFault> {
    for result in results {
        let request = conversation
            .request(Method::POST, "/tool_result")
            .json(result);
        let surface = conversation.surface();
        surface
            .tell(Call::ToolResult, request, limits.call())
            .await?;
    }
    Ok(())
}
