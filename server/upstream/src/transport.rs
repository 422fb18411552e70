//! The TCP connection under the data path's client, and what is watched on it.
//!
//! awc says neither whether a connection was re-used nor whether an answer was whole, and takes an interim (1xx) or
//! unframed answer for a complete one. All three can be told from the socket. A worker's client is used by one thread and
//! a poll does not nest, so what the socket notes during a poll belongs to the request that is polled: plain cells suffice.
//!
//! Invariant: `TCP_NODELAY` is set, no link-local address is spoken to whatever its name resolved to, and a poisoned
//! connection never carries another request.

use std::{
    cell::{Cell, RefCell},
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use actix_http::Uri;
use actix_rt::net::{ActixStream, Ready, TcpStream};
use actix_service::Service;
use actix_tls::connect::{ConnectError, ConnectInfo, Connection, ConnectorService};
use futures_util::future::LocalBoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::base_url::is_forbidden_address;

/// What happened on the sockets of one client since it was last looked at.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// A connection was asked for: the request does not re-use one.
    pub(crate) dialled: Cell<bool>,
    /// A connection was closed from here.
    pub(crate) closed: Cell<bool>,
    /// The poison flag of the connection last read from.
    last_read: RefCell<Option<Rc<Cell<bool>>>>,
}

impl Watch {
    /// The connection last read from is not to be re-used: the pool's check will find it ended.
    pub(crate) fn poison_last_read(&self) {
        if let Some(poisoned) = self.last_read.borrow().as_ref() {
            poisoned.set(true);
        }
    }
}

/// Opens the connections of one client.
#[derive(Clone)]
pub(crate) struct Dialler {
    connect: ConnectorService,
    watch: Rc<Watch>,
}

impl Dialler {
    pub(crate) fn new(watch: Rc<Watch>) -> Self {
        Self {
            connect: ConnectorService::default(),
            watch,
        }
    }
}

// === impl Dialler ===

impl Service<ConnectInfo<Uri>> for Dialler {
    type Response = Connection<Uri, Socket>;
    type Error = ConnectError;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Self::Error>>;

    actix_service::always_ready!();

    fn call(&self, info: ConnectInfo<Uri>) -> Self::Future {
        self.watch.dialled.set(true);
        let watch = self.watch.clone();
        let connecting = self.connect.call(info);
        Box::pin(async move {
            let (tcp, uri) = connecting.await?.into_parts();
            let peer = tcp.peer_addr().map_err(ConnectError::Io)?;
            if is_forbidden_address(peer.ip()) {
                let refused = io::Error::new(
                    io::ErrorKind::PermissionDenied,
                    "host resolves to a link-local address",
                );
                return Err(ConnectError::Io(refused));
            }
            tcp.set_nodelay(true).map_err(ConnectError::Io)?;
            let poisoned = Rc::default();
            Ok(Connection::new(
                uri,
                Socket {
                    tcp,
                    poisoned,
                    watch,
                },
            ))
        })
    }
}

/// One connection to an upstream.
#[derive(Debug)]
pub(crate) struct Socket {
    tcp: TcpStream,
    poisoned: Rc<Cell<bool>>,
    watch: Rc<Watch>,
}

// === impl Socket ===

impl Drop for Socket {
    fn drop(&mut self) {
        self.watch.closed.set(true);
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.poisoned.get() {
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.tcp).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            let mut last = self.watch.last_read.borrow_mut();
            if !last
                .as_ref()
                .is_some_and(|last| Rc::ptr_eq(last, &self.poisoned))
            {
                *last = Some(self.poisoned.clone());
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

impl ActixStream for Socket {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_read_ready(&self.tcp, cx)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_write_ready(&self.tcp, cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_rt::test]
    async fn small_writes_leave_at_once() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri: Uri = format!("http://{}", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        let watch = Rc::new(Watch::default());
        let dialler = Dialler::new(watch.clone());
        let connection = dialler.call(ConnectInfo::new(uri)).await.unwrap();
        assert!(connection.io_ref().tcp.nodelay().unwrap());
        assert!(watch.dialled.get());
    }
}
