//! What the mock shall answer, as data.
//!
//! Invariant: every field is optional in JSON and its default is the ordinary behaviour of the
//! service; unknown fields are refused, so that a misspelt scenario does not pass for a good one.

mod presets;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::web::WebScenario;

/// One answer. In JSON form also behind `x-mock-scenario`, `[[mock:…]]` and `/__mock/script`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scenario {
    /// Shown in the journal; as JSON it also names the preset that the other fields refine.
    pub name: Option<String>,
    /// For scripted answers: the path that consumes it; by default `/v1/messages`.
    pub path: Option<String>,
    /// 200 by default; any other status answers with the error envelope of that status.
    pub status: Option<u16>,
    /// Sent besides the usual ones; replaces those of the same name.
    pub headers: Vec<(String, String)>,
    /// Names of usual headers that are left out.
    pub without_headers: Vec<String>,
    /// The body to send instead of the made-up one.
    pub body: Option<String>,
    /// The whole response, status line included, written as it is before the connection closes.
    pub raw: Option<String>,
    /// Message of the error envelope.
    pub message: Option<String>,
    /// `error.details.error_code` of the error envelope.
    pub error_code: Option<String>,
    /// Answer after the request's head, without reading its body; only for scripted answers.
    pub before_body: bool,
    /// Before the response's head.
    pub first_byte_delay_ms: u64,
    /// Between the head and the first event.
    pub first_event_delay_ms: u64,
    /// Between any two events.
    pub event_delay_ms: u64,
    /// Pings after the first `content_block_start`; 1 by default.
    pub pings: Option<usize>,
    /// Pings before `message_start`.
    pub leading_pings: usize,
    /// What the answer consists of; by default what the request asks for.
    pub events: Option<Events>,
    pub line_end: LineEnd,
    /// Short for `"line_end": "crlf"`.
    pub crlf: bool,
    pub split: Split,
    /// Sends `event: error` after so many events and ends the stream there.
    pub error: Option<MidError>,
    /// Ends the body properly, but early.
    pub end_after_events: Option<usize>,
    /// Closes the connection without ending the body: after so many events and half of the next.
    pub truncate_after_events: Option<usize>,
    /// The same after so many bytes of the body.
    pub truncate_after_bytes: Option<usize>,
    /// Resets the connection (RST) after so many events.
    pub reset_after_events: Option<usize>,
    /// Resets the connection instead of answering.
    pub reset_before_head: bool,
    /// Closes the connection instead of answering.
    pub close_before_head: bool,
    /// Falls silent after so many events and holds the connection until the client leaves.
    pub stall_after_events: Option<usize>,
    /// Never answers at all; holds the connection until the client leaves.
    pub stall_before_head: bool,
    /// Repeats a delta for ever, every `event_delay_ms` (20 when 0).
    pub endless: bool,
    pub framing: Framing,
    /// Closes the connection after the answer.
    pub close: bool,
    /// For the token endpoint: whether the request takes effect (tokens are spent and given out)
    /// although something else is answered; by default only where nothing else is.
    pub takes_effect: Option<bool>,
    /// Text of the answer.
    pub text: Option<String>,
    /// Length of a made-up text.
    pub text_bytes: Option<usize>,
    /// Number of text deltas; one per word by default.
    pub count: Option<usize>,
    /// Answers a `stream: true` request with JSON.
    pub json: bool,
    /// Members that replace those of the made-up `usage`.
    pub usage: Option<serde_json::Map<String, Value>>,
    pub stop_reason: Option<String>,
    /// What only the web-session surface reads, see `web.rs`; a scripted answer with it is consumed
    /// there.
    pub web: Option<WebScenario>,
}

/// What a message consists of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Events {
    Text,
    ToolUse,
    ParallelTools,
    /// Thinking with a signature, then text.
    Thinking,
    /// Text among events, deltas and framing that no client knows yet, lone surrogates included.
    Unknown,
    /// Thinking, text and two tools.
    Everything,
    /// These events, verbatim; each with its empty line.
    Raw(Vec<String>),
}

/// How lines of an event stream end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineEnd {
    #[default]
    Lf,
    Crlf,
    Cr,
}

/// How the body is cut into writes (and chunks): `"none"`, `"whole"`, `"every_byte"` or a number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "SplitForm", into = "SplitForm")]
pub enum Split {
    /// One write per event.
    #[default]
    None,
    /// All events in one write.
    Whole,
    /// Pieces of so many bytes, regardless of events.
    Bytes(usize),
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum SplitForm {
    Bytes(usize),
    Name(SplitName),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SplitName {
    None,
    Whole,
    EveryByte,
}

impl From<SplitForm> for Split {
    fn from(form: SplitForm) -> Self {
        match form {
            SplitForm::Bytes(size) => Self::Bytes(size.max(1)),
            SplitForm::Name(SplitName::None) => Self::None,
            SplitForm::Name(SplitName::Whole) => Self::Whole,
            SplitForm::Name(SplitName::EveryByte) => Self::Bytes(1),
        }
    }
}

impl From<Split> for SplitForm {
    fn from(split: Split) -> Self {
        match split {
            Split::None => Self::Name(SplitName::None),
            Split::Whole => Self::Name(SplitName::Whole),
            Split::Bytes(size) => Self::Bytes(size),
        }
    }
}

/// An error in the middle of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MidError {
    #[serde(default)]
    pub after_events: usize,
    #[serde(rename = "type", default = "overloaded")]
    pub kind: String,
    #[serde(default = "overloaded_message")]
    pub message: String,
}

fn overloaded() -> String {
    "overloaded_error".to_owned()
}

fn overloaded_message() -> String {
    "Overloaded".to_owned()
}

/// How the end of the body is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Framing {
    /// Chunked for streams, a length for the rest.
    #[default]
    Auto,
    Chunked,
    ContentLength,
    /// By the end of the connection.
    Close,
}

impl Scenario {
    /// The scenario of that name; `None` when there is none. See `presets.rs`; besides them
    /// `status_NNN` for every status.
    pub fn named(name: &str) -> Option<Self> {
        presets::find(name)
    }

    /// A status with its error envelope.
    pub fn status(status: u16) -> Self {
        Self {
            status: Some(status),
            ..Self::default()
        }
    }

    /// A text answer of these words.
    pub fn text(text: &str) -> Self {
        Self {
            text: Some(text.to_owned()),
            ..Self::default()
        }
    }

    /// These events, verbatim.
    pub fn raw_events<T: Into<String>>(events: impl IntoIterator<Item = T>) -> Self {
        let events = events.into_iter().map(Into::into).collect();
        Self {
            events: Some(Events::Raw(events)),
            ..Self::default()
        }
    }

    /// Reads a name or a JSON object. In an object a `name` that is a preset's is the base that
    /// the other members refine, `usage` and `web` member by member.
    ///
    /// # Errors
    /// A text that names what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if !text.starts_with('{') {
            return Self::named(text).ok_or_else(|| format!("no scenario is named {text:?}"));
        }
        let members: serde_json::Map<_, _> =
            serde_json::from_str(text).map_err(|error| format!("scenario: {error}"))?;
        Self::from_members(members)
    }

    pub(crate) fn from_members(members: serde_json::Map<String, Value>) -> Result<Self, String> {
        let base = members
            .get("name")
            .and_then(|name| Self::named(name.as_str()?));
        let base = serde_json::to_value(base.unwrap_or_default());
        let mut merged = base.map_err(|error| error.to_string())?;
        for (name, value) in members {
            match (&mut merged[&name], value) {
                (Value::Object(base), Value::Object(more)) => base.extend(more),
                (place, value) => *place = value,
            }
        }
        serde_json::from_value(merged).map_err(|error| format!("scenario: {error}"))
    }

    pub(crate) fn line_ending(&self) -> &'static str {
        match self.line_end {
            LineEnd::Lf if !self.crlf => "\n",
            LineEnd::Lf | LineEnd::Crlf => "\r\n",
            LineEnd::Cr => "\r",
        }
    }
}
