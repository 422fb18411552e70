//! A response that is to be written: its head, its pieces, and how it breaks.
//!
//! Invariant: the pieces, joined, are the whole body; timing and faults are the scenario's.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::clock;
use crate::message;
use crate::scenario::{Framing, Scenario};
use crate::state::State;
use crate::web::Live;
use crate::wire_order;

pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    /// Events, or one piece.
    pub(crate) pieces: Vec<Bytes>,
    /// Sent for ever after the pieces.
    pub(crate) repeated: Option<Bytes>,
    /// Gives further pieces after those, when their time comes.
    pub(crate) live: Option<Box<Live>>,
    pub(crate) framing: Framing,
    pub(crate) scenario: Scenario,
}

impl Reply {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::whole(
            status,
            "application/json",
            Bytes::from(wire_order::to_text(body)),
        )
    }

    pub(crate) fn whole(status: u16, content_type: &str, body: Bytes) -> Self {
        Self {
            status,
            headers: vec![("content-type".to_owned(), content_type.to_owned())],
            pieces: if body.is_empty() {
                Vec::new()
            } else {
                vec![body]
            },
            repeated: None,
            live: None,
            framing: Framing::ContentLength,
            scenario: Scenario::default(),
        }
    }

    pub(crate) fn error(status: u16, message: &str) -> Self {
        let error = json!({"type": error_type(status), "message": message});
        Self::json(status, &json!({"type": "error", "error": error}))
    }

    /// What the scenario says instead of a message: a status, a body; `None` when it says neither.
    pub(crate) fn scripted(scenario: &Scenario) -> Option<Self> {
        let status = scenario.status.unwrap_or(200);
        if let Some(body) = &scenario.body {
            let body = Bytes::from(body.clone());
            return Some(Self::whole(status, "application/json", body));
        }
        if status == 200 {
            return None;
        }
        if status < 400 {
            return Some(Self::whole(status, "text/plain", Bytes::new()));
        }
        let message = scenario.message.as_deref().unwrap_or("scripted error");
        let mut error = json!({"type": error_type(status), "message": message});
        if let Some(code) = &scenario.error_code {
            error["details"] = json!({"error_code": code});
        }
        Some(Self::json(
            status,
            &json!({"type": "error", "error": error, "request_id": "req_scripted"}),
        ))
    }

    /// A stream of events; faults in the middle of it are built in here.
    pub(crate) fn events(mut events: Vec<Bytes>, scenario: &Scenario) -> Self {
        let end = scenario.line_ending();
        if let Some(error) = &scenario.error {
            events.truncate(error.after_events);
            let body = json!({"type": error.kind, "message": error.message});
            let data = wire_order::to_text(&json!({"type": "error", "error": body}));
            events.push(message::event("error", &data, end));
        }
        if let Some(count) = scenario.end_after_events {
            events.truncate(count);
        }
        let mut reply = Self::whole(200, "text/event-stream; charset=utf-8", Bytes::new());
        reply
            .headers
            .push(("cache-control".to_owned(), "no-cache".to_owned()));
        if scenario.endless {
            // Without the end of the block and of the message.
            events.truncate(events.len().saturating_sub(3));
            reply.repeated = Some(message::endless_delta(end));
        }
        reply.pieces = events;
        reply.framing = Framing::Chunked;
        reply
    }

    /// Adds what the service sends with every answer, then what the scenario wants otherwise.
    pub(crate) fn dress(&mut self, state: &State, scenario: Scenario, serial: u64) {
        let mut add = |name: &str, value: String| self.headers.push((name.to_owned(), value));
        add("request-id", format!("req_mock{serial:08}"));
        add(
            "anthropic-organization-id",
            "00000000-0000-4000-8000-00000000mock".to_owned(),
        );
        if state.config.rate_limit_headers {
            rate_limits(serial, &mut add);
        }
        for (name, _) in &scenario.headers {
            self.headers
                .retain(|(found, _)| !found.eq_ignore_ascii_case(name));
        }
        self.headers.extend(scenario.headers.iter().cloned());
        let unwanted = |name: &str| {
            scenario
                .without_headers
                .iter()
                .any(|without| without.eq_ignore_ascii_case(name))
        };
        self.headers.retain(|(name, _)| !unwanted(name));
        if scenario.framing != Framing::Auto {
            self.framing = scenario.framing;
        }
        if self.repeated.is_some() && self.framing == Framing::ContentLength {
            self.framing = Framing::Close;
        }
        self.scenario = scenario;
    }

    pub(crate) fn closes(&self) -> bool {
        self.scenario.close || self.framing == Framing::Close
    }

    pub(crate) fn body_len(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum()
    }

    /// The head as bytes.
    pub(crate) fn head(&self) -> String {
        use std::fmt::Write;
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        for (name, value) in &self.headers {
            // Writing to a String cannot fail.
            let _ = write!(head, "{name}: {value}\r\n");
        }
        match self.framing {
            Framing::Chunked => head.push_str("transfer-encoding: chunked\r\n"),
            // RFC 9110 §8.6: no length where there is no content.
            Framing::ContentLength | Framing::Auto if self.status == 204 => {}
            Framing::ContentLength | Framing::Auto => {
                let _ = write!(head, "content-length: {}\r\n", self.body_len());
            }
            Framing::Close => {}
        }
        if self.closes() {
            head.push_str("connection: close\r\n");
        }
        head.push_str("\r\n");
        head
    }
}

/// Counts down with every answer, so that a reader can tell which answer it saw.
fn rate_limits(serial: u64, add: &mut impl FnMut(&str, String)) {
    let reset = clock::rfc3339(clock::unix_seconds(Duration::from_secs(60)));
    for (class, limit) in [
        ("requests", 1_000),
        ("tokens", 500_000),
        ("input-tokens", 400_000),
        ("output-tokens", 100_000),
    ] {
        let prefix = format!("anthropic-ratelimit-{class}");
        add(&format!("{prefix}-limit"), limit.to_string());
        add(
            &format!("{prefix}-remaining"),
            (limit - serial % limit).to_string(),
        );
        add(&format!("{prefix}-reset"), reset.clone());
    }
    let prefix = "anthropic-ratelimit-unified";
    add(&format!("{prefix}-status"), "allowed".to_owned());
    for (window, hours) in [("5h", 5), ("7d", 7 * 24)] {
        let reset = clock::unix_seconds(Duration::from_secs(hours * 3_600));
        add(&format!("{prefix}-{window}-status"), "allowed".to_owned());
        add(&format!("{prefix}-{window}-reset"), reset.to_string());
        add(
            &format!("{prefix}-{window}-utilization"),
            format!("0.{:02}", serial % 100),
        );
    }
    let reset = clock::unix_seconds(Duration::from_secs(5 * 3_600));
    add(&format!("{prefix}-reset"), reset.to_string());
}

fn error_type(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        529 => "overloaded_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        302 => "Found",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        413 => "Payload Too Large",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        529 => "Overloaded",
        _ => "Scripted",
    }
}
