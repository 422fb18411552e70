//! Streams that stay open, to see what each costs in memory.

use tokio::net::TcpStream;

use super::connection::Connection;
use super::{Target, request_bytes};
use crate::error::{Error, Result};
use crate::mock::Kind;

/// Streams held open until this is dropped.
#[derive(Debug, Default)]
pub struct Held {
    streams: Vec<TcpStream>,
}

impl Held {
    /// Opens streams until `count` are open; each has had its first event.
    ///
    /// # Errors
    /// When one cannot be opened or gives no event.
    pub async fn grow_to(&mut self, target: &Target, count: usize) -> Result<()> {
        let request = request_bytes(target, Kind::Hold);
        while self.streams.len() < count {
            self.streams.push(
                Connection::new(target.address)
                    .open_stream(&request)
                    .await?,
            );
        }
        Ok(())
    }

    /// Checks that every stream is still open.
    ///
    /// # Errors
    /// When one was ended by the other side.
    pub fn check(&self) -> Result<()> {
        let mut scratch = [0; 4096];
        let mut ended = |stream: &&TcpStream| match stream.try_read(&mut scratch) {
            Ok(read) => read == 0,
            Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
        };
        match self.streams.iter().filter(&mut ended).count() {
            0 => Ok(()),
            ended => Err(Error::Answer(format!("{ended} held streams were ended"))),
        }
    }
}
