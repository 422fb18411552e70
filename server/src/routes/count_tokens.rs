//! `POST /v1/messages/count_tokens`: passed to an account; estimated when none can count.

use std::sync::Arc;

use actix_http::Method;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use troupe_wire::error::read_error;
use troupe_wire::estimate::request_tokens;

use super::{Call, messages};
use crate::error::Problem;
use crate::pipeline::attempt::{self, Answered, Ask, AskBody};
use crate::pipeline::failure::Whole;
use crate::pipeline::{answer, key};

const ESTIMATED: HeaderName = HeaderName::from_static("x-troupe-estimated");
/// A token is about this many bytes of JSON, where nothing better can be said.
const BYTES_PER_TOKEN: u64 = 4;

/// Not counted against the key, never blocked by its limits.
pub(super) async fn answer(mut call: Call<'_>) -> HttpResponse {
    let (peek, body, _permit) = match messages::read(&mut call).await {
        Ok(read) => read,
        Err(problem) => return call.fail(&problem),
    };
    let original = body.original().clone();
    match counted(&mut call, &peek, body).await {
        Ok(Answered::Open(opened)) => {
            answer::relay(call.exchange, *opened, &call.plan, call.request)
        }
        Ok(Answered::Whole(whole)) if cannot_count(&whole) => estimated(call, &original),
        Ok(Answered::Whole(whole)) => answer::relay_whole(&mut call.exchange, *whole),
        Err(
            Problem::NoAccount { .. }
            | Problem::Throttled { .. }
            | Problem::Unreachable(_)
            | Problem::TimedOut(_),
        ) => estimated(call, &original),
        Err(problem) => call.fail(&problem),
    }
}

/// Does the upstream not have this endpoint? An error of the service's own shape is about the request.
fn cannot_count(whole: &Whole) -> bool {
    match whole.status {
        StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => true,
        StatusCode::NOT_FOUND => read_error(&whole.body).is_none(),
        _ => false,
    }
}

async fn counted(
    call: &mut Call<'_>,
    peek: &troupe_wire::body::RequestPeek,
    body: troupe_wire::patch::Body,
) -> Result<Answered, Problem> {
    let entry = Arc::clone(&call.entry);
    key::sit(&mut call.exchange, &entry, &call.plan, None, false).await?;
    let bound = messages::owner_of(call, peek).await?;
    let record = Arc::clone(&entry.record());
    let model = call.exchange.record.model.clone();
    let mut ask = Ask {
        method: Method::POST,
        path: messages::path_and_query(call)?,
        headers: call.request.headers(),
        stream: false,
        body: AskBody::Message { body, peek },
        model: model.as_deref(),
        is_message: false,
        preferred: None,
        bound,
        binding: &record.binding,
        own: call.own,
        paused: None,
        need: None,
    };
    attempt::run(&mut call.exchange, &mut ask, &call.plan).await
}

fn estimated(mut call: Call<'_>, body: &[u8]) -> HttpResponse {
    let by_length = || (body.len() as u64).div_ceil(BYTES_PER_TOKEN).max(1);
    let tokens = request_tokens(body).unwrap_or_else(by_length);
    let body = format!("{{\"input_tokens\":{tokens}}}");
    // The estimate is the answer; that nobody could count is no error of the request.
    call.exchange.record.error = None;
    let mut response = answer::whole(&mut call.exchange, StatusCode::OK, "application/json", body);
    response
        .headers_mut()
        .insert(ESTIMATED, HeaderValue::from_static("true"));
    response
}
