//! The body of an answer, as it comes over its connection.
//!
//! Invariant: it ends without an error only when its framing said that it is whole. Its connection goes back to the pool
//! only then, and only if nothing came behind the end; in any other case it is closed when the body is dropped, or sooner.

use std::{
    io, mem,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Instant,
};

use actix_http::{error::PayloadError, header::HeaderValue};
use bytes::Bytes;
use futures_util::Stream;

use crate::{
    client::Shared,
    connection::Connection,
    decode::{Decoded, Decoder, Progress},
    network::NetworkKey,
    pool::Place,
};

pub(crate) struct Incoming {
    /// Until the end or a fault.
    route: Option<Route>,
    decoder: Decoder,
    /// Came with the head.
    first: Bytes,
}

/// A connection and the place it goes back to.
pub(crate) struct Route {
    pub(crate) connection: Connection,
    pub(crate) shared: Rc<Shared>,
    pub(crate) network: NetworkKey,
    pub(crate) secure: bool,
    pub(crate) host: HeaderValue,
    /// May it carry another request?
    pub(crate) reusable: bool,
}

// === impl Route ===

impl Route {
    /// The answer was read to its end.
    pub(crate) fn finish(self) {
        if self.reusable {
            let place = Place {
                network: self.network,
                secure: self.secure,
                host: self.host.as_bytes(),
            };
            let mut pool = self.shared.pool.borrow_mut();
            pool.put(place, self.connection, Instant::now());
        }
    }
}

// === impl Incoming ===

#[cfg(test)]
impl Incoming {
    pub(crate) fn tcp(&self) -> Option<&tokio::net::TcpStream> {
        Some(self.route.as_ref()?.connection.tcp())
    }
}

impl Incoming {
    /// `first` is what came with the head.
    pub(crate) fn new(mut route: Route, mut decoder: Decoder, first: Bytes) -> Self {
        let Decoded { payload, excess } = decoder.decode_owned(first);
        route.reusable &= !excess;
        Self {
            route: Some(route),
            decoder,
            first: payload,
        }
    }

    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, PayloadError>>> {
        loop {
            match self.decoder.progress() {
                Progress::Open => {}
                Progress::Whole => {
                    if let Some(route) = self.route.take() {
                        route.finish();
                    }
                    return Poll::Ready(None);
                }
                Progress::Malformed => return self.fail(PayloadError::EncodingCorrupted),
            }
            let Some(route) = &mut self.route else {
                return Poll::Ready(None);
            };
            let mut scratch = route.shared.scratch.borrow_mut();
            let read = ready!(route.connection.poll_read(cx, &mut scratch));
            let decoded =
                read.map(|count| (count > 0).then(|| self.decoder.decode(&scratch[..count])));
            drop(scratch);
            match decoded {
                Ok(None) => break,
                Ok(Some(decoded)) => {
                    route.reusable &= !decoded.excess;
                    if !decoded.payload.is_empty() {
                        return Poll::Ready(Some(Ok(decoded.payload)));
                    }
                }
                // The other side of TLS left without a goodbye.
                Err(err) if err.kind() == io::ErrorKind::UnexpectedEof => {
                    return self.fail(PayloadError::Incomplete(None));
                }
                Err(err) => return self.fail(PayloadError::Io(err)),
            }
        }
        self.route = None;
        let whole = self.decoder.ends_with_connection();
        Poll::Ready((!whole).then_some(Err(PayloadError::Incomplete(None))))
    }

    fn fail(&mut self, err: PayloadError) -> Poll<Option<Result<Bytes, PayloadError>>> {
        self.route = None;
        Poll::Ready(Some(Err(err)))
    }
}

impl Stream for Incoming {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if !self.first.is_empty() {
            return Poll::Ready(Some(Ok(mem::take(&mut self.first))));
        }
        self.poll_more(cx)
    }
}
