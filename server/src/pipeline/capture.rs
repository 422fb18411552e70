//! Takes a copy of what a request asks and of what its client gets, where its bodies are kept: an observer beside the
//! request and the stream, decided once at its start.
//!
//! Invariant: nothing is changed and nothing waits; where bodies are not kept there is no capture, and each place that
//! would tell it something is one branch. What is held is counted in the process's [`Room`](crate::bodies::Room): where
//! there is no more of it, this request's bodies are let go and counted.

use std::sync::Arc;

use actix_web::http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName};
use bytes::Bytes;
use troupe_core::key::KeyRecord;
use troupe_core::record::{Outcome, RequestRecord};

use crate::bodies::{BodySettings, Held, Part, Taken, Why};
use crate::plan::Plan;
use crate::worker::Worker;

/// A body as small as this is copied, so that it holds no larger buffer that it is a part of.
const COPIED: usize = 16 * 1024;
/// First allocation for an answer.
const FIRST_BYTES: usize = 4 * 1024;
/// Values of headers are no longer.
const HEADER_CHARS: usize = 256;
const HEADERS: usize = 16;

/// See the module.
#[derive(Debug)]
pub struct Capture {
    settings: Arc<BodySettings>,
    why: Why,
    request: Option<Part>,
    request_headers: Vec<(String, String)>,
    response: Part,
    /// Of the answer, so far.
    copied: Vec<u8>,
    held: Held,
    /// There was no room.
    lost: bool,
}

impl Capture {
    /// Begins where the policy or the key says so.
    #[must_use]
    pub fn begin(
        worker: &Worker,
        plan: &Plan,
        record: &RequestRecord,
        key: &KeyRecord,
        headers: &HeaderMap,
    ) -> Option<Box<Self>> {
        let settings = &plan.bodies;
        let until = key.capture_until_ms.filter(|_| settings.is_on);
        let why = match until {
            Some(until_ms) if until_ms > record.at_ms => Some(Why::Key),
            _ => settings.chosen(record.id),
        }?;
        Some(Box::new(Self {
            settings: Arc::clone(settings),
            why,
            request: None,
            request_headers: allowed(headers),
            response: Part::default(),
            copied: Vec::new(),
            held: worker.gateway.bodies.room.hold(),
            lost: false,
        }))
    }

    /// The request's whole body.
    pub fn request(&mut self, headers: &HeaderMap, body: &Bytes) {
        let most = self.settings.capture_bytes();
        let kept = body.len().min(most);
        if self.lost || !self.held.grow(kept) {
            return self.lose();
        }
        let bytes = match kept < body.len() || kept <= COPIED {
            true => Bytes::copy_from_slice(&body[..kept]),
            false => body.clone(),
        };
        self.request = Some(Part {
            bytes,
            length_bytes: body.len() as u64,
            content_type: text(headers, &CONTENT_TYPE),
            encoding: encoding(headers),
        });
    }

    /// The head of the answer.
    pub fn head(&mut self, headers: &HeaderMap) {
        self.response.content_type = text(headers, &CONTENT_TYPE);
        self.response.encoding = encoding(headers);
    }

    /// A piece of what the client gets.
    pub fn piece(&mut self, piece: &[u8]) {
        self.response.length_bytes += piece.len() as u64;
        let room = self.settings.capture_bytes() - self.copied.len();
        let piece = &piece[..piece.len().min(room)];
        if self.lost || piece.is_empty() {
            return;
        }
        let needed = self.copied.len() + piece.len();
        if needed > self.copied.capacity() {
            let most = self.settings.capture_bytes();
            let larger =
                (2 * self.copied.capacity()).clamp(needed.max(FIRST_BYTES.min(most)), most);
            let more = larger - self.copied.capacity();
            if !self.held.grow(more) {
                return self.lose();
            }
            self.copied.reserve_exact(larger - self.copied.len());
        }
        self.copied.extend_from_slice(piece);
    }

    /// Others have the room at once, however long this request goes on.
    fn lose(&mut self) {
        self.lost = true;
        self.request = None;
        self.copied = Vec::new();
        self.held.release();
    }

    /// The request is over: its bodies are handed on, or let go.
    pub fn finish(self, record: &RequestRecord, worker: &Worker) {
        let went_well = record.outcome == Outcome::Completed && record.status < 400;
        if self.why == Why::Errors && went_well {
            return;
        }
        let queue = &worker.gateway.bodies;
        if self.lost {
            return queue.no_room();
        }
        let response = (record.status != 0 && self.response.length_bytes > 0).then(|| Part {
            bytes: self.copied.into(),
            ..self.response
        });
        worker.outbox.bodies(Taken {
            id: record.id,
            at_ms: record.at_ms,
            why: self.why,
            settings: self.settings,
            request: self.request,
            response,
            request_headers: self.request_headers,
            held: self.held,
        });
    }
}

/// Headers that say what a request is and never who asks.
fn is_allowed(name: &HeaderName) -> bool {
    matches!(name.as_str(), "content-type" | "user-agent")
        || name.as_str().starts_with("anthropic-")
}

fn allowed(headers: &HeaderMap) -> Vec<(String, String)> {
    let allowed = headers.iter().filter(|(name, _)| is_allowed(name));
    let texts = allowed.map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes());
        (name.to_string(), value.chars().take(HEADER_CHARS).collect())
    });
    texts.take(HEADERS).collect()
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let text = headers.get(name)?.to_str().ok()?;
    Some(text.chars().take(HEADER_CHARS).collect())
}

fn encoding(headers: &HeaderMap) -> Option<String> {
    text(headers, &CONTENT_ENCODING).filter(|encoding| !encoding.eq_ignore_ascii_case("identity"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bodies::Room;
    use crate::config::request_log::RequestLog;

    fn capture(room: &Arc<Room>) -> Capture {
        Capture {
            settings: Arc::new(BodySettings::compile(&RequestLog::default())),
            why: Why::All,
            request: None,
            request_headers: Vec::new(),
            response: Part::default(),
            copied: Vec::new(),
            held: room.hold(),
            lost: false,
        }
    }

    #[test]
    fn what_was_lost_leaves_its_room_to_others_at_once() {
        let room = Arc::new(Room::of(3 * FIRST_BYTES));
        let (mut long, mut other) = (capture(&room), capture(&room));
        long.request(&HeaderMap::new(), &Bytes::from(vec![b'q'; FIRST_BYTES]));
        long.piece(&[b'a'; FIRST_BYTES]);
        assert_eq!(room.used_bytes(), 2 * FIRST_BYTES);
        long.piece(&[b'a'; 3 * FIRST_BYTES]);
        assert!(long.lost && long.request.is_none());
        assert_eq!(room.used_bytes(), 0);
        other.piece(&[b'b'; 3 * FIRST_BYTES]);
        long.piece(b"and on");
        assert!(!other.lost && other.copied.len() == 3 * FIRST_BYTES);
        assert_eq!(long.response.length_bytes as usize, 4 * FIRST_BYTES + 6);
    }
}
