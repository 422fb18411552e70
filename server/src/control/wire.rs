//! The two lines of an exchange, and how a bounded line is read.
//!
//! Invariant: a line over its bound is never held whole; fields that are not known are passed over, so that programs of
//! neighbouring versions understand each other.

use std::io;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

use crate::ops::{ErrorCode, OpError};

pub(super) const VERSION: u32 = 1;
pub(super) const REQUEST_MAX_BYTES: usize = 256 << 10;
pub(super) const RESPONSE_MAX_BYTES: usize = 32 << 20;

/// `{"v":1,"op":NAME, …input…}`.
#[derive(Deserialize, Serialize)]
pub(super) struct Request {
    #[serde(default = "first_version")]
    pub v: u32,
    pub op: String,
    #[serde(flatten)]
    pub input: Value,
}

fn first_version() -> u32 {
    1
}

/// `{"ok":…}` or `{"error":{…}}`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Response {
    Ok(Value),
    Error(Refusal),
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Refusal {
    #[serde(flatten)]
    pub error: OpError,
    pub exit: u8,
}

impl From<Result<Value, OpError>> for Response {
    fn from(result: Result<Value, OpError>) -> Self {
        match result {
            Ok(value) => Self::Ok(value),
            Err(error) => Self::Error(Refusal {
                exit: error.exit(),
                error,
            }),
        }
    }
}

pub(super) fn invalid(message: impl Into<String>) -> OpError {
    OpError::new(ErrorCode::Invalid, message)
}

/// What came instead of a line, or the line without its end.
pub(super) enum Line {
    Whole(Vec<u8>),
    TooLong,
    /// The other side closed; a line it had begun is dropped.
    End,
}

pub(super) async fn read_line(
    from: &mut (impl AsyncBufRead + Unpin),
    max_bytes: usize,
) -> io::Result<Line> {
    let mut line = Vec::new();
    let bound = u64::try_from(max_bytes)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    from.take(bound).read_until(b'\n', &mut line).await?;
    Ok(match line.pop() {
        Some(b'\n') => Line::Whole(line),
        Some(_) if line.len() >= max_bytes => Line::TooLong,
        _ => Line::End,
    })
}

pub(super) fn to_line(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(line)
}
