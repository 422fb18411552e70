//! One request against one account after another, until an answer may begin.
//!
//! Invariant: a retry happens only before the first event; a request fault is never retried; what may have been
//! processed upstream is repeated at most once, and only after a reset; no credential is tried twice, but for a re-used
//! connection that was reset before any byte of an answer, a token that was renewed, and an overload that has no other
//! account to go to.

mod blame;
mod once;
mod retry;

use actix_http::Method;
use actix_web::http::header::HeaderMap;
use actix_web::http::uri::PathAndQuery;
use bytes::Bytes;
use smallvec::SmallVec;
use tokio::time::Instant;
use troupe_core::AccountId;
use troupe_core::key::AccountBinding;
use troupe_core::session::Paused;
use troupe_upstream::{Body, UpstreamAnswer};
use troupe_wire::body::RequestPeek;
use troupe_wire::patch;
use troupe_wire::sse::Splitter;
use troupe_wire::usage::UsageScanner;

use super::choose::{self, Tried, Wanted};
use super::exchange::Exchange;
use super::failure::{Failure, Whole};
use super::limits::Need;
use crate::error::Problem;
use crate::plan::Plan;

pub(super) use once::{body, first_events, note_head, open};
use retry::{Next, Retries};

/// What a request wants of an upstream.
#[derive(Debug)]
pub struct Ask<'a> {
    pub method: Method,
    pub path: PathAndQuery,
    pub headers: &'a HeaderMap,
    pub body: AskBody<'a>,
    pub model: Option<&'a str>,
    /// It is a `POST /v1/messages`.
    pub is_message: bool,
    pub preferred: Option<AccountId>,
    pub bound: Option<AccountId>,
    pub binding: &'a AccountBinding,
    /// The client asked for an event stream.
    pub stream: bool,
    /// It goes up with the caller's own credential.
    pub own: bool,
    /// A web conversation that waits for the tool results in the body.
    pub paused: Option<Paused>,
    /// What it needs of an account's limits; absent for what is not counted.
    pub need: Option<&'a Need>,
}

impl Ask<'_> {
    /// Can the body be sent again?
    #[must_use]
    pub fn can_repeat(&self) -> bool {
        !matches!(self.body, AskBody::Stream(_))
    }
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
    if let Some(base) = plan.passthrough.as_ref().filter(|_| ask.own) {
        return super::own::run(exchange, ask, plan, base).await;
    }
    let betas = super::place::betas(ask.headers);
    exchange.set_betas(betas);
    let began = Instant::now();
    let mut tried = Tried::default();
    let mut retries = Retries::default();
    let mut last: Option<Failure> = None;
    let mut attempt = 0;
    while attempt < plan.max_attempts {
        if attempt > 0 && began.elapsed() >= plan.max_elapsed {
            break;
        }
        let wanted = Wanted {
            model: ask.model,
            betas,
            is_message: ask.is_message,
            preferred: ask.preferred,
            resumes: ask.paused.is_some(),
            bound: ask.bound,
            binding: ask.binding,
            tried: &tried,
            need: ask.need,
            key: exchange.record.key,
            // An answer that failed does not keep a request from one that would not.
            patience: plan
                .concurrency_queue
                .min(plan.max_elapsed.saturating_sub(began.elapsed())),
            until: began + plan.max_elapsed,
        };
        let lease = match choose::lease_told(exchange, plan, wanted).await {
            Ok(lease) => lease,
            Err(problem) if retries.overloaded_alone(&mut tried) => {
                tracing::debug!(why = %problem.message(), "the only account is overloaded");
                continue;
            }
            Err(problem) => {
                return last.map_or(Err(problem.clone()), |failure| {
                    failure.conclude(Some(problem))
                });
            }
        };
        let (id, auth) = (lease.account.id, lease.auth);
        exchange.lease(lease);
        let failure = match once::stubbornly(exchange, ask, plan, &mut retries).await {
            Ok(opened) => {
                // A retry that was answered has no error; what failed before it stands with its attempt.
                exchange.record.error = None;
                return Ok(Answered::Open(Box::new(opened)));
            }
            Err(failure) => failure,
        };
        exchange.note_error(failure.told());
        let next = retries.after(&failure, !ask.can_repeat(), attempt);
        blame::blame(exchange, failure.verdict(), next != Next::Stop).await;
        match next {
            Next::Stop => return failure.conclude(None),
            Next::OtherCredential => tried.add(id, auth.into()),
            Next::OtherAccount { pause } => {
                tried.add(id, troupe_core::account::AuthSet::ALL);
                retries.note_overload(&failure, id);
                let may_follow = attempt + 1 < plan.max_attempts;
                if let Some(pause) =
                    pause.filter(|_| may_follow && retries.has_more(exchange, ask, &tried))
                {
                    tokio::time::sleep(pause).await;
                }
            }
        }
        last = Some(failure);
        attempt += 1;
    }
    last.map_or_else(
        || Err(Problem::Overloaded("no attempt was made")),
        |failure| failure.conclude(None),
    )
}
