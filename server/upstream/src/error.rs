//! How sending can fail, and what that says about the request's fate.
//!
//! Invariant: *certainly not processed* and *unknown* are different answers; no text holds a URL's query or user, or a secret.

use std::{io, sync::Arc};

use actix_http::error::PayloadError;

use crate::classify::Retry;

/// Why no connection came about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectFault {
    #[error("name not resolved: {0}")]
    Name(String),
    #[error("{0}")]
    Io(String),
    #[error("timed out")]
    TimedOut,
    /// A proxy cannot be reached, or opens no way to the upstream.
    #[error("proxy {proxy}: {fault}")]
    Proxy {
        /// Scheme, host and port.
        proxy: Arc<str>,
        fault: String,
    },
}

/// No answer's head.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Nothing was sent.
    #[error("cannot connect: {0}")]
    Connect(ConnectFault),
    /// Nothing was sent.
    #[error("TLS failed: {0}")]
    Tls(String),
    /// Nothing was sent: method, path or headers cannot be put on the wire.
    #[error("request cannot be sent: {0}")]
    InvalidRequest(String),
    /// The connection ended before any byte of the answer; the body may have been sent.
    #[error("connection reset before an answer (re-used: {reused})")]
    ResetBeforeHead { reused: bool },
    /// No answer in the caller's time; made by the caller, as no such limit lives in the client.
    #[error("no answer in time")]
    Timeout,
    /// What came is not an answer that can be relayed.
    #[error("invalid answer: {0}")]
    InvalidResponse(String),
    /// The stream of the request's body failed: the client's side, not the upstream's.
    #[error("request body ended early: {0}")]
    RequestBody(String),
}

/// Was the request processed upstream?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    NotSent,
    Unknown,
}

impl SendError {
    #[must_use]
    pub fn fate(&self) -> Fate {
        match self {
            Self::Connect(_) | Self::Tls(_) | Self::InvalidRequest(_) => Fate::NotSent,
            Self::ResetBeforeHead { .. }
            | Self::Timeout
            | Self::InvalidResponse(_)
            | Self::RequestBody(_) => Fate::Unknown,
        }
    }

    /// What may be done next (CONTRACT §4 rule 5).
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self {
            Self::Connect(_) | Self::Tls(_) => Retry::NextAccountAfterPause,
            Self::ResetBeforeHead { reused: true } => Retry::SameAccountOnce,
            Self::ResetBeforeHead { reused: false } => Retry::NextAccountOnce,
            Self::Timeout
            | Self::InvalidResponse(_)
            | Self::RequestBody(_)
            | Self::InvalidRequest(_) => Retry::Never,
        }
    }
}

pub(crate) fn is_reset(err: &io::Error) -> bool {
    matches!(
        err.kind(),
        io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::NotConnected
            | io::ErrorKind::UnexpectedEof
    )
}

/// An answer's body ended before its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The upstream closed within the body.
    #[error("upstream closed the connection within the answer")]
    Truncated,
    #[error("connection failed within the answer: {0}")]
    Io(String),
    /// Broken framing or content coding.
    #[error("answer cannot be decoded")]
    Malformed,
}

impl From<PayloadError> for BodyError {
    fn from(err: PayloadError) -> Self {
        match err {
            PayloadError::Incomplete(_) => Self::Truncated,
            PayloadError::Io(err) => match err.kind() {
                io::ErrorKind::UnexpectedEof => Self::Truncated,
                io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => Self::Malformed,
                _ => Self::Io(err.to_string()),
            },
            _ => Self::Malformed,
        }
    }
}
