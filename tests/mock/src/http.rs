//! Reads HTTP/1.1 requests and keeps their bytes.
//!
//! Invariant: names, values and order of headers are what was on the wire. Only as strict as is
//! needed to find the end of a request; the head is bounded, the body by the caller's patience.

use std::io;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

const HEAD_LIMIT_BYTES: usize = 256 * 1024;

/// Head of a request.
pub(crate) struct Head {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(Bytes, Bytes)>,
    keeps_alive: bool,
}

impl Head {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self
            .headers
            .iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes()))?;
        std::str::from_utf8(value).ok()
    }

    /// Whether the connection may serve another request.
    pub(crate) fn keeps_alive(&self) -> bool {
        self.keeps_alive
    }

    fn has_token(&self, name: &str, token: &str) -> bool {
        self.header(name).is_some_and(|value| {
            value
                .split(',')
                .any(|part| part.trim().eq_ignore_ascii_case(token))
        })
    }

    pub(crate) fn expects_continue(&self) -> bool {
        self.has_token("expect", "100-continue")
    }
}

/// The reading side of a connection; holds what was read too far.
pub(crate) struct Reader {
    buffer: BytesMut,
    /// Pause after each read of the body, to be a slow reader.
    read_delay: Duration,
}

impl Reader {
    pub(crate) fn new(read_delay: Duration) -> Self {
        Self {
            buffer: BytesMut::new(),
            read_delay,
        }
    }

    /// The next head; `None` when the client closed the connection between requests.
    pub(crate) async fn head(&mut self, stream: &mut TcpStream) -> io::Result<Option<Head>> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                let bytes = self.buffer.split_to(end + 4).freeze();
                return parse_head(&bytes).map(Some);
            }
            if self.buffer.len() > HEAD_LIMIT_BYTES {
                return Err(bad("the head of the request is too long"));
            }
            if stream.read_buf(&mut self.buffer).await? == 0 {
                let clean = self.buffer.is_empty();
                return if clean {
                    Ok(None)
                } else {
                    Err(io::ErrorKind::UnexpectedEof.into())
                };
            }
        }
    }

    /// The body that follows `head`, without its framing.
    pub(crate) async fn body(&mut self, stream: &mut TcpStream, head: &Head) -> io::Result<Bytes> {
        if head.has_token("transfer-encoding", "chunked") {
            return self.chunked(stream).await;
        }
        let len = match head.header("content-length") {
            Some(len) => len
                .trim()
                .parse()
                .map_err(|_| bad("content-length is no number"))?,
            None => 0,
        };
        self.fill(stream, len).await?;
        Ok(self.buffer.split_to(len).freeze())
    }

    async fn chunked(&mut self, stream: &mut TcpStream) -> io::Result<Bytes> {
        let mut body = BytesMut::new();
        loop {
            let line = self.line(stream).await?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16).map_err(|_| bad("bad chunk size"))?;
            if size == 0 {
                while !self.line(stream).await?.is_empty() {}
                return Ok(body.freeze());
            }
            self.fill(stream, size + 2).await?;
            body.extend_from_slice(&self.buffer[..size]);
            self.buffer.advance(size + 2);
        }
    }

    async fn line(&mut self, stream: &mut TcpStream) -> io::Result<String> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n") {
                let line = self.buffer.split_to(end);
                self.buffer.advance(2);
                return String::from_utf8(line.to_vec()).map_err(|_| bad("bad chunk line"));
            }
            let len = self.buffer.len() + 1;
            self.fill(stream, len).await?;
        }
    }

    async fn fill(&mut self, stream: &mut TcpStream, len: usize) -> io::Result<()> {
        while self.buffer.len() < len {
            self.buffer.reserve(16 * 1024);
            if stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if !self.read_delay.is_zero() {
                tokio::time::sleep(self.read_delay).await;
            }
        }
        Ok(())
    }
}

fn parse_head(bytes: &Bytes) -> io::Result<Head> {
    let mut lines = bytes
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let start = lines.next().and_then(|line| std::str::from_utf8(line).ok());
    let mut words = start.unwrap_or_default().split(' ');
    let (Some(method), Some(target), Some(version)) = (words.next(), words.next(), words.next())
    else {
        return Err(bad("bad request line"));
    };
    let headers = lines.filter(|line| !line.is_empty()).map(|line| {
        let colon = find(line, b":").ok_or_else(|| bad("header without a colon"))?;
        let value = line[colon + 1..].trim_ascii();
        Ok((bytes.slice_ref(&line[..colon]), bytes.slice_ref(value)))
    });
    let mut head = Head {
        method: method.to_owned(),
        target: target.to_owned(),
        headers: headers.collect::<io::Result<_>>()?,
        keeps_alive: version == "HTTP/1.1",
    };
    head.keeps_alive &= !head.has_token("connection", "close");
    Ok(head)
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes
        .windows(needle.len())
        .position(|window| window == needle)
}

fn bad(message: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}
