//! Reads one whole event of a stream.
//!
//! Invariant: the data is borrowed from the stream, and a delta costs no allocation and no parse
//! as long as it is written as the service writes it.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::Text;
use crate::json;

/// What an event is, by its `event:` line or else by the `type` of its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    MessageStart,
    ContentBlockStart,
    ContentBlockDelta,
    ContentBlockStop,
    MessageDelta,
    MessageStop,
    Ping,
    Error,
    /// A type that is not known here; it is relayed like any other.
    Other,
}

/// One finished event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event<'a> {
    pub kind: EventKind,
    /// The `data:` lines, joined by LF when there are several; `None` when there are none and for
    /// an event that was too long to be held.
    pub data: Option<Cow<'a, [u8]>>,
    /// Characters of text, thinking and tool input in a delta; for a delta that was too long to be
    /// held its bytes. 0 for other events.
    pub text_chars: u64,
    /// The event's bytes, line ends and comments included; empty when too long to be held.
    pub raw: &'a [u8],
    /// Offset in the stream just after the event's empty line.
    pub end_offset: u64,
}

impl EventKind {
    fn from_name(name: &[u8]) -> Self {
        match name {
            b"content_block_delta" => Self::ContentBlockDelta,
            b"content_block_start" => Self::ContentBlockStart,
            b"content_block_stop" => Self::ContentBlockStop,
            b"message_start" => Self::MessageStart,
            b"message_delta" => Self::MessageDelta,
            b"message_stop" => Self::MessageStop,
            b"ping" => Self::Ping,
            b"error" => Self::Error,
            _ => Self::Other,
        }
    }
}

/// Reads a block of lines up to and including its empty line; `None` when it holds neither an event
/// name nor data (comments, stray empty lines). `is_first` allows for a byte order mark.
pub(super) fn read(block: &[u8], is_first: bool, end_offset: u64) -> Option<Event<'_>> {
    let lines = if is_first {
        block.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(block)
    } else {
        block
    };
    let mut name = None;
    let mut data: Option<Cow<'_, [u8]>> = None;
    for line in Split(lines) {
        if let Some(value) = field(line, b"data") {
            match &mut data {
                None => data = Some(Cow::Borrowed(value)),
                Some(joined) => {
                    let joined = joined.to_mut();
                    joined.push(b'\n');
                    joined.extend_from_slice(value);
                }
            }
        } else if let Some(value) = field(line, b"event") {
            name = Some(value);
        }
    }
    let kind = match (name, &data) {
        (Some(name), _) if !name.is_empty() => EventKind::from_name(name),
        (_, Some(data)) => kind_of_data(data),
        (Some(_), None) => EventKind::Other,
        (None, None) => return None,
    };
    let text_chars = match (kind, &data) {
        (EventKind::ContentBlockDelta, Some(data)) => count_delta(data),
        _ => 0,
    };
    Some(Event {
        kind,
        data,
        text_chars,
        raw: block,
        end_offset,
    })
}

/// The kind of an event of which only the start is at hand.
pub(super) fn kind_of_start(start: &[u8]) -> EventKind {
    let mut kind = EventKind::Other;
    for line in Split(start) {
        if let Some(name) = field(line, b"event") {
            return EventKind::from_name(name);
        }
        if let Some(data) = field(line, b"data") {
            kind = fast_type(data).unwrap_or(EventKind::Other);
        }
    }
    kind
}

/// The lines of a block, without their ends.
struct Split<'a>(&'a [u8]);

impl<'a> Iterator for Split<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.0.is_empty() {
            return None;
        }
        let Some(end) = memchr::memchr2(b'\n', b'\r', self.0) else {
            return Some(std::mem::take(&mut self.0));
        };
        let line = &self.0[..end];
        let width = if self.0[end..].starts_with(b"\r\n") {
            2
        } else {
            1
        };
        self.0 = &self.0[end + width..];
        Some(line)
    }
}

/// The value of a line when its field is `name`; a line without a colon is a field without value.
fn field<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let rest = line.strip_prefix(name)?;
    match rest.split_first() {
        None => Some(rest),
        Some((b':', value)) => Some(value.strip_prefix(b" ").unwrap_or(value)),
        Some(_) => None,
    }
}

#[derive(Deserialize)]
struct Typed {
    #[serde(rename = "type", default)]
    kind: Text,
}

fn kind_of_data(data: &[u8]) -> EventKind {
    fast_type(data).unwrap_or_else(|| {
        let typed = serde_json::from_slice::<Typed>(data).ok();
        typed
            .and_then(|typed| typed.kind.0)
            .map_or(EventKind::Other, |name| {
                EventKind::from_name(name.as_bytes())
            })
    })
}

/// The kind by data that starts with its `type`; `None` when it is written another way.
fn fast_type(data: &[u8]) -> Option<EventKind> {
    let rest = literal(data, b"{\"type\":\"").or_else(|| literal(data, b"{\"type\": \""))?;
    let name = &rest[..memchr::memchr(b'"', rest)?];
    if memchr::memchr(b'\\', name).is_some() {
        return None;
    }
    Some(EventKind::from_name(name))
}

fn literal<'a>(text: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    text.strip_prefix(prefix)
}

/// Characters of the text that a delta carries.
fn count_delta(data: &[u8]) -> u64 {
    fast_count(data).unwrap_or_else(|| slow_count(data).unwrap_or(0))
}

/// Counts in the one order in which the service writes a delta; `None` when it is written another
/// way.
fn fast_count(data: &[u8]) -> Option<u64> {
    let rest = literal(data, b"{\"type\":\"content_block_delta\",\"index\":")?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let rest = literal(&rest[digits..], b",\"delta\":{\"type\":\"")?;
    let text = literal(rest, b"text_delta\",\"text\":\"")
        .or_else(|| literal(rest, b"input_json_delta\",\"partial_json\":\""))
        .or_else(|| literal(rest, b"thinking_delta\",\"thinking\":\""))?;
    let open = data.len() - text.len() - 1;
    let (chars, end) = json::count_chars(data, open);
    // Another member after the text could repeat it; leave that to the parser.
    data[end..].starts_with(b"}").then_some(chars)
}

fn slow_count(data: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Outer<'a> {
        #[serde(borrow)]
        delta: &'a RawValue,
    }
    let outer: Outer<'_> = serde_json::from_slice(data).ok()?;
    let mut chars = 0;
    json::members(outer.delta.get(), |key, raw| {
        let is_text = matches!(
            json::unescape(key).as_deref(),
            Some("text" | "partial_json" | "thinking")
        );
        if is_text && raw.starts_with('"') {
            chars += json::count_chars(raw.as_bytes(), 0).0;
        }
    });
    Some(chars)
}
