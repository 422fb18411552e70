//! The other end of the wire, moved by hand.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

pub(crate) struct Upstream {
    pub(crate) listener: TcpListener,
    pub(crate) base: String,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        Self { listener, base }
    }

    pub(crate) async fn accept(&self) -> Peer {
        let (stream, _) = self.listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        Peer {
            stream,
            unread: Vec::new(),
        }
    }

    /// Has nobody connected? The client has no tasks of its own: what it has not begun by now it never will.
    pub(crate) fn is_quiet(&self) -> bool {
        let accepted = socket2::SockRef::from(&self.listener).accept();
        accepted.is_err_and(|err| err.kind() == std::io::ErrorKind::WouldBlock)
    }
}

pub(crate) struct Peer<S = TcpStream> {
    pub(crate) stream: S,
    pub(crate) unread: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    /// The next request: its head, and its body as framed.
    pub(crate) async fn request(&mut self) -> (String, Vec<u8>) {
        let head_end = loop {
            if let Some(at) = memchr::memmem::find(&self.unread, b"\r\n\r\n") {
                break at + 4;
            }
            self.more().await;
        };
        let rest = self.unread.split_off(head_end);
        let head = String::from_utf8(std::mem::replace(&mut self.unread, rest)).unwrap();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map(|value| value.parse::<usize>().unwrap());
        let body_end = loop {
            let end = if head.contains("transfer-encoding: chunked") {
                memchr::memmem::find(&self.unread, b"0\r\n\r\n").map(|at| at + 5)
            } else {
                Some(length.unwrap_or(0)).filter(|length| self.unread.len() >= *length)
            };
            match end {
                Some(end) => break end,
                None => self.more().await,
            }
        };
        let rest = self.unread.split_off(body_end);
        (head, std::mem::replace(&mut self.unread, rest))
    }

    pub(crate) async fn more(&mut self) {
        let read = self.stream.read_buf(&mut self.unread).await.unwrap();
        assert_ne!(read, 0, "the client closed within its request");
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// How long the client takes to close.
    pub(crate) async fn closed(&mut self) -> Duration {
        let started = Instant::now();
        let mut sink = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(5), async {
            while !matches!(self.stream.read_buf(&mut sink).await, Ok(0) | Err(_)) {}
        })
        .await;
        started.elapsed()
    }
}
