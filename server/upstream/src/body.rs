//! The bodies of both directions.
//!
//! Invariant: an answer ends without an error only when its framing said that it is whole; after an error, or when it is
//! dropped, its connection is closed and never used again.

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use actix_http::{
    BoxedPayloadStream, Payload,
    body::{BodySize, MessageBody},
    encoding::Decoder,
    error::PayloadError,
    header::ContentEncoding,
};
use bytes::Bytes;
use futures_util::Stream;

use crate::{error::BodyError, facts::Coding, transport::Watch};

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

/// A body that is handed to the connection's write buffer in slices: the buffer, which lives as long as the answer's
/// stream does, stays small whatever the request's size.
pub(crate) struct Sliced(pub(crate) Bytes);

/// Also the size of a TLS record.
pub(crate) const SLICE_BYTES: usize = 16 * 1024;

impl MessageBody for Sliced {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.0.len() as u64)
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        if self.0.is_empty() {
            return Poll::Ready(None);
        }
        let len = self.0.len().min(SLICE_BYTES);
        Poll::Ready(Some(Ok(self.0.split_to(len))))
    }
}

/// The body of an answer, decoded when it came encoded.
pub struct AnswerBody(Inner);

enum Inner {
    Empty,
    Plain(Watched),
    Decoded(Box<Decoder<Watched>>),
}

// === impl AnswerBody ===

impl AnswerBody {
    pub(crate) fn empty() -> Self {
        Self(Inner::Empty)
    }

    /// `None` for a coding that is not spoken here.
    pub(crate) fn new(body: Watched, coding: Coding) -> Option<Self> {
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

impl fmt::Debug for AnswerBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Inner::Empty => "Empty",
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
            Inner::Plain(body) => ready!(Pin::new(body).poll_next(cx)),
            Inner::Decoded(body) => ready!(Pin::new(body.as_mut()).poll_next(cx)),
        };
        if !matches!(item, Some(Ok(_))) {
            self.0 = Inner::Empty;
        }
        Poll::Ready(item.map(|item| item.map_err(BodyError::from)))
    }
}

/// awc's payload, whose end is checked: it also ends without an error when the upstream closes within the body, and the
/// one trace of that is that its connection is closed with it instead of having gone back to the pool.
pub(crate) struct Watched {
    payload: Option<Payload<BoxedPayloadStream>>,
    watch: Rc<Watch>,
    /// HTTP/1.0 without a length: closing is the end.
    until_close: bool,
}

impl Watched {
    pub(crate) fn new(
        payload: Payload<BoxedPayloadStream>,
        watch: Rc<Watch>,
        until_close: bool,
    ) -> Self {
        Self {
            payload: Some(payload),
            watch,
            until_close,
        }
    }

    fn end(&mut self) -> Option<Result<Bytes, PayloadError>> {
        self.watch.closed.set(false);
        self.payload = None;
        let cut = self.watch.closed.get() && !self.until_close;
        cut.then_some(Err(PayloadError::Incomplete(None)))
    }
}

impl Stream for Watched {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(payload) = self.payload.as_mut() else {
            return Poll::Ready(None);
        };
        let item = match ready!(Pin::new(payload).poll_next(cx)) {
            None => self.end(),
            Some(Err(err)) => {
                self.payload = None;
                Some(Err(err))
            }
            chunk => chunk,
        };
        Poll::Ready(item)
    }
}
