//! The load generator: own HTTP/1.1 client, closed loop, fixed rate, held streams.
//!
//! Invariant: every answer is checked against what the mock sends (status, body bytes, events), and
//! every load ends by itself, by count and by deadline.

mod closed;
mod connection;
mod hold;
mod rate;
mod response;

use std::net::SocketAddr;

pub use closed::closed;
pub use connection::get_status;
pub use hold::Held;
pub use rate::rate;

use crate::mock::{Answers, EVENTS, JSON_BYTES, Kind};

/// Whom a load talks to, and as whom.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where the gateway (or the mock itself) listens.
    pub address: SocketAddr,
    /// The request path.
    pub path: String,
    /// The gateway key, sent as `x-api-key`.
    pub secret: String,
    /// Requests name so many sessions in turn; 0 for none.
    pub sessions: u32,
}

/// What a whole answer must amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// Body bytes with the HTTP framing taken off.
    pub bytes: u64,
    /// Blank-line-terminated events.
    pub events: u32,
}

/// What a load saw.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Answers that were whole and right.
    pub done: u64,
    /// Answers that were not, and connections that failed.
    pub errors: u64,
    /// The first error, in words.
    pub first_error: Option<String>,
    /// Time from due to whole of each right answer, in µs, unordered (fixed rate only).
    pub latencies_us: Vec<f64>,
}

impl Outcome {
    fn failed(&mut self, error: impl std::fmt::Display) {
        self.errors += 1;
        self.first_error.get_or_insert_with(|| error.to_string());
    }

    fn absorb(&mut self, other: Self) {
        self.done += other.done;
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
        self.latencies_us.extend(other.latencies_us);
    }
}

/// Before the eight digits of a session's number.
const SESSION: &str = "x-claude-code-session-id: bench-";

/// Writes the number of the next session into a request of [`request_bytes`].
fn name_session(request: &mut [u8], target: &Target, turn: u64) {
    if target.sessions == 0 {
        return;
    }
    let number = format!("{:08}", turn % u64::from(target.sessions));
    if let Some(at) = memchr::memmem::find(request, SESSION.as_bytes())
        && let Some(place) = request.get_mut(at + SESSION.len()..at + SESSION.len() + number.len())
    {
        place.copy_from_slice(number.as_bytes());
    }
}

/// The bytes of a request for `kind`, the same for every arm but for its session.
fn request_bytes(target: &Target, kind: Kind) -> Vec<u8> {
    let body = format!(
        r#"{{"model":"{}","max_tokens":256,"stream":{},"system":"You are a terse assistant.","messages":[{{"role":"user","content":"Say in one paragraph what a gateway does, and then count to sixty-four."}}],"metadata":{{"user_id":"bench"}}}}"#,
        kind.model(),
        kind.is_stream(),
    );
    let session = match target.sessions {
        0 => String::new(),
        _ => format!("{SESSION}00000000\r\n"),
    };
    format!(
        "POST {} HTTP/1.1\r\nhost: {}\r\nx-api-key: {}\r\n{session}anthropic-version: 2023-06-01\r\n\
         content-type: application/json\r\naccept: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        target.path,
        target.address,
        target.secret,
        body.len(),
    )
    .into_bytes()
}

/// What the mock answers to `kind`. Held streams never end and have no whole answer.
fn expected(kind: Kind) -> Expected {
    if kind == Kind::Json {
        return Expected {
            bytes: JSON_BYTES as u64,
            events: 0,
        };
    }
    Expected {
        bytes: Answers::prepare().stream_body_bytes,
        events: EVENTS as u32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_take_turns() {
        let mut target = Target {
            address: ([127, 0, 0, 1], 1).into(),
            path: "/v1/messages".to_owned(),
            secret: "secret".to_owned(),
            sessions: 3,
        };
        let mut request = request_bytes(&target, Kind::Json);
        name_session(&mut request, &target, 5);
        let text = String::from_utf8_lossy(&request).into_owned();
        assert!(
            text.contains("\r\nx-claude-code-session-id: bench-00000002\r\n"),
            "{text}"
        );
        target.sessions = 0;
        assert!(
            !request_bytes(&target, Kind::Json)
                .windows(7)
                .any(|w| w == b"session")
        );
    }
}
