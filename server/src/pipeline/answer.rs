//! The head of what the client gets, whoever answers: the upstream, or the gateway itself.
//!
//! Invariant: every answer carries our `request-id` and `server-timing`; framing is our own; nothing of the account's
//! comes down.

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, Method, StatusCode, Version};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use troupe_core::RequestId;
use troupe_core::limit::Hold;
use troupe_core::record::{Outcome, Route};
use troupe_upstream::{Facts, HeaderList};

use super::attempt::Opened;
use super::exchange::Exchange;
use super::failure::Whole;
use super::limits::told;
use super::noted;
use super::relay::Relay;
use crate::error::{Manner, Problem};
use crate::plan::Plan;

const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const UPSTREAM_REQUEST_ID: HeaderName = HeaderName::from_static("x-troupe-upstream-request-id");
/// The model that the client asked for, where a limit had another one asked.
const DOWNGRADED_FROM: HeaderName = HeaderName::from_static("x-troupe-downgraded-from");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// The value of `request-id`.
#[must_use]
pub fn request_id(id: RequestId) -> HeaderValue {
    HeaderValue::from_maybe_shared(Bytes::copy_from_slice(&id.text()))
        .unwrap_or(HeaderValue::from_static(""))
}

/// Headers that every answer carries.
pub fn mark(exchange: &mut Exchange, headers: &mut HeaderMap) {
    exchange.head_ready();
    headers.insert(REQUEST_ID, request_id(exchange.id()));
    headers.insert(SERVER_TIMING, exchange.server_timing());
    if let Some(capture) = exchange.capturing() {
        capture.head(headers);
    }
}

/// An error of the gateway's own; settles the request.
pub fn problem(exchange: &mut Exchange, problem: &Problem, plan: &Plan) -> HttpResponse {
    let manner = Manner {
        shape: plan.error_shape,
        spend_message: plan.spend_message.as_deref(),
    };
    let mut response = problem.answer(exchange.id(), manner);
    let status = response.status();
    exchange.record.status = status.as_u16();
    exchange
        .record
        .error
        .get_or_insert_with(|| problem.detail().into_owned());
    mark(exchange, response.headers_mut());
    if let Some(capture) = exchange.capturing() {
        response = whole_of(response, |body| capture.piece(body));
    }
    if let Some(limit) = problem.limit() {
        exchange.worker.gateway.telemetry.refused(limit);
    }
    if let Problem::Limit(refusal) = problem {
        noted::quota_exceeded(exchange, refusal);
    }
    let refused = exchange.record.attempts == 0;
    exchange.finish(if refused {
        Outcome::Refused
    } else {
        Outcome::Failed
    });
    response
}

/// Shows an answer's body, which is a whole one.
fn whole_of(response: HttpResponse, show: impl FnOnce(&Bytes)) -> HttpResponse {
    let (response, body) = response.into_parts();
    match body.try_into_bytes() {
        Ok(body) => {
            show(&body);
            response.set_body(BoxBody::new(body))
        }
        Err(body) => response.set_body(body),
    }
}

/// A whole answer of the gateway's own; settles the request.
pub fn whole(
    exchange: &mut Exchange,
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> HttpResponse {
    let body = body.into();
    if let Some(capture) = exchange.capturing() {
        capture.piece(&body);
    }
    let mut response = HttpResponse::build(status).body(body);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    exchange.record.status = status.as_u16();
    mark(exchange, response.headers_mut());
    exchange.finish(Outcome::Completed);
    response
}

/// An upstream's error, unmodified; settles the request.
pub fn relay_whole(exchange: &mut Exchange, whole: Whole) -> HttpResponse {
    let Whole {
        status,
        headers,
        facts,
        body,
        ..
    } = whole;
    let response = respond(exchange, status, headers, &facts);
    if let Some(capture) = exchange.capturing() {
        capture.piece(&body);
    }
    exchange.finish(Outcome::Completed);
    response.set_body(BoxBody::new(body))
}

/// An upstream's answer, relayed as it comes; the relay settles the request.
pub fn relay(
    mut exchange: Box<Exchange>,
    opened: Opened,
    plan: &Plan,
    request: &HttpRequest,
) -> HttpResponse {
    let Opened { answer, events } = opened;
    let (status, length) = (answer.status, answer.facts.content_length);
    // actix never polls a body without a byte: it would look like a client that left.
    let empty = events.is_none() && length == Some(0);
    let bodiless = request.method() == Method::HEAD
        || empty
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    exchange.first_event();
    let mut response = respond(&mut exchange, status, answer.headers, &answer.facts);
    if bodiless {
        exchange.finish(Outcome::Completed);
        return response;
    }
    let body = match events {
        Some(events) => {
            let headers = response.headers_mut();
            headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
            Relay::events(exchange, answer.body, events, plan.silence)
        }
        None => Relay::plain(exchange, answer.body, length, plan.silence),
    };
    let is_sized = matches!(body.size(), BodySize::Sized(_));
    let mut response = response.set_body(BoxBody::new(body));
    if !is_sized && request.version() <= Version::HTTP_10 {
        // It knows no chunks: its answer ends with its connection.
        let head = response.head_mut();
        head.no_chunking(true);
        head.set_connection_type(ConnectionType::Close);
    }
    response
}

/// An answer without its body: the headers as they came (already filtered), the upstream's own id, and what every answer
/// carries.
fn respond(
    exchange: &mut Exchange,
    status: StatusCode,
    relayed: HeaderList,
    facts: &Facts,
) -> HttpResponse {
    exchange.record.status = status.as_u16();
    let mut response = HttpResponse::new(status);
    let headers = response.headers_mut();
    for (name, value) in relayed {
        headers.append(name, value);
    }
    if let Some(id) = &facts.request_id {
        headers.insert(UPSTREAM_REQUEST_ID, id.clone());
    }
    if let Some(asked) = &exchange.record.downgraded_from
        && let Ok(asked) = HeaderValue::from_bytes(asked.as_bytes())
    {
        headers.insert(DOWNGRADED_FROM, asked);
    }
    if status.is_success() {
        tell_limits(exchange, headers);
    }
    mark(exchange, headers);
    response
}

/// The caller's own limits, where its request counted; its spend beside messages only.
fn tell_limits(exchange: &Exchange, headers: &mut HeaderMap) {
    let Some(held) = exchange.held().filter(|held| !held.holds().is_empty()) else {
        return;
    };
    let gates = || held.holds().iter().map(Hold::gate);
    let model = exchange.record.model.as_deref().unwrap_or_default();
    let now_ms = exchange.worker.gateway.directory.clock().now().unix_ms;
    let spend = match exchange.record.route {
        Route::Messages => told::spend(gates(), model, now_ms),
        _ => None,
    };
    told::headers(gates(), model, now_ms, spend, headers);
}

/// Sets every one of `values`.
pub fn set(headers: &mut HeaderMap, values: impl IntoIterator<Item = (HeaderName, HeaderValue)>) {
    for (name, value) in values {
        headers.insert(name, value);
    }
}
