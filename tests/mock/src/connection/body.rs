//! Writes the body of an answer, piece by piece, and breaks it where the scenario says.
//!
//! Invariant: faults count pieces from the beginning of the body, over all pauses of a live stream;
//! one that is due when a pause begins comes then, and not after it.

use std::io;

use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::WriteHalf;

use super::{Next, pause};
use crate::journal::Exchange;
use crate::reply::Reply;
use crate::scenario::{Framing, Scenario, Split};
use crate::web::Live;

pub(super) struct Body<'w, 's, 'r> {
    write: &'w mut WriteHalf<'s>,
    reply: &'r Reply,
    sent_bytes: usize,
}

impl<'w, 's, 'r> Body<'w, 's, 'r> {
    pub(super) fn new(write: &'w mut WriteHalf<'s>, reply: &'r Reply) -> Self {
        Self {
            write,
            reply,
            sent_bytes: 0,
        }
    }

    /// Sends the pieces, those that come live, and the end; returns what becomes of the connection.
    pub(super) async fn send(
        mut self,
        mut live: Option<&mut Live>,
        exchange: &Exchange,
    ) -> io::Result<Next> {
        let scenario = &self.reply.scenario;
        let (mut pieces, mut index) = (self.reply.pieces.clone(), 0);
        loop {
            if scenario.split == Split::Whole {
                pieces = vec![Bytes::from(pieces.concat())];
            }
            for piece in &pieces {
                if index > 0 {
                    pause(scenario.event_delay_ms).await;
                }
                if let Some(next) = fault_before(scenario, index).await {
                    return Ok(next);
                }
                let is_cut = scenario.truncate_after_events == Some(index);
                let piece = if is_cut {
                    &piece[..piece.len() / 2]
                } else {
                    &piece[..]
                };
                if !self.piece(piece).await? || is_cut {
                    return Ok(Next::Close);
                }
                exchange.update(|entry| entry.events_sent += 1);
                index += 1;
            }
            if let Some(next) = fault_before(scenario, index).await {
                return Ok(next);
            }
            let more = match &mut live {
                Some(live) => live.next().await,
                None => None,
            };
            match more {
                Some(more) => pieces = more,
                None => break,
            }
        }
        self.repeat(exchange).await?;
        if self.reply.framing == Framing::Chunked {
            self.write.write_all(b"0\r\n\r\n").await?;
        }
        Ok(Next::KeepAlive)
    }

    async fn repeat(&mut self, exchange: &Exchange) -> io::Result<()> {
        let event_delay_ms = match self.reply.scenario.event_delay_ms {
            0 => 20,
            ms => ms,
        };
        while let Some(piece) = &self.reply.repeated {
            pause(event_delay_ms).await;
            self.piece(piece).await?;
            exchange.update(|entry| entry.events_sent += 1);
        }
        Ok(())
    }

    /// Writes one piece in the framing and the cuts of the scenario; `false` when the scenario
    /// truncates the body inside it.
    async fn piece(&mut self, piece: &[u8]) -> io::Result<bool> {
        let scenario = &self.reply.scenario;
        let left = scenario
            .truncate_after_bytes
            .map(|limit| limit - self.sent_bytes.min(limit));
        let allowed = left.map_or(piece.len(), |left| left.min(piece.len()));
        let size = match scenario.split {
            Split::Bytes(size) => size.max(1),
            _ => piece.len().max(1),
        };
        for part in piece[..allowed].chunks(size) {
            self.part(part).await?;
            if part.len() < piece.len() {
                // Lets the reader see this part before the next is written.
                tokio::task::yield_now().await;
            }
        }
        self.sent_bytes += allowed;
        Ok(allowed == piece.len() && left.is_none_or(|left| left > piece.len()))
    }

    async fn part(&mut self, part: &[u8]) -> io::Result<()> {
        if self.reply.framing != Framing::Chunked {
            return self.write.write_all(part).await;
        }
        let mut chunk = format!("{:x}\r\n", part.len()).into_bytes();
        chunk.extend_from_slice(part);
        chunk.extend_from_slice(b"\r\n");
        self.write.write_all(&chunk).await
    }
}

/// The fault that is due when `index` pieces were sent.
async fn fault_before(scenario: &Scenario, index: usize) -> Option<Next> {
    if scenario.stall_after_events == Some(index) {
        std::future::pending::<()>().await;
    }
    (scenario.reset_after_events == Some(index)).then_some(Next::Reset)
}
