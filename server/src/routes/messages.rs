//! `POST /v1/messages`: JSON and event streams, passed through.

use std::sync::Arc;

use actix_http::Method;
use actix_web::HttpResponse;
use troupe_wire::body::RequestPeek;
use troupe_wire::patch;

use super::Call;
use crate::error::Problem;
use crate::pipeline::attempt::{self, Answered, Ask, AskBody};
use crate::pipeline::limits::Need;
use crate::pipeline::{answer, body, key, owner, place, web};

/// Reads, admits, places, tries, relays.
pub(super) async fn answer(mut call: Call<'_>) -> HttpResponse {
    match admitted(&mut call).await {
        Ok(Answered::Open(opened)) => {
            answer::relay(call.exchange, *opened, &call.plan, call.request)
        }
        Ok(Answered::Whole(whole)) => answer::relay_whole(&mut call.exchange, *whole),
        Err(problem) => call.fail(&problem),
    }
}

async fn admitted(call: &mut Call<'_>) -> Result<Answered, Problem> {
    let (peek, mut body, _permit) = read(call).await?;
    call.exchange.record.stream = peek.stream;
    let need = admit(call, &peek, &mut body).await?;
    let entry = Arc::clone(&call.entry);
    call.exchange.note_use(&entry);
    let bound = owner_of(call, &peek).await?;
    let record = Arc::clone(&entry.record());
    let session = place::session_key(record.id, call.request.headers(), Some(&peek));
    let session = session.filter(|_| !call.own);
    let plan = Arc::clone(&call.plan);
    let mut preferred =
        session.and_then(|session| place::attend(&mut call.exchange, &plan, session));
    let paused = match &call.plan.web {
        Some(_) if !call.own => web::paused(&call.exchange, record.id, body.original()).await,
        _ => None,
    };
    if let Some(paused) = &paused {
        preferred = Some(paused.account);
    }
    let model = call.exchange.record.model.clone();
    let mut ask = Ask {
        method: Method::POST,
        path: path_and_query(call)?,
        headers: call.request.headers(),
        stream: peek.stream,
        body: AskBody::Message { body, peek: &peek },
        model: model.as_deref(),
        is_message: true,
        preferred,
        bound,
        binding: &record.binding,
        own: call.own,
        paused,
        need: Some(&need),
    };
    attempt::run(&mut call.exchange, &mut ask, &call.plan).await
}

/// What the request needs of limits is its own from here on; it may be asked of another model than the client's.
async fn admit(
    call: &mut Call<'_>,
    peek: &RequestPeek,
    body: &mut patch::Body,
) -> Result<Need, Problem> {
    let model = call.exchange.record.model.clone().unwrap_or_default();
    let mut need = Need::of_message(body.original(), peek, model);
    let (entry, plan) = (Arc::clone(&call.entry), Arc::clone(&call.plan));
    let other = key::sit(&mut call.exchange, &entry, &plan, Some(&need), false).await?;
    if let Some(other) = other {
        // A limit opens no model that the key may not use: then the limit's own answer stands.
        if entry.record().rules.permits(&other) {
            body.alias_model(peek, &other)
                .map_err(|error| Problem::Invalid(error.to_string()))?;
            let asked: Arc<str> = peek.model.as_str().into();
            call.exchange.record.downgraded_from = Some(asked);
            call.exchange.record.model = Some(other.as_str().into());
            need = need.with_model(other.into());
        }
        // Rare, and large.
        let again = key::sit(&mut call.exchange, &entry, &plan, Some(&need), true);
        Box::pin(again).await?;
    }
    Ok(need)
}

/// The account whose resources the body names. Those of a caller's own credential are between it and the upstream.
pub(super) async fn owner_of(
    call: &Call<'_>,
    peek: &RequestPeek,
) -> Result<Option<troupe_core::AccountId>, Problem> {
    if call.own {
        return Ok(None);
    }
    let ids = peek.resources.iter().map(|r| r.id.as_str());
    owner::account_of(&call.exchange, &call.entry, ids).await
}

/// Reads a Messages body: what the gateway acts on, and the bytes with the model's alias patched.
///
/// # Errors
/// 413, 400, 503.
pub(super) async fn read(
    call: &mut Call<'_>,
) -> Result<(RequestPeek, patch::Body, crate::load::BodyPermit), Problem> {
    let payload = call
        .payload
        .take()
        .ok_or(Problem::Overloaded("the body was read before"))?;
    let (bytes, permit) = body::read(
        &call.exchange.worker.gateway,
        call.request.headers(),
        payload,
        call.plan.body_limit_bytes,
    )
    .await?;
    call.exchange.asked_bytes = bytes.len();
    if let Some(capture) = call.exchange.capturing() {
        capture.request(call.request.headers(), &bytes);
    }
    let peek = RequestPeek::read(&bytes).map_err(|error| Problem::Invalid(error.to_string()))?;
    let mut body = patch::Body::new(bytes);
    let model = match call.plan.aliases.get(&peek.model) {
        None => peek.model.as_str(),
        Some(target) => {
            body.alias_model(&peek, target)
                .map_err(|error| Problem::Invalid(error.to_string()))?;
            target.as_str()
        }
    };
    let rules = &call.entry.record().rules;
    if !rules.permits_alias(&peek.model, model) {
        return Err(Problem::NotAllowed(format!(
            "this key may not use the model {}",
            peek.model
        )));
    }
    call.exchange.record.model = Some(model.into());
    Ok((peek, body, permit))
}

/// The client's path and query, byte for byte, unless the path was written in a way that was normalised.
pub(super) fn path_and_query(
    call: &Call<'_>,
) -> Result<actix_web::http::uri::PathAndQuery, Problem> {
    let uri = call.request.uri();
    if uri.path() == call.path
        && let Some(as_sent) = uri.path_and_query()
    {
        return Ok(as_sent.clone());
    }
    let query = uri.query().map(|q| format!("?{q}")).unwrap_or_default();
    format!("{}{query}", call.path)
        .parse()
        .map_err(|_| Problem::Invalid("the path cannot be sent upstream".into()))
}
