//! A request on its way out.
//!
//! Invariant: the head is what was given, in order, with our own `host` and framing and nothing else; a body is as long
//! as its head says; head and small body leave in one write.

use std::{
    io,
    task::{Context, Poll, ready},
};

use actix_http::{
    Method, Uri,
    header::{self, HeaderValue},
};
use bytes::{Buf as _, Bytes};

use crate::{
    body::{Body, UploadStream},
    connection::Connection,
    head::Framing,
    header_list::{HeaderLines, put_line},
};

/// Copied behind the head up to here, that it leaves with it; also the size of a TLS record.
const INLINE_BYTES: usize = 16 * 1024;

/// Why a request was not sent to its end.
#[derive(Debug)]
pub(crate) enum Unsent {
    Io(io::Error),
    /// The stream of the body failed, or is not as long as was said.
    Body(String),
}

/// What is still to be sent.
pub(crate) struct Outgoing {
    /// The head or a chunk's size, perhaps with the payload.
    front: Vec<u8>,
    sent: usize,
    payload: Bytes,
    tail: &'static [u8],
    source: Option<Source>,
}

struct Source {
    stream: UploadStream,
    /// Of a body whose length is known; without it goes in chunks.
    left: Option<u64>,
}

// === impl Outgoing ===

impl Outgoing {
    pub(crate) fn new(
        method: &Method,
        uri: &Uri,
        host: &HeaderValue,
        headers: &HeaderLines,
        body: Body,
    ) -> Self {
        let (framing, inline) = match &body {
            Body::Empty => (None, 0),
            Body::Bytes(bytes) if bytes.len() <= INLINE_BYTES => {
                (Some(Framing::Length(bytes.len() as u64)), bytes.len())
            }
            Body::Bytes(bytes) => (Some(Framing::Length(bytes.len() as u64)), 0),
            Body::Stream { length, .. } => {
                (Some(length.map_or(Framing::Chunked, Framing::Length)), 0)
            }
        };
        let mut out = Self {
            front: head(method, uri, host, headers, framing, inline),
            sent: 0,
            payload: Bytes::new(),
            tail: b"",
            source: None,
        };
        match body {
            Body::Empty => {}
            Body::Bytes(bytes) if inline > 0 => out.front.extend_from_slice(&bytes),
            Body::Bytes(bytes) => out.payload = bytes,
            Body::Stream { stream, length } => {
                out.source = Some(Source {
                    stream,
                    left: length,
                });
            }
        }
        out
    }

    /// Ready when all is sent.
    pub(crate) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        connection: &mut Connection,
    ) -> Poll<Result<(), Unsent>> {
        loop {
            ready!(self.poll_parts(cx, connection)).map_err(Unsent::Io)?;
            let Some(source) = &mut self.source else {
                return connection.poll_flush(cx).map_err(Unsent::Io);
            };
            let Poll::Ready(next) = source.stream.as_mut().poll_next(cx) else {
                // What there is need not wait for the rest.
                ready!(connection.poll_flush(cx)).map_err(Unsent::Io)?;
                return Poll::Pending;
            };
            match next {
                Some(Ok(piece)) if piece.is_empty() => {}
                Some(Ok(piece)) => self.put(piece)?,
                Some(Err(err)) => return Poll::Ready(Err(Unsent::Body(err.to_string()))),
                None => self.end()?,
            }
        }
    }

    fn poll_parts(
        &mut self,
        cx: &mut Context<'_>,
        connection: &mut Connection,
    ) -> Poll<io::Result<()>> {
        loop {
            let front = &self.front[self.sent..];
            if front.is_empty() && self.payload.is_empty() && self.tail.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let mut count = ready!(connection.poll_write(cx, [front, &self.payload, self.tail]))?;
            let of_front = count.min(front.len());
            self.sent += of_front;
            count -= of_front;
            let of_payload = count.min(self.payload.len());
            self.payload.advance(of_payload);
            count -= of_payload;
            self.tail = &self.tail[count..];
        }
    }

    fn put(&mut self, piece: Bytes) -> Result<(), Unsent> {
        self.front.clear();
        self.sent = 0;
        let Some(source) = &mut self.source else {
            return Ok(());
        };
        match &mut source.left {
            Some(left) => {
                *left = left
                    .checked_sub(piece.len() as u64)
                    .ok_or_else(|| Unsent::Body("longer than its length".into()))?;
            }
            None => {
                self.front
                    .extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
                self.tail = b"\r\n";
            }
        }
        self.payload = piece;
        Ok(())
    }

    fn end(&mut self) -> Result<(), Unsent> {
        match self.source.take().and_then(|source| source.left) {
            Some(0) => {}
            Some(_) => return Err(Unsent::Body("shorter than its length".into())),
            None => self.tail = b"0\r\n\r\n",
        }
        Ok(())
    }
}

fn head(
    method: &Method,
    uri: &Uri,
    host: &HeaderValue,
    headers: &HeaderLines,
    framing: Option<Framing>,
    inline: usize,
) -> Vec<u8> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let lines = headers.as_bytes();
    // The fixed parts come to less than a hundred bytes.
    let mut out = Vec::with_capacity(path.len() + host.len() + lines.len() + inline + 128);
    for part in [method.as_str(), " ", path, " HTTP/1.1\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
    put_line(&mut out, &header::HOST, host.as_bytes());
    out.extend_from_slice(lines);
    match framing {
        Some(Framing::Length(length)) => {
            let length = length.to_string();
            put_line(&mut out, &header::CONTENT_LENGTH, length.as_bytes());
        }
        Some(Framing::Chunked) => put_line(&mut out, &header::TRANSFER_ENCODING, b"chunked"),
        None => {}
    }
    out.extend_from_slice(b"\r\n");
    out
}
