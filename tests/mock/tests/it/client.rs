//! A client that shows what the mock put on the wire, faults included.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use troupe_mock::{Answer, Mock, MockConfig, MockServer};

pub(crate) async fn mock() -> MockServer {
    Mock::start(MockConfig::default()).await.unwrap()
}

/// What came back on one connection until the mock closed it.
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// Whether the body ended as its framing promised.
    pub(crate) complete: bool,
    pub(crate) reset: bool,
}

impl Got {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn events(&self) -> Vec<String> {
        let text = self.text().replace("\r\n", "\n").replace('\r', "\n");
        text.lines()
            .filter_map(|line| line.strip_prefix("event: "))
            .map(str::to_owned)
            .collect()
    }
}

pub(crate) async fn connect(server: &MockServer, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

pub(crate) async fn call(server: &MockServer, request: &str) -> Got {
    let mut stream = connect(server, request).await;
    let mut bytes = Vec::new();
    let reset = stream.read_to_end(&mut bytes).await.is_err();
    let end = bytes
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .map_or(bytes.len(), |at| at + 4);
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|word| word.parse().ok())
        .unwrap_or(0);
    let raw = &bytes[end..];
    let (body, complete) = if head.contains("transfer-encoding: chunked") {
        unchunk(raw)
    } else {
        let promised = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let complete = promised.is_none_or(|len| len.parse::<usize>().unwrap() == raw.len());
        (raw.to_vec(), complete)
    };
    Got {
        status,
        head,
        body,
        complete,
        reset,
    }
}

pub(crate) fn unchunk(mut raw: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    while let Some(end) = raw.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&raw[..end]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        raw = &raw[end + 2..];
        if size == 0 {
            return (body, true);
        }
        if raw.len() < size + 2 {
            break;
        }
        body.extend_from_slice(&raw[..size]);
        raw = &raw[size + 2..];
    }
    (body, false)
}

pub(crate) fn request(method: &str, target: &str, headers: &str, body: &str) -> String {
    format!(
        "{method} {target} HTTP/1.1\r\nhost: mock\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

pub(crate) fn ask(more: Value) -> String {
    let mut body = json!({"model": "claude-sonnet-5", "max_tokens": 1000,
        "messages": [{"role": "user", "content": "Hello"}]});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    request("POST", "/v1/messages?beta=true", "", &body.to_string())
}

pub(crate) fn stream() -> String {
    ask(json!({"stream": true}))
}

pub(crate) async fn scripted(answer: Answer, request: &str) -> (Got, troupe_mock::Entry) {
    let server = mock().await;
    server.script([answer]);
    let got = call(&server, request).await;
    let journal = server.journal();
    let entry = journal
        .wait_for_entry(|entry| entry.is_over())
        .await
        .unwrap();
    assert_eq!(server.scripted(), 0);
    journal
        .wait_for_connections(|open| open == 0)
        .await
        .unwrap();
    server.shutdown().await;
    (got, entry)
}
