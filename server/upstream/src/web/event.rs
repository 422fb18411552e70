//! Reads the surface's event stream (CRLF framing, Messages-like) and writes the client's (LF framing).
//!
//! Invariant: an event is handed on whole or not at all, however the bytes were cut; of what is not understood the bytes
//! of its values are kept.

use bytes::{BufMut, Bytes, BytesMut};
use troupe_wire::sse::{Event, EventKind, Splitter};

use super::{fault::WebFault, members::Members};

/// One event, on its way from the surface to the client.
#[derive(Clone, Debug)]
pub(super) struct WebEvent {
    pub kind: EventKind,
    pub members: Members<'static>,
}

/// Cuts and parses; one for each completion.
#[derive(Debug, Default)]
pub(super) struct EventReader {
    splitter: Splitter,
}

// === impl EventReader ===

impl EventReader {
    /// The events that `chunk` finishes, up to the first that cannot be read.
    pub(super) fn push(&mut self, chunk: Bytes) -> (Vec<WebEvent>, Option<WebFault>) {
        let (mut events, mut broken) = (Vec::new(), None);
        self.splitter.push(chunk, &mut |event| {
            if broken.is_some() {
                return;
            }
            match WebEvent::read(&event) {
                Ok(event) => events.extend(event),
                Err(fault) => broken = Some(fault),
            }
        });
        (events, broken)
    }
}

// === impl WebEvent ===

impl WebEvent {
    /// An event of our own.
    pub(super) fn new(kind: EventKind, name: &str) -> Self {
        let mut members = Members::default();
        members.set("type", &name);
        Self { kind, members }
    }

    pub(super) fn of_block(kind: EventKind, name: &str, index: u64) -> Self {
        let mut event = Self::new(kind, name);
        event.members.set("index", &index);
        event
    }

    pub(super) fn delta(index: u64, kind: &str, member: &str, text: &str) -> Self {
        let mut delta = Members::default();
        delta.set("type", &kind);
        delta.set(member, &text);
        let mut event = Self::of_block(EventKind::ContentBlockDelta, "content_block_delta", index);
        event.members.set("delta", &delta);
        event
    }

    pub(super) fn index(&self) -> Option<u64> {
        self.members.parse("index")
    }

    /// What the event calls itself.
    pub(super) fn name(&self) -> String {
        self.members.text("type").unwrap_or_default()
    }

    /// An event of a known type has to be readable; others that hold no object are not for clients.
    fn read(event: &Event<'_>) -> Result<Option<Self>, WebFault> {
        let text = event
            .data
            .as_deref()
            .and_then(|data| std::str::from_utf8(data).ok());
        let Some(members) = text.and_then(Members::read) else {
            return match event.kind {
                EventKind::Ping => Ok(Some(Self::new(EventKind::Ping, "ping"))),
                EventKind::MessageStop if event.data.is_none() && !event.raw.is_empty() => {
                    Ok(Some(Self::new(EventKind::MessageStop, "message_stop")))
                }
                EventKind::Other if !event.raw.is_empty() => Ok(None),
                _ => Err(WebFault::platform(
                    "the upstream sent an event that cannot be read",
                )),
            };
        };
        let mut members = members.into_owned();
        if let Some(name) = name_of(event.kind) {
            members.set("type", &name);
        }
        let kind = event.kind;
        Ok(Some(Self { kind, members }))
    }

    /// `event: <type>`, `data: <JSON on one line>`, an empty line.
    pub(super) fn write(&self, into: &mut BytesMut) {
        let name = self.name();
        // A name with a line end would be two lines; such an event has no name but its type.
        if !name.is_empty() && !name.contains(['\n', '\r']) {
            into.put_slice(b"event: ");
            into.put_slice(name.as_bytes());
            into.put_u8(b'\n');
        }
        into.put_slice(b"data: ");
        let start = into.len();
        // Members always serialize: their names are strings.
        let _written = serde_json::to_writer((&mut *into).writer(), &self.members);
        for byte in into.iter_mut().skip(start) {
            // Within JSON a raw line end is white space between tokens.
            if matches!(byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
        into.put_slice(b"\n\n");
    }
}

/// As one piece of whole events.
pub(super) fn write_all(events: &[WebEvent]) -> Bytes {
    let mut bytes = BytesMut::new();
    for event in events {
        event.write(&mut bytes);
    }
    bytes.freeze()
}

fn name_of(kind: EventKind) -> Option<&'static str> {
    Some(match kind {
        EventKind::MessageStart => "message_start",
        EventKind::ContentBlockStart => "content_block_start",
        EventKind::ContentBlockDelta => "content_block_delta",
        EventKind::ContentBlockStop => "content_block_stop",
        EventKind::MessageDelta => "message_delta",
        EventKind::MessageStop => "message_stop",
        EventKind::Ping => "ping",
        EventKind::Error => "error",
        EventKind::Other => return None,
    })
}
