//! The bodies of both directions.
//!
//! Invariant: an answer ends without an error only when its framing said that it is whole; after an error, or when it is
//! dropped, its connection is closed and never used again.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use actix_http::{encoding::Decoder, header::ContentEncoding};
use bytes::Bytes;
use futures_util::Stream;

use crate::{error::BodyError, facts::Coding, incoming::Incoming};

/// Why the stream of a request's body failed.
pub type UploadError = Box<dyn std::error::Error>;

/// The chunks of a request's body, in order.
pub type UploadStream = Pin<Box<dyn Stream<Item = Result<Bytes, UploadError>>>>;

/// The body of a request.
pub enum Body {
    /// No body and no length.
    Empty,
    Bytes(Bytes),
    /// Sent as it comes, with a `content-length` when the length is known, else in chunks.
    Stream {
        stream: UploadStream,
        length: Option<u64>,
    },
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Bytes(bytes) => write!(f, "Bytes({} B)", bytes.len()),
            Self::Stream { length, .. } => write!(f, "Stream({length:?})"),
        }
    }
}

/// The body of an answer, decoded when it came encoded.
pub struct AnswerBody(Inner);

/// The chunks of an answer that is made here, in order.
pub type AnswerStream = Pin<Box<dyn Stream<Item = Result<Bytes, BodyError>>>>;

enum Inner {
    Empty,
    Made(AnswerStream),
    Plain(Incoming),
    Decoded(Box<Decoder<Incoming>>),
}

// === impl AnswerBody ===

impl AnswerBody {
    /// An answer that no connection of the data path carries.
    #[must_use]
    pub fn from_stream(stream: AnswerStream) -> Self {
        Self(Inner::Made(stream))
    }

    pub(crate) fn empty() -> Self {
        Self(Inner::Empty)
    }

    /// `None` for a coding that is not spoken here.
    pub(crate) fn new(body: Incoming, coding: Coding) -> Option<Self> {
        let coding = match coding {
            Coding::Identity => return Some(Self(Inner::Plain(body))),
            Coding::Gzip => ContentEncoding::Gzip,
            Coding::Deflate => ContentEncoding::Deflate,
            Coding::Brotli => ContentEncoding::Brotli,
            Coding::Other => return None,
        };
        Some(Self(Inner::Decoded(Box::new(Decoder::new(body, coding)))))
    }
}

#[cfg(test)]
impl AnswerBody {
    /// Of an undecoded body that has not ended.
    pub(crate) fn tcp(&self) -> Option<&tokio::net::TcpStream> {
        match &self.0 {
            Inner::Plain(body) => body.tcp(),
            _ => None,
        }
    }
}

impl fmt::Debug for AnswerBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Inner::Empty => "Empty",
            Inner::Made(_) => "Made",
            Inner::Plain(_) => "Plain",
            Inner::Decoded(_) => "Decoded",
        })
    }
}

impl Stream for AnswerBody {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = match &mut self.0 {
            Inner::Empty => return Poll::Ready(None),
            Inner::Made(stream) => return stream.as_mut().poll_next(cx),
            Inner::Plain(body) => ready!(Pin::new(body).poll_next(cx)),
            Inner::Decoded(body) => ready!(Pin::new(body.as_mut()).poll_next(cx)),
        };
        if !matches!(item, Some(Ok(_))) {
            self.0 = Inner::Empty;
        }
        Poll::Ready(item.map(|item| item.map_err(BodyError::from)))
    }
}
