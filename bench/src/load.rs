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

/// The bytes of a request for `kind`, the same for every arm.
fn request_bytes(target: &Target, kind: Kind) -> Vec<u8> {
    let body = format!(
        r#"{{"model":"{}","max_tokens":256,"stream":{},"system":"You are a terse assistant.","messages":[{{"role":"user","content":"Say in one paragraph what a gateway does, and then count to sixty-four."}}],"metadata":{{"user_id":"bench"}}}}"#,
        kind.model(),
        kind.is_stream(),
    );
    format!(
        "POST {} HTTP/1.1\r\nhost: {}\r\nx-api-key: {}\r\nanthropic-version: 2023-06-01\r\n\
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
