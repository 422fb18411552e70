//! One attempt: a request to one account's upstream, and the head of its answer.
//!
//! Invariant: dropping the future or the answer closes the connection at once; a redirect is an answer like any other;
//! an answer that cannot be told from the next one on its connection is an error and ends that connection.

use std::{
    future::poll_fn,
    rc::Rc,
    task::{Context, Poll, ready},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use actix_http::{Method, StatusCode};
use bytes::Bytes;

use crate::{
    base_url::Target,
    body::{AnswerBody, Body},
    client::{Shared, UpstreamClient},
    connect::connect,
    connection::Connection,
    decode::Decoder,
    error::{SendError, is_reset},
    facts::Facts,
    head::{Framing, Head, HeadReader},
    header_list::{HeaderLines, HeaderList},
    headers,
    incoming::{Incoming, Route},
    network::Network,
    outgoing::{Outgoing, Unsent},
    pool::Place,
};

/// What goes up; the headers come from [`headers::up`].
#[derive(Debug)]
pub struct UpstreamRequest {
    pub method: Method,
    pub target: Target,
    pub headers: HeaderLines,
    pub body: Body,
    /// How the account reaches its upstream.
    pub network: Network,
    pub owner: headers::Owner,
}

/// What came: the head already filtered for the client, the body as it arrives.
#[derive(Debug)]
pub struct UpstreamAnswer {
    pub status: StatusCode,
    pub headers: HeaderList,
    pub facts: Facts,
    pub body: AnswerBody,
    /// Did the request go over a connection that had carried another?
    pub reused: bool,
}

/// Sends, and waits for the answer's head without a limit of its own.
pub async fn send(
    client: &UpstreamClient,
    request: UpstreamRequest,
) -> Result<UpstreamAnswer, SendError> {
    let UpstreamRequest {
        method,
        target: Target { uri, host },
        headers,
        body,
        network,
        owner,
    } = request;
    let shared = client.shared();
    let secure = uri.scheme_str() == Some("https");
    let place = Place {
        network: network.key(),
        secure,
        host: host.as_bytes(),
    };
    let idle = shared.pool.borrow_mut().take(place, Instant::now());
    let reused = idle.is_some();
    let connection = match idle {
        Some(connection) => connection,
        None => {
            let limit = shared.settings.connect_timeout;
            // Boxed: the usual request dials none, and its future stays small.
            Box::pin(connect(&network, &uri, secure, limit)).await?
        }
    };
    let mut exchange = Exchange {
        connection,
        outgoing: Outgoing::new(&method, &uri, &host, &headers, body),
        upload: Upload::Going,
        reader: HeadReader::default(),
        early: None,
        reused,
    };
    drop(headers);
    let answered = poll_fn(|cx| exchange.poll(cx, shared)).await;
    if let Err(SendError::ResetBeforeHead { reused: true }) = answered {
        // What is tried next goes over a fresh one.
        shared.pool.borrow_mut().forget(place);
    }
    let (head, first) = answered?;
    let route = Route {
        connection: exchange.connection,
        shared: Rc::clone(shared),
        network: network.key(),
        secure,
        host,
        reusable: head.keep_alive && !head.contradicts_itself() && exchange.upload == Upload::Done,
    };
    let (status, framing) = (head.status, framing(&head, method == Method::HEAD)?);
    let (headers, facts) = headers::down(head.headers, owner, now_ms());
    let body = body_of(route, framing, first, &facts)?;
    Ok(UpstreamAnswer {
        status,
        headers,
        facts,
        body,
        reused,
    })
}

/// Sending the request and reading the head of its answer, both at once.
struct Exchange {
    connection: Connection,
    outgoing: Outgoing,
    upload: Upload,
    reader: HeadReader,
    /// An answer that came before the request was sent, and does not refuse it.
    early: Option<(Head, Bytes)>,
    reused: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Upload {
    Going,
    Done,
    /// The upstream has closed and takes no more. What it said before is still to be read.
    Cut,
}

// === impl Exchange ===

impl Exchange {
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        shared: &Shared,
    ) -> Poll<Result<(Head, Bytes), SendError>> {
        if self.upload == Upload::Going {
            match self.outgoing.poll_send(cx, &mut self.connection) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => self.upload = Upload::Done,
                Poll::Ready(Err(Unsent::Io(err))) if is_reset(&err) => self.upload = Upload::Cut,
                Poll::Ready(Err(Unsent::Io(_))) => return Poll::Ready(Err(self.ended())),
                Poll::Ready(Err(Unsent::Body(err))) => {
                    return Poll::Ready(Err(SendError::RequestBody(err)));
                }
            }
        }
        let answer = match self.early.take() {
            Some(answer) => answer,
            None => ready!(self.poll_head(cx, shared))?,
        };
        let refuses = answer.0.status.is_client_error() || answer.0.status.is_server_error();
        if self.upload == Upload::Going && !refuses {
            self.early = Some(answer);
            return Poll::Pending;
        }
        Poll::Ready(Ok(answer))
    }

    fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        shared: &Shared,
    ) -> Poll<Result<(Head, Bytes), SendError>> {
        loop {
            let scratch = &mut *shared.scratch.borrow_mut();
            let count = match ready!(self.connection.poll_read(cx, scratch)) {
                Ok(0) => return Poll::Ready(Err(self.ended())),
                Ok(count) => count,
                Err(err) if is_reset(&err) => return Poll::Ready(Err(self.ended())),
                Err(err) => return Poll::Ready(Err(invalid(err))),
            };
            if let Some(answer) = self.reader.feed(&scratch[..count]).map_err(invalid)? {
                return Poll::Ready(Ok(answer));
            }
        }
    }

    fn ended(&self) -> SendError {
        if self.reader.has_begun() {
            return SendError::InvalidResponse("ends within its head".into());
        }
        SendError::ResetBeforeHead {
            reused: self.reused,
        }
    }
}

/// `None` for an answer without a body.
fn framing(head: &Head, is_head: bool) -> Result<Option<Decoder>, SendError> {
    let without = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED];
    if is_head || without.contains(&head.status) {
        return Ok(None);
    }
    match head.framing {
        None if !head.close_delimits => Err(invalid("body without a length")),
        Some(Framing::Length(0)) => Ok(None),
        framing => Ok(Some(Decoder::new(framing))),
    }
}

fn body_of(
    mut route: Route,
    decoder: Option<Decoder>,
    first: Bytes,
    facts: &Facts,
) -> Result<AnswerBody, SendError> {
    let Some(decoder) = decoder else {
        route.reusable &= first.is_empty();
        route.finish();
        return Ok(AnswerBody::empty());
    };
    AnswerBody::new(Incoming::new(route, decoder, first), facts.coding)
        .ok_or_else(|| invalid("unknown content-encoding"))
}

fn invalid(reason: impl ToString) -> SendError {
    SendError::InvalidResponse(reason.to_string())
}

fn now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
pub(crate) mod tests;
