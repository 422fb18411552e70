//! The fallback mode: an attempt on an account's web session, made on the control runtime and relayed like any other.
//!
//! Invariant: what runs for an answer ends with it, before its first event and after; a conversation that waits for a
//! tool's result is owned by the session actor of that result.

mod learnt;
mod piped;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use tokio::task::{JoinError, JoinHandle};
use troupe_core::account::{Credential, Verdict};
use troupe_upstream::breaker::Outcome as HostOutcome;
use troupe_upstream::web::{self, Deletions, WebAccount, WebFault, WebLimits, WebRequest};
use troupe_upstream::{AnswerBody, Facts, SendError, UpstreamAnswer};

use super::attempt::{Ask, AskBody, Opened, first_events};
use super::exchange::{Exchange, Lease};
use super::failure::Failure;
use crate::error::Problem;
use crate::plan::{Plan, WebPlan};
use piped::{Begun, Told, begin};
use waiting::{Keep, Rooms};

pub use learnt::Organizations;
pub use waiting::paused;

/// What web sessions share in a process.
#[derive(Debug, Default)]
pub struct WebSessions {
    organizations: Organizations,
    rooms: Arc<Rooms>,
    deletions: Deletions,
}

impl WebSessions {
    /// Waits until the conversations that were let go are deleted, or cannot be in this time.
    pub async fn settle(&self, within: Duration) {
        if tokio::time::timeout(within, self.deletions.none())
            .await
            .is_err()
        {
            tracing::warn!("conversations of web sessions could not be deleted in time");
        }
    }
}

/// The answer of the leased account's web session.
pub(super) async fn open(
    exchange: &mut Exchange,
    ask: &mut Ask<'_>,
    plan: &Plan,
) -> Result<Opened, Failure> {
    let (Some(lease), Some(web_plan), Some(key)) =
        (exchange.leased(), &plan.web, exchange.record.key)
    else {
        return Err(Failure::Misconfigured("web sessions are off".into()));
    };
    let AskBody::Message { body, .. } = &ask.body else {
        return Err(Failure::Misconfigured("only messages can be asked".into()));
    };
    let gateway = Arc::clone(&exchange.worker.gateway);
    let (id, record) = (lease.account.id, &lease.view.record);
    let lane = lease.view.lane(lease.auth);
    let Some((lane, credential)) = lane.and_then(|lane| Some((lane, lane.credential.clone()?)))
    else {
        return Err(Failure::Misconfigured("it has no session".into()));
    };
    let model = ask.model.unwrap_or_default();
    let request = WebRequest {
        body: body.original().clone(),
        model: record
            .models
            .get(model)
            .map_or(model, String::as_str)
            .to_owned(),
        stream: ask.stream,
        preserve_chats: record.web.as_ref().is_some_and(|web| web.preserve_chats),
        limits: limits(plan, web_plan, ask.stream),
        deletions: gateway.web.deletions.clone(),
    };
    let account = account(&gateway.web.organizations, lease, &credential);
    let http = lease
        .route
        .network
        .stream_client()
        .map_err(Failure::Misconfigured)?;
    let keep = Arc::new(Keep {
        directory: Arc::clone(&gateway.directory),
        rooms: Arc::clone(&gateway.web.rooms),
        key,
        account: id,
    });
    let told = Told {
        account: Arc::clone(&lease.account),
        generation: lane.generation,
    };
    let resumed = ask
        .paused
        .take()
        .and_then(|paused| waiting::conversation(paused, id));
    let answering = async move {
        match resumed {
            Some(paused) => web::resume(&http, &account, request, paused, keep).await,
            None => web::open(&http, &account, request, keep).await,
        }
    };
    let io = gateway.directory.tree().io();
    let mut began = Running(io.spawn(begin(answering, told)));
    let begun = match tokio::time::timeout(limit(plan, ask.stream), &mut began.0).await {
        Ok(Ok(Ok(begun))) => begun,
        Ok(Ok(Err(fault))) => {
            gateway.web.organizations.doubt(id, &fault.verdict);
            exchange.host(host(&fault));
            return Err(Failure::Web(Box::new(fault)));
        }
        Ok(Err(lost)) => return Err(Failure::Own(broken(&lost))),
        Err(_) => return Err(Failure::Send(SendError::Timeout)),
    };
    if let Some(organization) = begun.organization.clone() {
        let learnt = &gateway.web.organizations;
        learnt.learn(id, &credential, organization);
    }
    // The surface tells no usage.
    exchange.record.estimated = true;
    opened(begun).await
}

/// What runs on the control runtime for an answer that has not begun. Without its owner it is not wanted any more.
struct Running<T>(JoinHandle<T>);

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn broken(lost: &JoinError) -> Problem {
    tracing::error!(error = %lost, "the reader of a web session was lost");
    Problem::Overloaded("the reader of a web session")
}

/// How long an answer may take to begin: to its first event, or as a whole.
fn limit(plan: &Plan, stream: bool) -> Duration {
    match stream {
        true => plan.silence.first_event,
        false => plan.silence.response,
    }
}

fn limits(plan: &Plan, web: &WebPlan, stream: bool) -> WebLimits {
    WebLimits {
        first_event_ms: u64::try_from(limit(plan, stream).as_millis()).unwrap_or(u64::MAX),
        idle_ms: plan.silence.idle_ms,
        pause_ms: web.pause_ms,
        ..WebLimits::default()
    }
}

fn account(known: &Organizations, lease: &Lease, credential: &Arc<Credential>) -> WebAccount {
    let record = &lease.view.record;
    let wanted = record.web.as_ref().and_then(|web| web.organization.clone());
    let organization = known.of(lease.account.id, credential);
    let fits = |known: &web::Organization| wanted.as_ref().is_none_or(|id| *id == known.id);
    WebAccount {
        base: lease.route.base.clone(),
        cookie: credential.secret.clone(),
        organization: organization.filter(fits),
        wanted,
        headers: record.headers.clone(),
    }
}

fn host(fault: &WebFault) -> HostOutcome {
    match fault.verdict {
        Verdict::Platform | Verdict::Unknown => HostOutcome::Failure,
        Verdict::RequestFault => HostOutcome::Neither,
        _ => HostOutcome::Success,
    }
}

async fn opened(begun: Begun) -> Result<Opened, Failure> {
    let headers = begun.head;
    let (stream, content_length, is_events) = begun.body.into_stream();
    let mut body = AnswerBody::from_stream(stream);
    let events = match is_events {
        true => Some(first_events(&mut body).await?),
        false => None,
    };
    let mut facts = Facts::default();
    facts.content_type = headers.get(CONTENT_TYPE).cloned();
    facts.content_length = content_length;
    Ok(Opened {
        answer: UpstreamAnswer {
            status: StatusCode::OK,
            headers: headers.into_iter().collect(),
            facts,
            body,
            reused: false,
        },
        events,
    })
}
