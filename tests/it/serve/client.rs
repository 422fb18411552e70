//! A small HTTP client that hides nothing: every status, header and byte is there to be asserted on, and a body can be
//! read piece by piece while the gateway still sends it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::secrets;

/// A test hangs no longer than this on a silent server.
const PATIENCE: Duration = Duration::from_secs(40);

/// A request with what all of them need.
#[derive(Clone, Debug)]
pub struct Ask {
    method: &'static str,
    path: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Ask {
    pub fn get(path: &str) -> Self {
        Self::new("GET", path, String::new())
    }

    pub fn new(method: &'static str, path: &str, body: String) -> Self {
        Self {
            method,
            path: path.to_owned(),
            headers: Vec::new(),
            body,
        }
    }

    /// `POST /v1/messages` whose answer is the mock's `scenario` (a name or JSON).
    pub fn message(scenario: &str, stream: bool) -> Self {
        let text = format!("[[mock:{scenario}]]");
        let body = serde_json::json!({
            "model": "claude-haiku-4-5", "max_tokens": 64, "stream": stream,
            "messages": [{"role": "user", "content": text}],
        });
        Self::new("POST", "/v1/messages", body.to_string())
            .with("content-type", "application/json")
            .with("anthropic-version", "2023-06-01")
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        secrets::know_header(name, value);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn key(self, key: &str) -> Self {
        self.with("x-api-key", key)
    }

    /// Sends it on a connection of its own and reads the answer's head.
    pub fn try_send(&self, to: SocketAddr) -> std::io::Result<Reply> {
        let mut stream = TcpStream::connect_timeout(&to, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let mut request = format!("{} {} HTTP/1.1\r\nhost: {to}\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            request += &format!("{name}: {value}\r\n");
        }
        if !self.body.is_empty() {
            request += &format!("content-length: {}\r\n", self.body.len());
        }
        request += "\r\n";
        request += &self.body;
        stream.write_all(request.as_bytes())?;
        Reply::read(BufReader::new(stream))
    }

    pub fn send(&self, to: SocketAddr) -> Reply {
        self.try_send(to)
            .unwrap_or_else(|error| panic!("{} {} at {to}: {error}", self.method, self.path))
    }

    /// The status alone; 0 when there is no answer.
    pub fn status(&self, to: SocketAddr) -> u16 {
        self.try_send(to).map_or(0, |reply| reply.status)
    }
}

/// An answer whose head has come; dropped, its connection closes.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    reader: BufReader<TcpStream>,
    framing: Framing,
    /// Of the body, what has been read.
    text: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
enum Framing {
    Length(usize),
    Chunked,
    Ended,
}

impl Reply {
    fn read(mut reader: BufReader<TcpStream>) -> std::io::Result<Self> {
        let first = line(&mut reader)?;
        let status = first.split(' ').nth(1).and_then(|s| s.parse().ok());
        let status = status.ok_or_else(|| std::io::Error::other(format!("not HTTP: {first:?}")))?;
        let mut headers = Vec::new();
        loop {
            let header = line(&mut reader)?;
            if header.is_empty() {
                break;
            }
            let (name, value) = header.split_once(':').unwrap_or((&header, ""));
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut reply = Self {
            status,
            headers,
            reader,
            framing: Framing::Ended,
            text: Vec::new(),
        };
        reply.framing = if reply.header("transfer-encoding") == Some("chunked") {
            Framing::Chunked
        } else {
            let length = reply.header("content-length").and_then(|v| v.parse().ok());
            Framing::Length(length.unwrap_or_default())
        };
        Ok(reply)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(found, _)| found == name)?;
        Some(value)
    }

    /// Reads the next piece of the body; false at its proper end.
    fn more(&mut self) -> std::io::Result<bool> {
        let size = match self.framing {
            Framing::Ended => 0,
            Framing::Length(length) => {
                self.framing = Framing::Ended;
                length
            }
            Framing::Chunked => {
                let size = line(&mut self.reader)?;
                usize::from_str_radix(&size, 16).map_err(std::io::Error::other)?
            }
        };
        let mut piece = vec![0; size];
        self.reader.read_exact(&mut piece)?;
        self.text.extend(piece);
        if matches!(self.framing, Framing::Chunked) {
            line(&mut self.reader)?;
            if size == 0 {
                self.framing = Framing::Ended;
            }
        }
        Ok(size > 0)
    }

    /// Reads until the body has `needle`.
    pub fn until(&mut self, needle: &str) {
        while !self.so_far().contains(needle) {
            let more = self.more();
            assert!(
                matches!(more, Ok(true)),
                "{more:?} before {needle}, after:\n{}",
                self.so_far()
            );
        }
    }

    pub fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.text).into_owned()
    }

    /// The whole body; the error says that it was cut.
    pub fn rest(&mut self) -> std::io::Result<String> {
        while self.more()? {}
        Ok(self.so_far())
    }

    /// The whole body, which must not be cut.
    pub fn body(mut self) -> String {
        match self.rest() {
            Ok(text) => text,
            Err(error) => panic!("a cut body ({error}) after:\n{}", self.so_far()),
        }
    }

    pub fn json(self) -> serde_json::Value {
        let body = self.body();
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error} in {body}"))
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        secrets::look("an answer's head", format!("{:?}", self.headers).as_bytes());
        secrets::look("an answer's body", &self.text);
    }
}

fn line(reader: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end().to_owned())
}
