//! One keep-alive connection on tokio, reopened when the peer announced that it closes.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Expected;
use super::response::Response;
use crate::error::{Doing, Error, Result};

const READ_BYTES: usize = 32 << 10;

/// A client's connection to a target.
#[derive(Debug)]
pub struct Connection {
    address: SocketAddr,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
    response: Response,
}

impl Connection {
    /// Connects at the first request.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            stream: None,
            buffer: vec![0; READ_BYTES],
            response: Response::default(),
        }
    }

    /// Sends `request` and reads its whole answer, which must be the expected one.
    ///
    /// # Errors
    /// When it is not, or the connection fails; the next call connects anew.
    pub async fn exchange(&mut self, request: &[u8], expected: Expected) -> Result<()> {
        let result = self.attempt(request).await;
        if result.is_err() || self.response.closes {
            self.stream = None;
        }
        result?;
        self.response.check(expected).map_err(Error::Answer)
    }

    /// Sends `request` and reads until the first event of its answer is whole.
    ///
    /// # Errors
    /// When the answer is refused, ends before that, or the connection fails.
    pub async fn open_stream(mut self, request: &[u8]) -> Result<TcpStream> {
        self.send(request).await?;
        while self.response.events == 0 {
            self.read_some().await?;
            if self.response.is_done() {
                return Err(Error::Answer(format!(
                    "status {}, no event",
                    self.response.status
                )));
            }
        }
        self.stream
            .ok_or_else(|| Error::Answer("no connection".to_owned()))
    }

    async fn attempt(&mut self, request: &[u8]) -> Result<()> {
        self.send(request).await?;
        while !self.response.is_done() {
            self.read_some().await?;
        }
        Ok(())
    }

    async fn send(&mut self, request: &[u8]) -> Result<()> {
        self.response.reset();
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => {
                let stream = TcpStream::connect(self.address).await.doing("connect")?;
                stream.set_nodelay(true).doing("set TCP_NODELAY")?;
                none.insert(stream)
            }
        };
        stream.write_all(request).await.doing("send a request")
    }

    async fn read_some(&mut self) -> Result<()> {
        let Some(stream) = &mut self.stream else {
            return Err(Error::Answer("no connection".to_owned()));
        };
        let read = stream
            .read(&mut self.buffer)
            .await
            .doing("read an answer")?;
        if read == 0 {
            let got = self.response.bytes;
            return Err(Error::Answer(format!(
                "connection closed after {got} body bytes"
            )));
        }
        self.response
            .feed(&self.buffer[..read])
            .map_err(Error::Answer)
    }
}

/// The status of a GET, for readiness; waits at most a second.
///
/// # Errors
/// When there is no answer.
pub async fn get_status(address: SocketAddr, path: &str) -> Result<u16> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    let mut connection = Connection::new(address);
    let attempt = connection.attempt(request.as_bytes());
    let late = |_| Error::Answer("no answer within a second".to_owned());
    tokio::time::timeout(Duration::from_secs(1), attempt)
        .await
        .map_err(late)??;
    Ok(connection.response.status)
}
