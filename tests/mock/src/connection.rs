//! Serves one connection and commits the faults that the scenario asks for.
//!
//! Invariant: while an answer is under way, the client's leaving ends it at once and stands in the
//! journal as aborted; whatever else ends it early was scripted and counts as finished.

mod body;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::time::sleep;

use self::body::Body;
use crate::http::{Head, Reader};
use crate::journal::{Entry, Exchange};
use crate::reply::Reply;
use crate::scenario::{Framing, Scenario};
use crate::state::State;
use crate::web::{self, Live};
use crate::{admin, api, oauth, select};

/// What becomes of the connection after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    KeepAlive,
    Close,
    Reset,
}

/// Serves requests until either side ends the connection.
pub(crate) async fn serve(state: Arc<State>, mut stream: TcpStream) {
    let _open = state.journal.connected();
    let connection = state.next_connection();
    let mut reader = Reader::new(state.config.read_delay);
    loop {
        match exchange(&state, &mut stream, &mut reader, connection).await {
            Ok(Next::KeepAlive) => {}
            Ok(Next::Reset) => {
                let socket = socket2::SockRef::from(&stream);
                // Nothing is left to do for a socket that is already gone.
                let _ = socket.set_linger(Some(Duration::ZERO));
                return;
            }
            Ok(Next::Close) => {
                let _ = stream.shutdown().await;
                return;
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                let reply = Reply {
                    framing: Framing::Close,
                    ..Reply::error(400, &error.to_string())
                };
                let _ = stream.write_all(reply.head().as_bytes()).await;
                let _ = stream.write_all(&reply.pieces.concat()).await;
                let _ = stream.shutdown().await;
                return;
            }
            Err(_) => return,
        }
    }
}

async fn exchange(
    state: &State,
    stream: &mut TcpStream,
    reader: &mut Reader,
    connection: u64,
) -> io::Result<Next> {
    let Some(head) = reader.head(stream).await? else {
        return Ok(Next::Close);
    };
    let started = (Instant::now(), SystemTime::now(), state.journal.now_ms());
    let path = head.target.split('?').next().unwrap_or_default();
    if let Some(scenario) = select::scripted(state, &head.method, path, true) {
        let serial = state.next_serial();
        let mut reply = Reply::scripted(&scenario)
            .unwrap_or_else(|| Reply::whole(200, "application/json", Bytes::new()));
        reply.dress(
            state,
            Scenario {
                close: true,
                ..scenario
            },
            serial,
        );
        let entry = entry(&head, Bytes::new(), connection, started);
        return deliver(stream, &head, reply, state.journal.append(entry)).await;
    }
    if head.expects_continue() {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    let body = reader.body(stream, &head).await?;
    if let Some(reply) = admin::answer(state, &head, &body) {
        let bytes = [reply.head().into_bytes(), reply.pieces.concat()].concat();
        stream.write_all(&bytes).await?;
        return Ok(if head.keeps_alive() {
            Next::KeepAlive
        } else {
            Next::Close
        });
    }
    let exchange = state
        .journal
        .append(entry(&head, body.clone(), connection, started));
    let serial = state.next_serial();
    let reply = oauth::answer(state, &head, &body, serial)
        .or_else(|| web::answer(state, &head, &body, serial))
        .unwrap_or_else(|| api::answer(state, &head, &body, serial));
    deliver(stream, &head, reply, exchange).await
}

fn entry(head: &Head, body: Bytes, connection: u64, started: (Instant, SystemTime, u64)) -> Entry {
    let mut entry = Entry {
        id: 0,
        connection,
        method: head.method.clone(),
        target: head.target.clone(),
        headers: head.headers.clone(),
        body,
        started_at: started.0,
        started_wall: started.1,
        started_at_ms: started.2,
        status: None,
        scenario: None,
        events_sent: 0,
        finished_at_ms: None,
        aborted_at_ms: None,
        aborted_at: None,
    };
    oauth::redact(&mut entry);
    entry
}

/// Writes the reply unless the client leaves first.
async fn deliver(
    stream: &mut TcpStream,
    head: &Head,
    mut reply: Reply,
    exchange: Exchange,
) -> io::Result<Next> {
    exchange.update(|entry| entry.scenario.clone_from(&reply.scenario.name));
    let mut live = reply.live.take();
    let (mut read, mut write) = stream.split();
    let next = tokio::select! {
        biased;
        next = send(&mut write, head, &reply, live.as_deref_mut(), &exchange) => next?,
        () = client_left(&mut read) => return Ok(Next::Close),
    };
    if let Some(live) = live {
        live.finish(next != Next::KeepAlive);
    }
    exchange.finish();
    let keeps = next == Next::KeepAlive && head.keeps_alive() && !reply.closes();
    Ok(if next == Next::KeepAlive && !keeps {
        Next::Close
    } else {
        next
    })
}

/// Returns when the client has closed its side. A client that sends more is still there, and
/// cannot be watched further without reading its next request.
async fn client_left(read: &mut ReadHalf<'_>) {
    if matches!(read.peek(&mut [0]).await, Ok(1..)) {
        std::future::pending::<()>().await;
    }
}

async fn send(
    write: &mut WriteHalf<'_>,
    head: &Head,
    reply: &Reply,
    live: Option<&mut Live>,
    exchange: &Exchange,
) -> io::Result<Next> {
    let scenario = &reply.scenario;
    pause(scenario.first_byte_delay_ms).await;
    if scenario.reset_before_head {
        return Ok(Next::Reset);
    }
    if scenario.close_before_head {
        return Ok(Next::Close);
    }
    if scenario.stall_before_head {
        std::future::pending::<()>().await;
    }
    if let Some(raw) = &scenario.raw {
        write.write_all(raw.as_bytes()).await?;
        return Ok(Next::Close);
    }
    exchange.update(|entry| entry.status = Some(reply.status));
    write.write_all(reply.head().as_bytes()).await?;
    if head.method == "HEAD" {
        return Ok(Next::KeepAlive);
    }
    pause(scenario.first_event_delay_ms).await;
    Body::new(write, reply).send(live, exchange).await
}

async fn pause(ms: u64) {
    if ms > 0 {
        sleep(Duration::from_millis(ms)).await;
    }
}
