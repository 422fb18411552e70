//! Any other path below `/v1`: relayed as it is, for keys whose `endpoints` say so, with ownership of resources.
//!
//! Invariant: what is not in [`forbidden`] and allowed to the key goes up unchanged; a resource's id is stored with its
//! owner before the client sees it; another key's resource is "not found".

mod kind;
mod paths;

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::Method;
use actix_web::http::header::UPGRADE;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use troupe_core::AccountId;
use troupe_core::key::{KeyRecord, ResourceScope};
use troupe_core::quota::{LimitPolicy, QuotaRecord};
use troupe_core::record::Route;
use troupe_upstream::body::UploadError;
use troupe_upstream::{AnswerBody, Body};
use troupe_wire::answer::JsonAnswer;

use super::{Call, messages};
use crate::error::Problem;
use crate::pipeline::attempt::{self, Answered, Ask, AskBody, Opened};
use crate::pipeline::failure::Whole;
use crate::pipeline::limits::Need;
use crate::pipeline::{answer, body, key, owner};
use paths::Named;

/// Largest answer that makes a resource: what the service itself takes as a body.
const MAX_MADE: usize = 32 << 20;

/// Relays, or says why not.
pub(super) async fn answer(mut call: Call<'_>) -> HttpResponse {
    call.exchange.record.route = Route::Relay;
    match relayed(&mut call).await {
        Ok((Answered::Open(opened), true)) => owned(call, *opened).await,
        Ok((Answered::Open(opened), false)) => {
            answer::relay(call.exchange, *opened, &call.plan, call.request)
        }
        Ok((Answered::Whole(whole), _)) => answer::relay_whole(&mut call.exchange, *whole),
        Err(problem) => call.fail(&problem),
    }
}

/// The upstream's answer, and whether it makes a resource.
async fn relayed(call: &mut Call<'_>) -> Result<(Answered, bool), Problem> {
    allowed(call).map_err(|refusal| call.size_first(refusal))?;
    let entry = Arc::clone(&call.entry);
    let need = Need::of_relay();
    let counted = Some(&need).filter(|_| call.request.method() != Method::HEAD);
    key::sit(&mut call.exchange, &entry, &call.plan, counted, false).await?;
    call.exchange.note_use(&entry);
    let bound = match call.own {
        true => None,
        false => bound(call).await?,
    };
    let (body, bound, _permit) = read_body(call, bound).await?;
    let record = Arc::clone(&entry.record());
    let makes = call.request.method() == Method::POST;
    let mut ask = Ask {
        method: call.request.method().clone(),
        path: messages::path_and_query(call)?,
        headers: call.request.headers(),
        body,
        model: None,
        is_message: false,
        preferred: None,
        bound,
        binding: &record.binding,
        stream: false,
        own: call.own,
        paused: None,
        need: counted,
    };
    let answered = attempt::run(&mut call.exchange, &mut ask, &call.plan).await?;
    let json = matches!(&answered, Answered::Open(opened) if opened.events.is_none() && is_json(opened.answer.facts.content_type.as_ref()));
    Ok((answered, makes && json && !call.own))
}

fn allowed(call: &Call<'_>) -> Result<(), Problem> {
    let method = call.request.method();
    if matches!(*method, Method::CONNECT | Method::TRACE)
        || call.request.headers().contains_key(UPGRADE)
    {
        return Err(Problem::NotAllowed(
            "this gateway relays no CONNECT, TRACE or upgrade".into(),
        ));
    }
    if paths::forbidden(call.path) {
        return Err(Problem::NotFound("no such path".into()));
    }
    let key = call.entry.record();
    if !key.endpoints.allows_relay(call.path) {
        return Err(Problem::NotAllowed(format!(
            "this key may not call {}",
            call.path
        )));
    }
    if *method == Method::POST
        && paths::is_batches(call.path)
        && let Some(what) = unmetered_in_batches(&key, &call.plan.limits)
    {
        return Err(Problem::NotAllowed(format!(
            "this key may make no batches: {what} cannot be kept for each of a batch's requests; send them one by one"
        )));
    }
    Ok(())
}

/// What a key is held to with each request and could not be held to with the requests of a batch, which only the
/// upstream looks into.
fn unmetered_in_batches(key: &Arc<KeyRecord>, policy: &LimitPolicy) -> Option<&'static str> {
    if !key.rules.is_empty() {
        return Some("its rules for models");
    }
    let own = QuotaRecord::of_key(key, policy);
    let group = key.group.as_ref().map(|g| QuotaRecord::of_group(g, policy));
    let all = [Some(own), group, Some(QuotaRecord::of_gateway(policy))];
    let mut rules = all.iter().flatten().flat_map(|record| &record.rules);
    rules
        .any(|rule| rule.name.is_metered() || rule.models.is_some())
        .then_some("its limits of tokens, money or models")
}

/// The account that the path's resource belongs to.
async fn bound(call: &Call<'_>) -> Result<Option<AccountId>, Problem> {
    let all = call.entry.record().resources == ResourceScope::All;
    match paths::named(call.path) {
        Named::Collection => {
            let shared = call.exchange.worker.gateway.directory.keys().len() > 1;
            if *call.request.method() != Method::POST && shared && !all {
                return Err(Problem::Forbidden(
                    "this key shares its accounts with others and may not list or change their resources"
                        .into(),
                ));
            }
            Ok(None)
        }
        Named::Resource(id) => match owner::owner(&call.exchange, id).await? {
            Some(known) => {
                owner::check(&call.entry, &known)?;
                Ok(Some(known.account))
            }
            None if all => Ok(None),
            None => Err(Problem::NotFound("no such resource".into())),
        },
    }
}

/// What may name resources of others is read; all else is passed through as it comes.
async fn read_body(
    call: &mut Call<'_>,
    bound: Option<AccountId>,
) -> Result<
    (
        AskBody<'static>,
        Option<AccountId>,
        Option<crate::load::BodyPermit>,
    ),
    Problem,
> {
    let headers = call.request.headers();
    let payload = call
        .payload
        .take()
        .ok_or(Problem::Overloaded("the body was read before"))?;
    let length = body::declared_length(headers);
    if length == Some(0) || (length.is_none() && !headers.contains_key("transfer-encoding")) {
        return Ok((AskBody::Empty, bound, None));
    }
    let all = call.entry.record().resources == ResourceScope::All;
    let says_json = kind::says_json(headers);
    if !says_json && (all || kind::is_data(headers, call.path)) {
        let stream = payload.map(|chunk| chunk.map_err(UploadError::from));
        return Ok((
            AskBody::Stream(Some(Body::Stream {
                stream: Box::pin(stream),
                length,
            })),
            bound,
            None,
        ));
    }
    let (bytes, permit) = body::read(
        &call.exchange.worker.gateway,
        headers,
        payload,
        call.plan.body_limit_bytes,
    )
    .await?;
    if let Some(capture) = call.exchange.capturing() {
        capture.request(call.request.headers(), &bytes);
    }
    let ids = match troupe_wire::resources::in_body(&bytes) {
        Some(ids) => ids,
        None if !all && (says_json || kind::is_opaque(headers, &bytes)) => {
            return Err(Problem::Invalid(
                "the body must be one JSON object, not encoded, to be checked for other keys' resources".into(),
            ));
        }
        None => Vec::new(),
    };
    let named = owner::account_of(
        &call.exchange,
        &call.entry,
        ids.iter().map(|r| r.id.as_str()),
    )
    .await?;
    match (bound, named) {
        (Some(path), Some(body)) if path != body => Err(Problem::Invalid(
            "the request names resources of two different accounts".into(),
        )),
        _ => Ok((AskBody::Bytes(bytes), bound.or(named), Some(permit))),
    }
}

/// Reads the answer that made a resource, stores whose it is, and only then shows it.
async fn owned(mut call: Call<'_>, opened: Opened) -> HttpResponse {
    let account = call.exchange.leased().map(|lease| lease.account.id);
    let answer = opened.answer;
    let read = tokio::time::timeout(call.plan.silence.response, whole_body(answer.body));
    let body = match read.await.unwrap_or(Err(Problem::TimedOut("answer"))) {
        Ok(body) => body,
        Err(problem) => return call.fail(&problem),
    };
    if let (Some(account), Some(id)) = (account, JsonAnswer::read(&body).and_then(|json| json.id)) {
        let entry = Arc::clone(&call.entry);
        if let Err(problem) = owner::own(&call.exchange, &entry, account, id).await {
            return call.fail(&problem);
        }
    }
    let verdict = troupe_core::account::Verdict::Success;
    let retry = troupe_upstream::Retry::Relay;
    let whole = Whole {
        status: answer.status,
        headers: answer.headers,
        facts: answer.facts,
        body,
        verdict,
        relayable: true,
        retry,
    };
    answer::relay_whole(&mut call.exchange, whole)
}

/// The whole answer, which is never shown in part: its id may stand at its end.
async fn whole_body(mut body: AnswerBody) -> Result<Bytes, Problem> {
    let mut whole = BytesMut::new();
    while let Some(chunk) = body.next().await {
        let chunk = chunk
            .map_err(|error| Problem::Unreachable(format!("it broke off its answer: {error}")))?;
        if whole.len() + chunk.len() > MAX_MADE {
            return Err(Problem::Unreachable("its answer is too large".into()));
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}

fn is_json(content_type: Option<&actix_web::http::header::HeaderValue>) -> bool {
    content_type
        .and_then(|v| v.to_str().ok())
        .is_some_and(|text| {
            let kind = text.split(';').next().unwrap_or_default().trim();
            kind.eq_ignore_ascii_case("application/json")
        })
}
