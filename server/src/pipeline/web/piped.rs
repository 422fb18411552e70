//! From the control runtime, where the surface is read, to the HTTP worker that relays it.
//!
//! Invariant: what waits between the two is bounded in bytes; a client that leaves ends the reader; what the answer says
//! of the account is known to it before the client has the answer's end.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use actix_web::http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use troupe_actors::account::ActiveAccount;
use troupe_core::account::{Auth, Report, Verdict};
use troupe_upstream::AnswerStream;
use troupe_upstream::web::{LimitNotice, Organization, WebAnswer, WebBody, WebFault, WebStream};

/// Bytes and pieces that wait for the relay, which holds a bounded part itself. A longer piece is alone.
const AHEAD_BYTES: u32 = 256 * 1024;
const AHEAD_PIECES: usize = 1_024;
/// How long an answer waits for an account's actor that is busy.
const KNOWN_WITHIN: Duration = Duration::from_millis(100);

const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Fields of the request that have no effect on the web surface, by name.
const IGNORED: HeaderName = HeaderName::from_static("x-troupe-ignored");
/// A connection test that the gateway answered itself.
const ANSWERED: HeaderName = HeaderName::from_static("x-troupe-answered-locally");

/// An answer that has begun, with a body that may travel between threads.
pub(super) struct Begun {
    pub head: HeaderMap,
    pub organization: Option<Organization>,
    pub body: Piped,
}

pub(super) enum Piped {
    Whole(Bytes),
    Events(mpsc::Receiver<(Bytes, OwnedSemaphorePermit)>),
}

/// Whom the answer's faults and limits are told.
pub(super) struct Told {
    pub account: Arc<ActiveAccount>,
    /// Of the cookie that was shown.
    pub generation: u64,
}

impl Told {
    async fn note(&self, verdict: Verdict) {
        let report = Report::new(Auth::Web, self.generation, None, verdict);
        // Told at once; only the answer waits no longer than this.
        let _ = tokio::time::timeout(KNOWN_WITHIN, self.account.note(report)).await;
    }
}

/// Runs on the control runtime; returns when the client may hear something.
pub(super) async fn begin(
    answering: impl Future<Output = Result<WebAnswer, WebFault>> + Send,
    told: Told,
) -> Result<Begun, WebFault> {
    let WebAnswer {
        body,
        organization,
        answered_locally,
        ignored,
        limit,
    } = answering.await?;
    let mut head = HeaderMap::new();
    if answered_locally {
        head.insert(ANSWERED, HeaderValue::from_static("true"));
    }
    if let Ok(names) = HeaderValue::from_str(&ignored.join(", "))
        && !ignored.is_empty()
    {
        head.insert(IGNORED, names);
    }
    let body = match body {
        WebBody::Json(whole) => {
            head.insert(CONTENT_TYPE, JSON);
            if let Some(verdict) = limit.verdict() {
                told.note(verdict).await;
            }
            Piped::Whole(whole)
        }
        WebBody::Stream(stream) => {
            head.insert(CONTENT_TYPE, EVENTS);
            let (to, events) = mpsc::channel(AHEAD_PIECES);
            tokio::spawn(pump(stream, limit, told, to));
            Piped::Events(events)
        }
    };
    Ok(Begun {
        head,
        organization,
        body,
    })
}

async fn pump(
    mut stream: WebStream,
    limit: LimitNotice,
    told: Told,
    to: mpsc::Sender<(Bytes, OwnedSemaphorePermit)>,
) {
    let room = Arc::new(Semaphore::new(AHEAD_BYTES as usize));
    let mut limited = None;
    loop {
        let next = tokio::select! {
            next = stream.next() => next,
            () = to.closed() => break,
        };
        // Served, and the last for a while.
        if limited.is_none() {
            limited = limit.verdict();
            if let Some(verdict) = limited.clone() {
                told.note(verdict).await;
            }
        }
        let piece = match next {
            Some(Ok(piece)) => piece,
            Some(Err(fault)) => {
                if fault.verdict.is_account_fault() && limited.as_ref() != Some(&fault.verdict) {
                    told.note(fault.verdict.clone()).await;
                }
                fault.event()
            }
            None => break,
        };
        let cost = u32::try_from(piece.len())
            .unwrap_or(u32::MAX)
            .min(AHEAD_BYTES);
        let permit = tokio::select! {
            permit = Arc::clone(&room).acquire_many_owned(cost) => permit,
            () = to.closed() => break,
        };
        let Ok(permit) = permit else { break };
        if to.send((piece, permit)).await.is_err() {
            break;
        }
    }
}

impl Piped {
    /// The body, its length where that is known, and whether it is events.
    pub(super) fn into_stream(self) -> (AnswerStream, Option<u64>, bool) {
        match self {
            Self::Whole(whole) => {
                let length = whole.len() as u64;
                let once = futures_util::stream::iter([Ok(whole)]);
                (Box::pin(once), Some(length), false)
            }
            Self::Events(mut events) => {
                let pieces = futures_util::stream::poll_fn(move |cx| match events.poll_recv(cx) {
                    Poll::Ready(Some((piece, _room))) => Poll::Ready(Some(Ok(piece))),
                    Poll::Ready(None) => Poll::Ready(None),
                    Poll::Pending => Poll::Pending,
                });
                (Box::pin(pieces), None, true)
            }
        }
    }
}
