//! The Messages request, read once: named fields, and the names of those that have no effect here.
//!
//! | field | on this surface |
//! |---|---|
//! | `model`, `messages`, `system`, `max_tokens`, `stop_sequences`, `stream`, `thinking`, `tools` | served |
//! | `thinking` on a plan without it | left out; no thinking blocks come |
//! | `tool_choice` | `auto` and `none` served; one that forces a call is a 400, its `disable_parallel_tool_use` has no effect |
//! | tools that the API defines (a `type` other than `custom`) | 400 |
//! | `container`, `mcp_servers`, `output_format`, `output_config.format` | 400 |
//! | `temperature`, `top_p`, `top_k`, `metadata`, `cache_control` and whatever else is unknown | no effect, named in the answer |
//!
//! `max_tokens` is passed on as the surface's own bound and enforced by it alone.
//!
//! Invariant: a field without effect is named, not silently dropped; what would change the answer's meaning is refused.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{fault::WebFault, members::Members};

/// More or longer stop sequences are refused: each is searched in every piece of text.
const STOP_SEQUENCES_MAX: usize = 64;
const STOP_SEQUENCE_MAX_BYTES: usize = 1024;

/// So many names without effect are told.
const IGNORED_MAX: usize = 32;
/// A longer one is not that of a field.
const IGNORED_MAX_BYTES: usize = 64;

const SERVED: [&str; 9] = [
    "model",
    "messages",
    "system",
    "max_tokens",
    "stop_sequences",
    "stream",
    "thinking",
    "tools",
    "tool_choice",
];
const REFUSED: [&str; 3] = ["container", "mcp_servers", "output_format"];

/// What was asked.
#[derive(Debug)]
pub(super) struct Ask<'a> {
    /// The JSON of a string or of an array of text blocks.
    pub system: Option<&'a str>,
    pub messages: Vec<Members<'a>>,
    pub max_tokens: u64,
    pub stop_sequences: Vec<String>,
    pub thinking: bool,
    /// Definitions as they came, without their cache marks.
    pub tools: Vec<Members<'a>>,
    /// Names of fields that have no effect.
    pub ignored: Vec<String>,
}

// === impl Ask ===

impl<'a> Ask<'a> {
    pub(super) fn read(body: &'a [u8]) -> Result<Self, WebFault> {
        let text = std::str::from_utf8(body)
            .map_err(|_| WebFault::request("the body is not valid UTF-8"))?;
        let fields: Members<'a> = serde_json::from_str(text)
            .map_err(|err| WebFault::request(format!("the body is not a JSON object: {err}")))?;
        for name in REFUSED {
            // An empty list asks for nothing.
            if fields.has(name) && fields.raw(name).is_some_and(|value| value.get() != "[]") {
                return Err(cannot(name));
            }
        }
        if fields
            .object("output_config")
            .is_some_and(|config| config.has("format"))
        {
            return Err(cannot("output_config.format"));
        }
        let messages: Vec<Members<'a>> = list(&fields, "messages")?;
        if messages.is_empty() {
            return Err(WebFault::request(
                "messages: at least one message is required",
            ));
        }
        let max_tokens = fields.parse("max_tokens").filter(|tokens| *tokens > 0);
        let ignored = fields
            .names()
            .filter(|name| !SERVED.contains(name))
            .map(tellable);
        Ok(Self {
            system: fields.borrowed("system").filter(|raw| *raw != "null"),
            messages,
            max_tokens: max_tokens
                .ok_or_else(|| WebFault::request("max_tokens: a positive integer is required"))?,
            stop_sequences: stop_sequences(&fields)?,
            thinking: thinking(&fields)?,
            tools: tools(&fields)?,
            ignored: ignored.take(IGNORED_MAX).collect(),
        })
    }
}

/// A name as a header can carry it.
fn tellable(name: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b',';
    let plain = (1..=IGNORED_MAX_BYTES).contains(&name.len()) && name.bytes().all(is_plain);
    if plain { name } else { "(another)" }.to_owned()
}

/// The refusal of something that this surface has no means for.
pub(super) fn cannot(what: &str) -> WebFault {
    WebFault::request(format!("{what}: not supported by a web session account"))
}

fn list<'a, T: Deserialize<'a>>(fields: &Members<'a>, name: &str) -> Result<Vec<T>, WebFault> {
    match fields.borrowed(name) {
        None | Some("null") => Ok(Vec::new()),
        Some(raw) => {
            serde_json::from_str(raw).map_err(|err| WebFault::request(format!("{name}: {err}")))
        }
    }
}

fn stop_sequences(fields: &Members<'_>) -> Result<Vec<String>, WebFault> {
    let sequences: Vec<String> = list(fields, "stop_sequences")?;
    let is_usable = |text: &String| (1..=STOP_SEQUENCE_MAX_BYTES).contains(&text.len());
    if sequences.len() > STOP_SEQUENCES_MAX || !sequences.iter().all(is_usable) {
        return Err(WebFault::request(format!(
            "stop_sequences: a web session account takes at most {STOP_SEQUENCES_MAX}, \
             each of 1 to {STOP_SEQUENCE_MAX_BYTES} bytes"
        )));
    }
    Ok(sequences)
}

/// Any type but `disabled` asks for it: new ones are kinds of thinking.
fn thinking(fields: &Members<'_>) -> Result<bool, WebFault> {
    if !fields.has("thinking") {
        return Ok(false);
    }
    let kind = fields
        .object("thinking")
        .and_then(|thinking| thinking.text("type"));
    let kind = kind.ok_or_else(|| WebFault::request("thinking.type: field required"))?;
    Ok(kind != "disabled")
}

fn tools<'a>(fields: &Members<'a>) -> Result<Vec<Members<'a>>, WebFault> {
    let choice = fields
        .object("tool_choice")
        .and_then(|choice| choice.text("type"));
    match choice.as_deref() {
        _ if !fields.has("tool_choice") => {}
        Some("auto") => {}
        Some("none") => return Ok(Vec::new()),
        Some(kind) => return Err(cannot(&format!("tool_choice.type {kind:?}"))),
        None => return Err(WebFault::request("tool_choice.type: field required")),
    }
    let mut tools: Vec<Members<'a>> = list(fields, "tools")?;
    for (at, tool) in tools.iter_mut().enumerate() {
        if let Some(kind) = tool.text("type").filter(|kind| kind != "custom") {
            return Err(cannot(&format!("tools.{at}: type {kind:?}")));
        }
        tool.remove(&["cache_control"]);
    }
    Ok(tools)
}

/// The elements of a JSON array as they stand; `None` when it is not one.
pub(super) fn elements(raw: &str) -> Option<Vec<&RawValue>> {
    serde_json::from_str(raw).ok()
}
