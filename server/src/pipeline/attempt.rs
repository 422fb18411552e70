//! One request against one account after another, until an answer may begin.
//!
//! Invariant: a retry happens only before the first event; a request fault is never retried; what may have been
//! processed upstream is repeated at most once, and only after a reset; no account is tried twice, but for a re-used
//! connection that was reset before any byte of an answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_http::Method;
use actix_web::http::header::HeaderMap;
use actix_web::http::uri::PathAndQuery;
use bytes::Bytes;
use futures_util::StreamExt;
use smallvec::SmallVec;
use troupe_core::AccountId;
use troupe_core::account::{AccountAsk, Report, Verdict};
use troupe_upstream::{
    AnswerBody, Body, Facts, Retry, SendError, UpstreamAnswer, UpstreamRequest, classify, headers,
    is_relayable, retryable, send,
};
use troupe_wire::body::RequestPeek;
use troupe_wire::patch;
use troupe_wire::sse::{Event, EventKind, Splitter};
use troupe_wire::usage::UsageScanner;

use super::choose::{self, Wanted};
use super::exchange::Exchange;
use super::failure::{Failure, Whole};
use crate::error::Problem;
use crate::plan::Plan;

/// For a body that is passed through as its client sends it, and its answer.
const UPLOAD_WITHIN: Duration = Duration::from_secs(3_600);
/// How long an answer waits for an account's actor that is busy.
const KNOWN_WITHIN: Duration = Duration::from_millis(100);

/// What a request wants of an upstream.
#[derive(Debug)]
pub struct Ask<'a> {
    pub method: Method,
    pub path: PathAndQuery,
    pub headers: &'a HeaderMap,
    pub body: AskBody<'a>,
    pub model: Option<&'a str>,
    pub preferred: Option<AccountId>,
    pub bound: Option<AccountId>,
    /// The client asked for an event stream.
    pub stream: bool,
}

/// A body that can be sent again, or one that cannot.
#[derive(Debug)]
pub enum AskBody<'a> {
    Empty,
    /// A Messages body: patched for the account's own model names.
    Message {
        body: patch::Body,
        peek: &'a RequestPeek,
    },
    Bytes(Bytes),
    /// Passed through as it comes; sent once.
    Stream(Option<Body>),
}

/// The start of an answer, ready to be relayed.
#[derive(Debug)]
pub struct Opened {
    pub answer: UpstreamAnswer,
    /// For an event stream: what has been read to get at the first event.
    pub events: Option<FirstEvents>,
}

/// The first events of a stream, and the state that reading them left.
#[derive(Debug)]
pub struct FirstEvents {
    pub pieces: SmallVec<[Bytes; 2]>,
    pub splitter: Splitter,
    pub usage: UsageScanner,
    /// One of them was the upstream's `error`.
    pub saw_error: bool,
    pub ended: bool,
}

/// What a successful run gives: an answer to relay, or one that was read whole (an upstream's error).
#[derive(Debug)]
pub enum Answered {
    Open(Box<Opened>),
    Whole(Box<Whole>),
}

/// Tries accounts until an answer may begin.
///
/// # Errors
/// The gateway's own problem, when there is no upstream answer that may be relayed.
pub async fn run(
    exchange: &mut Exchange,
    ask: &mut Ask<'_>,
    plan: &Plan,
) -> Result<Answered, Problem> {
    let mut tried: SmallVec<[AccountId; 4]> = SmallVec::new();
    let mut last: Option<Failure> = None;
    let (mut repeated, mut again) = (false, None);
    let began = Instant::now();
    for attempt in 0.. {
        let lease = match again.take() {
            Some(lease) => lease,
            None => {
                if attempt >= plan.max_attempts
                    || (attempt > 0 && began.elapsed() >= plan.max_elapsed)
                {
                    break;
                }
                let wanted = Wanted {
                    model: ask.model,
                    preferred: ask.preferred,
                    bound: ask.bound,
                    tried: &tried,
                };
                match choose::lease(&exchange.worker, wanted).await {
                    Ok(lease) => lease,
                    Err(problem) => {
                        return last.map_or(Err(problem.clone()), |failure| {
                            failure.conclude(Some(problem))
                        });
                    }
                }
            }
        };
        tried.push(lease.account.id);
        exchange.lease(lease);
        let failure = match once(exchange, ask, plan).await {
            Ok(opened) => return Ok(Answered::Open(Box::new(opened))),
            Err(failure) => failure,
        };
        exchange.record.error = failure.told();
        let retry = match (&failure, &ask.body) {
            (_, AskBody::Stream(_)) => Retry::Relay,
            (failure, _) => failure.retry(),
        };
        if retry == Retry::SameAccountOnce
            && !std::mem::replace(&mut repeated, true)
            && let Some(account) = exchange.account().cloned()
        {
            exchange.release(Verdict::Unknown);
            again = account
                .slots
                .try_take()
                .map(|slot| super::exchange::Lease { account, slot });
            last = Some(failure);
            continue;
        }
        blame(exchange, failure.verdict()).await;
        let pause = match retry {
            Retry::NextAccount => None,
            Retry::NextAccountAfterPause => Some(pause(attempt)),
            Retry::NextAccountOnce | Retry::SameAccountOnce
                if !std::mem::replace(&mut repeated, true) =>
            {
                None
            }
            _ => return failure.conclude(None),
        };
        last = Some(failure);
        if let Some(pause) = pause.filter(|_| more_than(exchange, tried.len())) {
            tokio::time::sleep(pause).await;
        }
    }
    last.map_or_else(
        || Err(Problem::Overloaded("no attempt was made")),
        |failure| failure.conclude(None),
    )
}

/// Ends a failed attempt. An account's fault is known before the client is: its next request must not meet it again.
async fn blame(exchange: &mut Exchange, verdict: Verdict) {
    let is_fault = !matches!(verdict, Verdict::RequestFault | Verdict::Unknown);
    let account = exchange.account().filter(|_| is_fault).cloned();
    let Some(account) = account else {
        return exchange.release(verdict);
    };
    let model = exchange.record.model.clone();
    exchange.release(Verdict::Unknown);
    let noted = account
        .handle
        .ask(AccountAsk::Note(Report { model, verdict }));
    let _ = tokio::time::timeout(KNOWN_WITHIN, noted).await;
}

/// Is there an account that was not tried yet?
fn more_than(exchange: &Exchange, tried: usize) -> bool {
    exchange.worker.gateway.directory.accounts().len() > tried
}

/// Growing, bounded, with jitter of up to a half.
fn pause(attempt: usize) -> Duration {
    let base_ms = 50u64 << attempt.min(4);
    let jitter = u64::from(uuid::Uuid::now_v7().as_bytes()[15]) * base_ms / 512;
    Duration::from_millis(base_ms + jitter)
}

async fn once(exchange: &mut Exchange, ask: &mut Ask<'_>, plan: &Plan) -> Result<Opened, Failure> {
    let worker = std::rc::Rc::clone(&exchange.worker);
    let Some(account) = exchange.account().map(Arc::clone) else {
        return Err(Failure::Own(Problem::Overloaded("no account")));
    };
    let view = account.view.load_full();
    let route = worker
        .route(&view)
        .map_err(|error| Failure::Misconfigured(error.to_string()))?;
    let target = route
        .base
        .join(&ask.path)
        .map_err(|error| Failure::Misconfigured(error.to_string()))?;
    let body = match &mut ask.body {
        AskBody::Empty => Body::Empty,
        AskBody::Bytes(bytes) => Body::Bytes(bytes.clone()),
        AskBody::Stream(stream) => stream.take().unwrap_or(Body::Empty),
        AskBody::Message { body, peek } => {
            let own_name = view.models.get(ask.model.unwrap_or_default());
            Body::Bytes(match own_name {
                None => body.render(),
                Some(name) => {
                    let mut own = patch::Body::new(body.original().clone());
                    let _ = own.alias_model(peek, name);
                    own.render()
                }
            })
        }
    };
    let limit = match &body {
        // The time of an upload is its client's, not the upstream's.
        Body::Stream { .. } => plan.silence.response.max(UPLOAD_WITHIN),
        _ if ask.stream => plan.silence.first_event,
        _ => plan.silence.response,
    };
    let request = UpstreamRequest {
        method: ask.method.clone(),
        target,
        headers: headers::up(ask.headers, &route.headers),
        body,
        network: troupe_upstream::Network::direct(),
    };
    let began = Instant::now();
    let opened = tokio::time::timeout(limit, open(&worker, request)).await;
    let waited_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    exchange.timeline.upstream_us += waited_us;
    let opened = opened.unwrap_or(Err(Failure::Send(SendError::Timeout)));
    match &opened {
        Ok(opened) => note(
            exchange,
            &opened.answer.facts,
            opened.answer.status.as_u16(),
        ),
        Err(Failure::Answer(whole)) => note(exchange, &whole.facts, whole.status.as_u16()),
        Err(_) => {}
    }
    opened
}

fn note(exchange: &mut Exchange, facts: &Facts, status: u16) {
    exchange.record.upstream_status = Some(status);
    exchange.record.upstream_request_id = facts
        .request_id
        .as_ref()
        .and_then(|v| v.to_str().ok())
        .map(str::to_owned);
}

/// Sends and waits for the head, and for the first event of a stream.
async fn open(worker: &crate::worker::Worker, request: UpstreamRequest) -> Result<Opened, Failure> {
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
async fn failed(answer: UpstreamAnswer, now_ms: u64) -> Failure {
    let UpstreamAnswer {
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
async fn first_events(body: &mut AnswerBody) -> Result<FirstEvents, Failure> {
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
