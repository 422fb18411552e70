//! The mock's accept loop and connection task.
//!
//! Meant for a current-thread runtime: a thread's worth of CPU is the whole mock.

use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, sleep_until};

use super::request::{LIMIT_BYTES, Request, parse};
use super::{Answers, Kind};

const DELTA_EVERY: Duration = Duration::from_millis(5);
const PING_EVERY: Duration = Duration::from_secs(3);
const READ_BYTES: usize = 4 << 10;

/// Answers every connection of `listener` until it is dropped. Must run inside a `LocalSet`.
///
/// # Errors
/// When accepting fails for good; a failed connection is only closed.
pub async fn serve(listener: TcpListener) -> std::io::Result<()> {
    let answers = Rc::new(Answers::prepare());
    loop {
        let (stream, _) = listener.accept().await?;
        // Without it a paced stream waits for the peer's delayed acknowledgement (40 ms).
        stream.set_nodelay(true)?;
        let answers = Rc::clone(&answers);
        // A connection's error is its end; the client's own check tells whether that was too soon.
        tokio::task::spawn_local(async move { connection(stream, &answers).await });
    }
}

async fn connection(mut stream: TcpStream, answers: &Answers) -> std::io::Result<()> {
    let mut buffer = Vec::with_capacity(READ_BYTES);
    loop {
        while let Some(request) = parse(&buffer) {
            answer(&mut stream, answers, &request).await?;
            buffer.drain(..request.len);
        }
        if buffer.len() > LIMIT_BYTES || stream.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
    }
}

async fn answer(stream: &mut TcpStream, all: &Answers, request: &Request) -> std::io::Result<()> {
    match request.kind {
        Some(Kind::Json) => stream.write_all(&all.json).await,
        Some(Kind::Burst) => stream.write_all(&all.burst).await,
        Some(Kind::Paced) => paced(stream, all).await,
        Some(Kind::Hold) => hold(stream, all).await,
        None if request.head_only => stream.write_all(&all.listing_head).await,
        None => stream.write_all(&all.listing).await,
    }
}

async fn paced(stream: &mut TcpStream, answers: &Answers) -> std::io::Result<()> {
    stream.write_all(&answers.opening).await?;
    let mut next = Instant::now();
    let mut timer = std::pin::pin!(sleep(Duration::ZERO));
    for delta in &answers.deltas {
        next += DELTA_EVERY;
        timer.as_mut().reset(next);
        timer.as_mut().await;
        stream.write_all(delta).await?;
    }
    Ok(())
}

/// Keeps the stream open until the client leaves; its leaving is the expected end.
async fn hold(stream: &mut TcpStream, answers: &Answers) -> std::io::Result<()> {
    stream.write_all(&answers.held).await?;
    let mut rest = [0; 64];
    let mut next = Instant::now();
    loop {
        next += PING_EVERY;
        tokio::select! {
            read = stream.read(&mut rest) => {
                read?;
                return Err(std::io::ErrorKind::ConnectionAborted.into());
            }
            () = sleep_until(next) => stream.write_all(&answers.ping).await?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_burst_arrives_whole_and_the_connection_serves_again() {
        let local = tokio::task::LocalSet::new();
        local
            .run_until(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
                let address = listener.local_addr().expect("address");
                tokio::task::spawn_local(serve(listener));
                let mut stream = TcpStream::connect(address).await.expect("connect");
                let body = r#"{"model":"bench-burst"}"#;
                let request = format!(
                    "POST /v1/messages HTTP/1.1\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                );
                let expected = Answers::prepare().burst;
                for _ in 0..2 {
                    stream.write_all(request.as_bytes()).await.expect("write");
                    let mut answer = vec![0; expected.len()];
                    stream.read_exact(&mut answer).await.expect("read");
                    assert_eq!(answer, expected);
                }
            })
            .await;
    }
}
