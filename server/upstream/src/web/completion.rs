//! Completion: the call that streams the answer.
//!
//! Invariant: tool definitions go up byte for byte; what comes back is a stream of events or a fault.

use reqwest::{
    Method, Response,
    header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue},
};
use serde::Serialize;
use tokio::time::Instant;

use super::{
    conversation::Conversation, fault::WebFault, members::Members, prompt::Attachment, signal::Call,
};

const EVENT_STREAM: &str = "text/event-stream";

/// The body of the call.
#[derive(Debug, Serialize)]
pub(super) struct Completion<'a> {
    pub max_tokens_to_sample: u64,
    pub attachments: Vec<Attachment>,
    /// Ids of uploads.
    pub files: Vec<String>,
    pub model: &'a str,
    pub rendering_mode: &'static str,
    pub prompt: String,
    pub timezone: &'static str,
    pub tools: Vec<Members<'a>>,
}

/// The answer's head; its events are still to be read.
pub(super) async fn start(
    conversation: &Conversation,
    completion: &Completion<'_>,
    deadline: Instant,
) -> Result<Response, WebFault> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static(EVENT_STREAM));
    let request = conversation
        .request(Method::POST, "/completion")
        .headers(headers)
        .json(completion);
    let surface = conversation.surface();
    let answer = surface.send(Call::Completion, request, deadline).await?;
    let kind = answer
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    if kind.is_some_and(|kind| {
        kind.trim_start()
            .to_ascii_lowercase()
            .starts_with(EVENT_STREAM)
    }) {
        return Ok(answer);
    }
    let other = WebFault::platform(
        "the web surface answered the completion with something else than events",
    );
    Err(other.of_answer())
}
