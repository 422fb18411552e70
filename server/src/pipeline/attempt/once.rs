//! One attempt: the request as this account's upstream gets it, sent, and the head of the answer.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use smallvec::SmallVec;
use troupe_core::account::{AccountAsk, AccountReply, Auth, Verdict, window};
use troupe_upstream::breaker::Outcome as HostOutcome;
use troupe_upstream::headers::Owner;
use troupe_upstream::{
    AnswerBody, Body, Facts, SendError, UpstreamRequest, classify, headers, is_relayable,
    retryable, send,
};
use troupe_wire::patch;
use troupe_wire::sse::{Event, EventKind, Splitter};
use troupe_wire::usage::UsageScanner;

use super::super::choose::RENEWAL_WITHIN;
use super::super::exchange::{Exchange, Lease};
use super::super::failure::{Failure, Whole};
use super::super::web;
use super::retry::Retries;
use super::{Ask, AskBody, FirstEvents, Opened};
use crate::plan::Plan;
use crate::worker::Worker;

/// For a body that is passed through as its client sends it, and its answer.
const UPLOAD_WITHIN: Duration = Duration::from_secs(3_600);

/// One attempt on the leased account, and its repetition where that is no retry: over a fresh connection, or with a
/// renewed token.
pub(super) async fn stubbornly(
    exchange: &mut Exchange,
    ask: &mut Ask<'_>,
    plan: &Plan,
    retries: &mut Retries,
) -> Result<Opened, Failure> {
    let mut failure = match once(exchange, ask, plan).await {
        Ok(opened) => return Ok(opened),
        Err(failure) => failure,
    };
    if ask.can_repeat() && retries.may_reconnect(&failure) {
        failure = match once(exchange, ask, plan).await {
            Ok(opened) => return Ok(opened),
            Err(failure) => failure,
        };
    }
    if failure.verdict() == Verdict::Unauthorized
        && let Some(renewal) = renew(exchange).await
    {
        // A token that was refused once is renewed, never the end of its account, also where the body was its last.
        return match renewal && ask.can_repeat() {
            true => once(exchange, ask, plan).await,
            false => Err(Failure::NotRenewed),
        };
    }
    Err(failure)
}

/// After a 401: a newer token, if one can be had. `None` where there is no token to renew, or none will be again;
/// `Some(false)` when the endpoint could not be asked.
async fn renew(exchange: &mut Exchange) -> Option<bool> {
    let lease = exchange
        .leased()
        .filter(|lease| lease.auth == Auth::Oauth)?;
    let account = Arc::clone(&lease.account);
    let asked = account.handle.ask(AccountAsk::Renew {
        generation: lease.generation,
        dead: true,
    });
    let answered = tokio::time::timeout(RENEWAL_WITHIN, asked).await;
    match answered {
        Ok(Ok(AccountReply::Renewed)) => {
            let view = account.view.load_full();
            let route = exchange.worker.route(&view, Auth::Oauth).ok()?;
            exchange.renew_lease(view, route);
            Some(true)
        }
        Ok(Ok(AccountReply::Refused(troupe_core::account::Unavailable::NeedsLogin))) => None,
        _ => Some(false),
    }
}

async fn once(exchange: &mut Exchange, ask: &mut Ask<'_>, plan: &Plan) -> Result<Opened, Failure> {
    let began = Instant::now();
    let opened = match exchange.leased() {
        Some(lease) if lease.auth == Auth::Web => web::open(exchange, ask, plan).await,
        Some(lease) => {
            let (request, limit) = request(lease, ask, plan)?;
            let worker = Rc::clone(&exchange.worker);
            let opened = tokio::time::timeout(limit, open(&worker, request)).await;
            opened.unwrap_or(Err(Failure::Send(SendError::Timeout)))
        }
        None => {
            return Err(Failure::Own(crate::error::Problem::Overloaded(
                "no account",
            )));
        }
    };
    let waited_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    exchange.timeline.upstream_us += waited_us;
    match &opened {
        Ok(opened) => note(exchange, &opened.answer.facts, opened.answer.status),
        Err(Failure::Answer(whole)) => note(exchange, &whole.facts, whole.status),
        Err(Failure::CutError { status, .. }) => exchange.host(HostOutcome::of_status(*status)),
        Err(Failure::Send(error)) => exchange.host(HostOutcome::of_error(error)),
        Err(_) => exchange.host(HostOutcome::Neither),
    }
    opened
}

/// The request as the leased account's upstream gets it, and how long its answer may take to begin.
fn request(
    lease: &Lease,
    ask: &mut Ask<'_>,
    plan: &Plan,
) -> Result<(UpstreamRequest, Duration), Failure> {
    let route = &lease.route;
    let target = route
        .base
        .join(&ask.path)
        .map_err(|error| Failure::Misconfigured(error.to_string()))?;
    let own_name = lease.view.record.models.get(ask.model.unwrap_or_default());
    let (body, limit) = body(ask, own_name.map(String::as_str), plan);
    let request = UpstreamRequest {
        method: ask.method.clone(),
        target,
        headers: headers::up(ask.headers, &route.headers),
        body,
        network: route.network.clone(),
        owner: Owner::Account,
    };
    Ok((request, limit))
}

/// The body, with the model's name as the upstream has it, and how long its answer may take to begin.
pub(in super::super) fn body(
    ask: &mut Ask<'_>,
    own_name: Option<&str>,
    plan: &Plan,
) -> (Body, Duration) {
    let body = match &mut ask.body {
        AskBody::Empty => Body::Empty,
        AskBody::Bytes(bytes) => Body::Bytes(bytes.clone()),
        AskBody::Stream(stream) => stream.take().unwrap_or(Body::Empty),
        AskBody::Message { body, peek } => Body::Bytes(match own_name {
            None => body.render(),
            Some(name) => {
                let mut own = patch::Body::new(body.original().clone());
                let _ = own.alias_model(peek, name);
                own.render()
            }
        }),
    };
    let limit = match &body {
        // The time of an upload is its client's, not the upstream's.
        Body::Stream { .. } => plan.silence.response.max(UPLOAD_WITHIN),
        _ if ask.stream => plan.silence.first_event,
        _ => plan.silence.response,
    };
    (body, limit)
}

/// What the head of an answer says for the row.
pub(in super::super) fn note_head(
    exchange: &mut Exchange,
    facts: &Facts,
    status: actix_web::http::StatusCode,
) {
    exchange.record.upstream_status = Some(status.as_u16());
    exchange.record.upstream_request_id = facts
        .request_id
        .as_ref()
        .and_then(|v| v.to_str().ok())
        .map(str::to_owned);
}

fn note(exchange: &mut Exchange, facts: &Facts, status: actix_web::http::StatusCode) {
    exchange.host(HostOutcome::of_status(status));
    note_head(exchange, facts, status);
    if facts.rate_limits.is_empty() && !facts.retry_after_is_nonsense {
        return;
    }
    let now_ms = exchange.worker.gateway.directory.clock().now().unix_ms;
    let windows = facts.rate_limits.windows(now_ms);
    let now_mono_ms = exchange.worker.streams.now_ms();
    let may_complain = |lease: &Lease| lease.route.may_complain(now_mono_ms);
    if (windows.nonsense || facts.retry_after_is_nonsense)
        && exchange.leased().is_some_and(may_complain)
    {
        let account = exchange.record.account_name.as_deref().unwrap_or_default();
        tracing::warn!(
            account.name = account,
            "the upstream's limit headers make no sense and are bounded or left out"
        );
    }
    let model = exchange.model_name();
    let seen = windows.list.iter().filter_map(|seen| {
        let model = model.clone().filter(|_| seen.model_scoped);
        Some(window(
            seen.name.as_str(),
            model,
            seen.utilization_ppm,
            seen.reset_ms?,
        ))
    });
    exchange.note_windows(seen.collect());
}

/// Sends and waits for the head, and for the first event of a stream.
pub(in super::super) async fn open(
    worker: &Worker,
    request: UpstreamRequest,
) -> Result<Opened, Failure> {
    let mut answer = send(&worker.client, request).await.map_err(Failure::Send)?;
    if !answer.status.is_success() {
        return Err(failed(answer, worker.gateway.directory.clock().now().unix_ms).await);
    }
    let events = if answer.facts.is_event_stream() {
        Some(first_events(&mut answer.body).await?)
    } else {
        None
    };
    Ok(Opened { answer, events })
}

/// Reads an upstream's error whole, and what it means.
async fn failed(answer: troupe_upstream::UpstreamAnswer, now_ms: u64) -> Failure {
    let troupe_upstream::UpstreamAnswer {
        status,
        headers,
        facts,
        body,
        ..
    } = answer;
    match Whole::read_body(body).await {
        Ok(body) => {
            let verdict = classify::classify(status, &facts, Some(&body), now_ms);
            let relayable = is_relayable(status, &verdict);
            let retry = retryable(&verdict);
            Failure::Answer(Box::new(Whole {
                status,
                headers,
                facts,
                body,
                verdict,
                relayable,
                retry,
            }))
        }
        Err(error) => Failure::CutError {
            status,
            error: error.to_string(),
            verdict: classify::classify(status, &facts, None, now_ms),
        },
    }
}

/// Reads until the first whole event of any type.
pub(in super::super) async fn first_events(body: &mut AnswerBody) -> Result<FirstEvents, Failure> {
    let mut first = FirstEvents {
        pieces: SmallVec::new(),
        splitter: Splitter::new(),
        usage: UsageScanner::default(),
        saw_error: false,
        ended: false,
    };
    loop {
        match body.next().await {
            Some(Ok(chunk)) => {
                let (usage, saw_error) = (&mut first.usage, &mut first.saw_error);
                let ready = first.splitter.push(chunk, &mut |event: Event<'_>| {
                    *saw_error |= event.kind == EventKind::Error;
                    usage.observe(&event);
                });
                first.pieces.extend(ready);
                if !first.pieces.is_empty() {
                    return Ok(first);
                }
            }
            Some(Err(error)) => return Err(Failure::CutBeforeEvent(error.to_string())),
            None if first.splitter.held_len() > 0 => {
                return Err(Failure::CutBeforeEvent(
                    "the stream ended within its first event".into(),
                ));
            }
            // An empty stream is an answer, if an odd one.
            None => {
                first.ended = true;
                return Ok(first);
            }
        }
    }
}
