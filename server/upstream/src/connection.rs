//! One connection to an upstream: its socket, plain or under TLS, or under TLS within that of a proxy.
//!
//! Invariant: nothing that was read is kept here, so a connection that waits holds no buffer; an end that was met behind
//! data is told at the next read, never lost.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Instant,
};

use tokio::{
    io::{AsyncRead as _, AsyncWrite as _, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

/// The socket.
#[derive(Debug)]
pub(crate) enum Io {
    Plain(TcpStream),
    /// The upstream's, or a proxy's before an upstream without.
    Tls(Box<TlsStream<TcpStream>>),
    TlsInTls(Box<TlsStream<TlsStream<TcpStream>>>),
}

#[derive(Debug)]
pub(crate) struct Connection {
    io: Io,
    /// Since when it is connected.
    pub(crate) born: Instant,
    /// Met behind data, to be told: the end of the stream, or why it broke.
    ended: Option<io::Result<()>>,
}

// === impl Connection ===

impl Connection {
    pub(crate) fn new(io: Io) -> Self {
        Self {
            io,
            born: Instant::now(),
            ended: None,
        }
    }

    /// Reads what is ready, once; 0 is the end.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(ended) = self.ended.take() {
            return Poll::Ready(ended.map(|()| 0));
        }
        let mut buf = ReadBuf::new(into);
        loop {
            let before = buf.filled().len();
            let polled = match &mut self.io {
                Io::Plain(tcp) => {
                    return Pin::new(tcp)
                        .poll_read(cx, &mut buf)
                        .map_ok(|()| buf.filled().len());
                }
                Io::Tls(tls) => Pin::new(tls.as_mut()).poll_read(cx, &mut buf),
                Io::TlsInTls(tls) => Pin::new(tls.as_mut()).poll_read(cx, &mut buf),
            };
            // A burst comes in many records, and a read under TLS hands over few of them.
            let ended = match polled {
                Poll::Pending if before == 0 => return Poll::Pending,
                Poll::Pending => break,
                Poll::Ready(Ok(())) if buf.filled().len() > before => {
                    if buf.remaining() == 0 {
                        break;
                    }
                    continue;
                }
                Poll::Ready(ended) => ended,
            };
            if before == 0 {
                return Poll::Ready(ended.map(|()| 0));
            }
            self.ended = Some(ended);
            break;
        }
        Poll::Ready(Ok(buf.filled().len()))
    }

    /// Writes from these in order; the empty ones are passed over.
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        parts: [&[u8]; 3],
    ) -> Poll<io::Result<usize>> {
        let written = match (parts, &mut self.io) {
            ([only, [], []] | [[], only, []] | [[], [], only], Io::Plain(tcp)) => {
                Pin::new(tcp).poll_write(cx, only)
            }
            (parts, Io::Plain(tcp)) => {
                Pin::new(tcp).poll_write_vectored(cx, &parts.map(IoSlice::new))
            }
            (parts, Io::Tls(tls)) => {
                Pin::new(tls.as_mut()).poll_write_vectored(cx, &parts.map(IoSlice::new))
            }
            (parts, Io::TlsInTls(tls)) => {
                Pin::new(tls.as_mut()).poll_write_vectored(cx, &parts.map(IoSlice::new))
            }
        };
        match written {
            Poll::Ready(Ok(0)) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            other => other,
        }
    }

    /// TCP has no buffer here, TLS has.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Plain(_) => Poll::Ready(Ok(())),
            Io::Tls(tls) => Pin::new(tls.as_mut()).poll_flush(cx),
            Io::TlsInTls(tls) => Pin::new(tls.as_mut()).poll_flush(cx),
        }
    }

    /// Open, with nothing to read? What comes unasked would be taken for the next answer.
    pub(crate) fn is_quiet(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        self.ended.is_none() && self.poll_read(&mut cx, &mut [0]).is_pending()
    }
}

#[cfg(test)]
impl Connection {
    pub(crate) fn tcp(&self) -> &TcpStream {
        match &self.io {
            Io::Plain(tcp) => tcp,
            Io::Tls(tls) => tls.get_ref().0,
            Io::TlsInTls(tls) => tls.get_ref().0.get_ref().0,
        }
    }
}
