//! HTTP/1.1 by hand over one connection.

use std::{net::SocketAddr, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use crate::secrets;

/// Far above what anything here takes; a test that waits for it has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// One connection to the gateway.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// A head and the body that was read after it.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// 0 when the connection ended without a head.
    pub status: u16,
    /// In order, names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Whether the body ended as its framing promised.
    pub whole: bool,
}

/// A request with its framing: `host` and, for what has a body, `content-length`.
pub fn request(method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut all = headers.to_vec();
    let length = body.len().to_string();
    if !body.is_empty() || matches!(method, "POST" | "PUT") {
        all.push(("content-length", &length));
    }
    let mut bytes = head(method, target, &all);
    bytes.extend_from_slice(body);
    bytes
}

/// A head alone.
pub fn head(method: &str, target: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut text = format!("{method} {target} HTTP/1.1\r\nhost: gateway.test\r\n");
    for (name, value) in headers {
        secrets::know_header(name, value);
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    text.into_bytes()
}

impl Client {
    pub async fn connect(address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        // Small, so that what a test does not read does not vanish in the kernel.
        socket.set_recv_buffer_size(64 * 1024).expect("a buffer");
        let stream = socket.connect(address).await.expect("the gateway");
        stream.set_nodelay(true).expect("a socket");
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    /// Writes; a gateway that has answered already and closed is no failure.
    pub async fn send(&mut self, bytes: &[u8]) {
        let written = timeout(PATIENCE, self.stream.write_all(bytes)).await;
        let _ = written.expect("the gateway reads");
    }

    /// Writes in pieces that the gateway sees one by one.
    pub async fn send_in_pieces(&mut self, bytes: &[u8], size: usize) {
        for piece in bytes.chunks(size) {
            self.send(piece).await;
            tokio::task::yield_now().await;
        }
    }

    /// Closes this side; the gateway may still answer.
    pub async fn finish_sending(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// One head and its whole body.
    pub async fn answer(&mut self) -> Answer {
        let mut answer = self.head().await;
        self.rest(&mut answer).await;
        secrets::look(
            "an answer's head",
            format!("{:?}", answer.headers).as_bytes(),
        );
        secrets::look("an answer's body", &answer.body);
        answer
    }

    /// The answer to a `HEAD` request.
    pub async fn head(&mut self) -> Answer {
        let end = loop {
            if let Some(at) = find(&self.buffer, b"\r\n\r\n") {
                break at + 4;
            }
            if !self.fill().await {
                return Answer::default();
            }
        };
        let head: Vec<u8> = self.buffer.drain(..end).collect();
        let head = String::from_utf8_lossy(&head).into_owned();
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let headers = lines.filter_map(|line| line.split_once(':'));
        let answer = Answer {
            status: status.and_then(|word| word.parse().ok()).unwrap_or(0),
            headers: headers
                .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
                .collect(),
            ..Answer::default()
        };
        if answer.status == 100 {
            return Box::pin(self.head()).await;
        }
        answer
    }

    /// The rest of the body of `answer`.
    pub async fn rest(&mut self, answer: &mut Answer) {
        if answer.is_chunked() {
            while let Some(chunk) = self.chunk().await {
                if chunk.is_empty() {
                    answer.whole = true;
                    return;
                }
                answer.body.extend_from_slice(&chunk);
            }
            return;
        }
        let length = answer.header("content-length").map(|text| text.parse());
        let length = length.map(|length| length.expect("a content-length"));
        while length.is_none_or(|length: usize| self.buffer.len() < length) {
            if !self.fill().await {
                break;
            }
        }
        let taken = length.unwrap_or(usize::MAX).min(self.buffer.len());
        answer.body.extend(self.buffer.drain(..taken));
        answer.whole = length.is_none_or(|length| length == taken);
    }

    /// Reads the body until it holds `text`; false when it ended before.
    pub async fn until(&mut self, answer: &mut Answer, text: &str) -> bool {
        while find(&answer.body, text.as_bytes()).is_none() {
            match self.chunk().await {
                Some(chunk) if !chunk.is_empty() => answer.body.extend_from_slice(&chunk),
                _ => return false,
            }
        }
        true
    }

    /// The next chunk, empty for the last; `None` when the connection ended instead.
    pub async fn chunk(&mut self) -> Option<Vec<u8>> {
        let line = loop {
            if let Some(at) = find(&self.buffer, b"\r\n") {
                break at;
            }
            if !self.fill().await {
                return None;
            }
        };
        let size = std::str::from_utf8(&self.buffer[..line]).ok()?;
        let size = usize::from_str_radix(size, 16).ok()?;
        while self.buffer.len() < line + 2 + size + 2 {
            if !self.fill().await {
                return None;
            }
        }
        let chunk = self.buffer[line + 2..line + 2 + size].to_vec();
        self.buffer.drain(..line + 2 + size + 2);
        Some(chunk)
    }

    /// Whether the gateway closes the connection without a further byte.
    pub async fn is_closed(&mut self) -> bool {
        self.buffer.is_empty() && !self.fill().await
    }

    /// Reads once; `false` at the end of the connection, a reset included.
    async fn fill(&mut self) -> bool {
        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.buffer)).await;
        matches!(read.expect("the gateway answers"), Ok(1..))
    }
}

impl Answer {
    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(found, _)| found == name)?;
        Some(value)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as a tree; `null` when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// `error.type` of the envelope.
    pub fn error_type(&self) -> String {
        let json = self.json();
        json["error"]["type"].as_str().unwrap_or("").to_owned()
    }

    /// The names of the events.
    pub fn events(&self) -> Vec<String> {
        let text = self.text().replace("\r\n", "\n").replace('\r', "\n");
        let names = text.lines().filter_map(|line| line.strip_prefix("event: "));
        names.map(str::to_owned).collect()
    }

    fn is_chunked(&self) -> bool {
        self.header("transfer-encoding") == Some("chunked")
    }
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes
        .windows(needle.len())
        .position(|window| window == needle)
}
