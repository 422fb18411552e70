//! The head of what the client gets, whoever answers: the upstream, or the gateway itself.
//!
//! Invariant: every answer carries our `request-id` and `server-timing`; framing is our own; nothing of the account's
//! comes down.

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use actix_web::{HttpResponse, HttpResponseBuilder};
use bytes::Bytes;
use troupe_core::RequestId;
use troupe_core::record::Outcome;
use troupe_upstream::Facts;

use super::attempt::Opened;
use super::exchange::Exchange;
use super::failure::Whole;
use super::relay::Relay;
use crate::error::Problem;
use crate::plan::Plan;

const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const UPSTREAM_REQUEST_ID: HeaderName = HeaderName::from_static("x-troupe-upstream-request-id");
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
}

/// An error of the gateway's own; settles the request.
pub fn problem(exchange: &mut Exchange, problem: &Problem, plan: &Plan) -> HttpResponse {
    let mut response = problem.answer(exchange.id(), plan.error_shape);
    let status = response.status();
    exchange.record.status = status.as_u16();
    exchange
        .record
        .error
        .get_or_insert_with(|| problem.message().into_owned());
    mark(exchange, response.headers_mut());
    if matches!(
        problem,
        Problem::Concurrent { .. } | Problem::QueueFull { .. }
    ) {
        exchange.worker.gateway.telemetry.refused("concurrent");
    }
    let refused = exchange.record.attempts == 0;
    exchange.finish(if refused {
        Outcome::Refused
    } else {
        Outcome::Failed
    });
    response
}

/// A whole answer of the gateway's own; settles the request.
pub fn whole(
    exchange: &mut Exchange,
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> HttpResponse {
    let mut response = HttpResponse::build(status).body(body.into());
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
    let mut response = head(exchange, whole.status, whole.headers, &whole.facts).body(whole.body);
    mark(exchange, response.headers_mut());
    exchange.finish(Outcome::Completed);
    response
}

/// An upstream's answer, relayed as it comes; the relay settles the request.
pub fn relay(mut exchange: Exchange, opened: Opened, plan: &Plan, is_head: bool) -> HttpResponse {
    let Opened { answer, events } = opened;
    let bodiless = is_head
        || matches!(
            answer.status,
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
        );
    let mut builder = head(&mut exchange, answer.status, answer.headers, &answer.facts);
    if events.is_some() {
        builder.insert_header((ACCEL_BUFFERING, HeaderValue::from_static("no")));
    }
    exchange.first_event();
    let mut marks = HeaderMap::with_capacity(4);
    mark(&mut exchange, &mut marks);
    if bodiless {
        exchange.finish(Outcome::Completed);
        let mut response = builder.finish();
        set(response.headers_mut(), marks);
        return response;
    }
    let length = answer.facts.content_length;
    let body = match events {
        Some(events) => Relay::events(exchange, answer.body, events, plan.silence),
        None => Relay::plain(exchange, answer.body, length, plan.silence),
    };
    let mut response = builder.body(BoxBody::new(body));
    set(response.headers_mut(), marks);
    response
}

/// Status and headers as they came (already filtered), and the upstream's own id.
fn head(
    exchange: &mut Exchange,
    status: StatusCode,
    headers: HeaderMap,
    facts: &Facts,
) -> HttpResponseBuilder {
    exchange.record.status = status.as_u16();
    let mut builder = HttpResponse::build(status);
    for (name, value) in headers {
        builder.append_header((name, value));
    }
    if let Some(id) = &facts.request_id {
        builder.insert_header((UPSTREAM_REQUEST_ID, id.clone()));
    }
    builder
}

/// Sets every one of `values`.
pub fn set(headers: &mut HeaderMap, values: impl IntoIterator<Item = (HeaderName, HeaderValue)>) {
    for (name, value) in values {
        headers.insert(name, value);
    }
}
