//! `POST …/completion`: reads what is asked and begins the stream.
//!
//! Invariant: a body that the surface does not describe is refused with the name of what is wrong;
//! members that it does not name are accepted.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use super::Refusal;
use super::organizations::Session;
use super::route::Route;
use super::stream::Live;
use super::turn::Turn;
use crate::clock;
use crate::message;
use crate::reply::Reply;
use crate::scenario::{Framing, Scenario};
use crate::state::State;

/// A body that passed the checks.
#[derive(Debug)]
pub(super) struct Ask {
    /// Empty when it is left to the service.
    pub(super) model: String,
    pub(super) prompt: String,
    pub(super) attachments: Vec<Attached>,
    pub(super) files: Vec<String>,
    pub(super) tools: Vec<Value>,
}

#[derive(Debug)]
pub(super) struct Attached {
    name: String,
    pub(super) content: String,
}

impl Ask {
    /// # Errors
    /// The message of a 400.
    pub(super) fn read(body: &Bytes) -> Result<Self, String> {
        let body: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let list = |name: &str| match body.get(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(list)) => Ok(list.clone()),
            Some(_) => Err(format!("{name}: Input should be a valid list")),
        };
        let attachments = list("attachments")?
            .iter()
            .map(Attached::read)
            .collect::<Result<Vec<_>, _>>()?;
        let files = list("files")?;
        let files = files.iter().map(|file| Ok(text(file, "files")?.to_owned()));
        let tools = list("tools")?;
        for tool in &tools {
            text(&tool["name"], "tools.name")?;
        }
        let prompt = text(&body["prompt"], "prompt")?.to_owned();
        if prompt.is_empty() && attachments.is_empty() {
            return Err("prompt: at least a prompt or an attachment is required".to_owned());
        }
        if text(&body["rendering_mode"], "rendering_mode")? != "messages" {
            return Err("rendering_mode: only messages is known".to_owned());
        }
        text(&body["timezone"], "timezone")?;
        let max_tokens = body.get("max_tokens_to_sample");
        if max_tokens.is_some_and(|max_tokens| max_tokens.as_u64().is_none_or(|max| max == 0)) {
            return Err("max_tokens_to_sample: must be greater than or equal to 1".to_owned());
        }
        Ok(Self {
            model: body["model"].as_str().unwrap_or_default().to_owned(),
            prompt,
            attachments,
            files: files.collect::<Result<_, String>>()?,
            tools,
        })
    }

    /// The beginnings of what was given, each of `chars` characters.
    pub(super) fn echo(&self, chars: usize) -> String {
        let begin = |text: &str| text.chars().take(chars).collect::<String>();
        let mut parts = Vec::new();
        if !self.prompt.is_empty() {
            parts.push(format!(
                "You said: \u{201c}{}\u{201d}.",
                begin(&self.prompt)
            ));
        }
        for attached in &self.attachments {
            let content = begin(&attached.content);
            parts.push(format!(
                "{} says: \u{201c}{content}\u{201d}.",
                attached.name
            ));
        }
        if !self.files.is_empty() {
            parts.push(format!("Files: {}.", self.files.len()));
        }
        parts.join(" ")
    }
}

impl Attached {
    fn read(value: &Value) -> Result<Self, String> {
        let content = text(&value["extracted_content"], "attachments.extracted_content")?;
        if value["file_size"].as_u64() != u64::try_from(content.len()).ok() {
            return Err("attachments.file_size: is not the content's length in bytes".to_owned());
        }
        text(&value["file_type"], "attachments.file_type")?;
        Ok(Self {
            name: text(&value["file_name"], "attachments.file_name")?.to_owned(),
            content: content.to_owned(),
        })
    }
}

fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str, String> {
    value
        .as_str()
        .ok_or_else(|| format!("{name}: Input should be a valid string"))
}

/// Begins the stream; its first segment is in the reply.
pub(super) fn start(
    state: &State,
    session: &Session,
    route: &Route<'_>,
    ask: Ask,
    scenario: &Scenario,
    serial: u64,
) -> Result<Reply, Refusal> {
    let organization = session.organization(route.organization)?;
    let id = route.conversation;
    let begun = state.web.begin(&organization.uuid, id, &ask.files);
    let (extended, news) = begun?;
    let now = clock::rfc3339(clock::unix_seconds(Duration::ZERO));
    let turn = Turn::new(scenario, ask, extended, serial, now);
    let mut live = Live::new(Arc::clone(&state.web), id, news, turn, scenario);
    let mut reply = Reply::whole(200, "text/event-stream; charset=utf-8", Bytes::new());
    let no_cache = ("cache-control".to_owned(), "no-cache".to_owned());
    reply.headers.push(no_cache);
    reply.pieces = live.segment(Vec::new());
    reply.repeated = scenario
        .endless
        .then(|| message::endless_delta(super::events::END));
    reply.framing = Framing::Chunked;
    reply.live = Some(Box::new(live));
    Ok(reply)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn refusals() {
        let good = json!({"prompt": "p", "rendering_mode": "messages", "timezone": "UTC"});
        let read = |name: &str, value: Value| {
            let mut body = good.clone();
            body[name] = value;
            Ask::read(&Bytes::from(body.to_string())).map(|ask| ask.echo(1))
        };
        assert_eq!(read("x", json!(1)).unwrap(), "You said: \u{201c}p\u{201d}.");
        let attached = |size: usize| {
            json!([{"extracted_content": "ö", "file_name": "a.txt", "file_type": "txt",
                "file_size": size}])
        };
        let echo = read("attachments", attached(2)).unwrap();
        assert!(echo.ends_with("a.txt says: \u{201c}ö\u{201d}."), "{echo}");
        for (name, value) in [
            ("prompt", json!("")),
            ("prompt", json!(null)),
            ("rendering_mode", json!("raw")),
            ("timezone", json!(null)),
            ("files", json!([1])),
            ("files", json!("f")),
            ("tools", json!([{}])),
            ("attachments", attached(1)),
            ("max_tokens_to_sample", json!(0)),
            ("max_tokens_to_sample", json!("5")),
        ] {
            assert!(read(name, value.clone()).is_err(), "{name}: {value}");
        }
    }
}
