//! One attempt: a request to one account's upstream, and the head of its answer.
//!
//! Invariant: dropping the future or the answer closes the connection at once; a redirect is an answer like any other;
//! an answer that cannot be told from the next one on its connection (interim, unframed) is an error and ends that
//! connection.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    time::{SystemTime, UNIX_EPOCH},
};

use actix_http::{
    HttpMessage as _, Method, StatusCode, Version,
    body::{self, BodyStream, SizedStream},
    header::{self, HeaderMap},
};
use awc::{ClientResponse, SendClientRequest};

use crate::{
    base_url::Target,
    body::{AnswerBody, Body, SLICE_BYTES, Sliced, Watched},
    client::UpstreamClient,
    error::SendError,
    facts::Facts,
    headers,
};

/// What goes up; the headers come from [`headers::up`].
#[derive(Debug)]
pub struct UpstreamRequest {
    pub method: Method,
    pub target: Target,
    pub headers: HeaderMap,
    pub body: Body,
}

/// What came: the head already filtered for the client, the body as it arrives.
#[derive(Debug)]
pub struct UpstreamAnswer {
    pub status: StatusCode,
    pub headers: HeaderMap,
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
    let is_head = request.method == Method::HEAD;
    let mut sending = start(client, request)?;
    let watch = client.watch();
    let mut dialled = false;
    let outcome = poll_fn(|cx| {
        watch.dialled.set(false);
        let polled = Pin::new(&mut sending).poll(cx);
        dialled |= watch.dialled.get();
        polled
    })
    .await;
    let response = outcome.map_err(|err| SendError::read(err, !dialled))?;
    read(client, response, is_head, !dialled)
}

fn start(
    client: &UpstreamClient,
    request: UpstreamRequest,
) -> Result<SendClientRequest, SendError> {
    let UpstreamRequest {
        method,
        target,
        mut headers,
        body,
    } = request;
    let secure = target.uri.scheme_str() == Some("https");
    let http = client
        .for_scheme(secure)
        .map_err(|err| SendError::Tls(err.to_string()))?;
    headers.insert(header::HOST, target.host);
    let mut outgoing = http.request(method, target.uri).no_decompress();
    *outgoing.headers_mut() = headers;
    Ok(match body {
        // `send()` would say `content-length: 0`.
        Body::Empty => outgoing.send_body(body::None::new()),
        Body::Bytes(bytes) if bytes.len() <= SLICE_BYTES => outgoing.send_body(bytes),
        Body::Bytes(bytes) => outgoing.send_body(Sliced(bytes)),
        Body::Stream {
            stream,
            length: None,
        } => outgoing.send_body(BodyStream::new(stream)),
        Body::Stream {
            stream,
            length: Some(length),
        } => outgoing.send_body(SizedStream::new(length, stream)),
    })
}

fn read(
    client: &UpstreamClient,
    mut response: ClientResponse,
    is_head: bool,
    reused: bool,
) -> Result<UpstreamAnswer, SendError> {
    let watch = client.watch();
    let (status, version) = (response.status(), response.version());
    let payload = response.take_payload();
    let mut headers = HeaderMap::new();
    let _ = response.map_body(|head, _| {
        headers = std::mem::take(&mut head.headers);
        actix_http::Payload::<()>::None
    });
    let facts = headers::down(&mut headers, now_ms());

    if status.is_informational() {
        watch.poison_last_read();
        return Err(SendError::InvalidResponse(format!(
            "interim status {status}"
        )));
    }
    let bodiless =
        is_head || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED;
    let body = if bodiless {
        AnswerBody::empty()
    } else if !facts.framed && version != Version::HTTP_10 {
        // awc takes it for an empty one and keeps the connection; its body would be read as the next answer.
        watch.poison_last_read();
        return Err(SendError::InvalidResponse("body without a length".into()));
    } else if matches!(payload, actix_http::Payload::None) {
        AnswerBody::empty()
    } else {
        AnswerBody::new(
            Watched::new(payload, watch.clone(), !facts.framed),
            facts.coding,
        )
        .ok_or_else(|| SendError::InvalidResponse("unknown content-encoding".into()))?
    };
    Ok(UpstreamAnswer {
        status,
        headers,
        facts,
        body,
        reused,
    })
}

fn now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
