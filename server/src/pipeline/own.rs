//! Passthrough: the caller's own upstream credential goes up as it came, to the one configured upstream.
//!
//! Invariant: the credential is in the request and nowhere else: not stored, not pooled, not logged; nothing of the pool
//! takes over; whatever the upstream answers, faults of the credential and its limits included, is the caller's.

use std::time::Instant;

use troupe_upstream::headers::Owner;
use troupe_upstream::{
    AccountHeaders, BaseUrl, Network, Retry, SendError, UpstreamRequest, headers,
};

use super::attempt::{self, Answered, Ask};
use super::exchange::Exchange;
use super::failure::Failure;
use crate::error::Problem;
use crate::plan::Plan;

/// One attempt, and its repetition over a fresh connection where a re-used one was reset.
///
/// # Errors
/// There is no answer.
pub async fn run(
    exchange: &mut Exchange,
    ask: &mut Ask<'_>,
    plan: &Plan,
    base: &BaseUrl,
) -> Result<Answered, Problem> {
    let account = AccountHeaders::of_caller(ask.headers);
    let mut reconnected = false;
    loop {
        exchange.record.attempts = exchange.record.attempts.saturating_add(1);
        let target = base
            .join(&ask.path)
            .map_err(|error| Problem::Invalid(error.to_string()))?;
        let (body, limit) = attempt::body(ask, None, plan);
        let request = UpstreamRequest {
            method: ask.method.clone(),
            target,
            headers: headers::up(ask.headers, &account),
            body,
            network: Network::direct(),
            owner: Owner::Caller,
        };
        let began = Instant::now();
        let worker = std::rc::Rc::clone(&exchange.worker);
        let opened = tokio::time::timeout(limit, attempt::open(&worker, request)).await;
        let opened = opened.unwrap_or(Err(Failure::Send(SendError::Timeout)));
        exchange.timeline.upstream_us +=
            u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        match &opened {
            Ok(opened) => {
                let answer = &opened.answer;
                attempt::note_head(exchange, &answer.facts, answer.status);
            }
            Err(Failure::Answer(whole)) => {
                attempt::note_head(exchange, &whole.facts, whole.status);
            }
            Err(_) => {}
        }
        let failure = match opened {
            Ok(opened) => return Ok(Answered::Open(Box::new(opened))),
            Err(failure) => failure,
        };
        exchange.record.error = failure.told();
        let again = failure.retry() == Retry::SameAccountOnce
            && ask.can_repeat()
            && !std::mem::replace(&mut reconnected, true);
        match failure {
            Failure::Answer(whole) => return Ok(Answered::Whole(whole)),
            failure if !again => return failure.conclude(None),
            _ => {}
        }
    }
}
