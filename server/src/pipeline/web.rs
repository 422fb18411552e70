//! The fallback mode: an attempt on an account's web session, made on the control runtime and relayed like any other.
//!
//! Invariant: what runs for an answer ends with it: the task that reads the surface ends when its receiver is gone, and a
//! conversation that waits for a tool's result is owned by the session actor of that result.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::mpsc;
use troupe_actors::Directory;
use troupe_actors::account::ActiveAccount;
use troupe_core::account::{AccountTell, Auth, Report, Verdict};
use troupe_core::session::{Paused, SessionAsk, SessionReply, SessionTell};
use troupe_core::{AccountId, KeyId, SessionKey};
use troupe_upstream::breaker::Outcome as HostOutcome;
use troupe_upstream::web::{
    self, PauseSink, WebAccount, WebAnswer, WebBody, WebFault, WebLimits, WebRequest,
};
use troupe_upstream::{AnswerBody, BodyError, Facts, SendError, UpstreamAnswer};

use super::attempt::{Ask, AskBody, Opened, first_events};
use super::exchange::Exchange;
use super::failure::Failure;
use crate::gateway::Gateway;
use crate::plan::{Plan, WebPlan};

/// Events that wait between the surface and the relay.
const AHEAD: usize = 32;
/// Times in which a session's actor answers.
const RESUME_WITHIN: Duration = Duration::from_secs(1);

const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Fields of the request that have no effect on the web surface, by name.
const IGNORED: HeaderName = HeaderName::from_static("x-troupe-ignored");
/// A connection test that the gateway answered itself.
const ANSWERED: HeaderName = HeaderName::from_static("x-troupe-answered-locally");

/// The conversation that waits for the tool results in `body`, if one does.
pub async fn paused(exchange: &Exchange, key: KeyId, body: &Bytes) -> Option<Paused> {
    let session = waiting_for(key, &web::answered_tools(body))?;
    let active = exchange.worker.gateway.directory.session(session)?;
    let asked = active.handle.ask(SessionAsk::Resume);
    match tokio::time::timeout(RESUME_WITHIN, asked).await {
        Ok(Ok(SessionReply::Resumed(paused))) => paused,
        _ => None,
    }
}

/// The session that owns a conversation waiting for these calls: named by one of them, whatever their order.
fn waiting_for(key: KeyId, tool_use_ids: &[String]) -> Option<SessionKey> {
    let first = tool_use_ids.iter().min()?;
    let mut hasher = DefaultHasher::new();
    (2u8, first).hash(&mut hasher);
    Some(SessionKey {
        key,
        session: hasher.finish(),
    })
}

/// Hands paused conversations to the session actors that own them.
struct Keep {
    directory: Arc<Directory>,
    key: KeyId,
    account: AccountId,
    for_ms: u64,
}

impl PauseSink for Keep {
    fn pause(&self, paused: web::Paused) {
        let Some(session) = waiting_for(self.key, paused.tool_use_ids()) else {
            return;
        };
        if let Some(active) = self.directory.session(session) {
            let now = self.directory.clock().now();
            let _hold = active.entry.enter(now.mono_ms);
            active.handle.tell(SessionTell::Pause {
                paused: Paused {
                    account: self.account,
                    conversation: Box::new(paused),
                },
                for_ms: self.for_ms,
            });
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
    let record = &lease.view.record;
    let model = ask.model.unwrap_or_default();
    let request = WebRequest {
        body: body.original().clone(),
        model: record.models.get(model).map_or(model, String::as_str).to_owned(),
        stream: ask.stream,
        preserve_chats: record.web.as_ref().is_some_and(|web| web.preserve_chats),
        limits: limits(plan, web_plan),
    };
    let id = lease.account.id;
    let account = account(&gateway, lease).ok_or(Failure::NotRenewed)?;
    let http = lease
        .route
        .network
        .stream_client()
        .map_err(Failure::Misconfigured)?;
    let keep = Arc::new(Keep {
        directory: Arc::clone(&gateway.directory),
        key,
        account: id,
        for_ms: web_plan.pause_ms,
    });
    let resumed = ask
        .paused
        .take()
        .filter(|paused| paused.account == id)
        .and_then(|paused| paused.conversation.downcast::<web::Paused>().ok());
    let answering = async move {
        match resumed {
            Some(paused) => web::resume(&http, &account, request, *paused, keep).await,
            None => web::open(&http, &account, request, keep).await,
        }
    };
    let told = Arc::clone(&lease.account);
    let began = gateway
        .directory
        .tree()
        .io()
        .spawn(begin(answering, told));
    let answer = match began.await {
        Ok(Ok(answer)) => answer,
        Ok(Err(fault)) => {
            exchange.host(host(&fault));
            return Err(Failure::Web(Box::new(fault)));
        }
        Err(_) => return Err(Failure::Send(SendError::Timeout)),
    };
    if let Some(organization) = answer.organization {
        gateway.organizations.insert(id, organization);
    }
    opened(answer.head, answer.body).await
}

fn limits(plan: &Plan, web: &WebPlan) -> WebLimits {
    let millis = |d: Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
    WebLimits {
        first_event_ms: millis(plan.silence.first_event),
        idle_ms: plan.silence.idle_ms,
        pause_ms: web.pause_ms,
        ..WebLimits::default()
    }
}

fn account(gateway: &Gateway, lease: &super::exchange::Lease) -> Option<WebAccount> {
    let record = &lease.view.record;
    let lane = lease.view.lane(lease.auth)?;
    let wanted = record.web.as_ref().and_then(|web| web.organization.clone());
    let known = gateway.organizations.get(&lease.account.id);
    Some(WebAccount {
        base: lease.route.base.clone(),
        cookie: lane.credential.as_ref()?.secret.clone(),
        organization: known
            .map(|known| known.value().clone())
            .filter(|known| wanted.as_ref().is_none_or(|wanted| *wanted == known.id)),
        wanted,
        headers: record.headers.clone(),
    })
}

fn host(fault: &WebFault) -> HostOutcome {
    match fault.verdict {
        Verdict::Platform => HostOutcome::Failure,
        Verdict::RequestFault => HostOutcome::Neither,
        _ => HostOutcome::Success,
    }
}

/// An answer that has begun, with a body that may travel between threads.
struct Begun {
    head: HeaderMap,
    organization: Option<web::Organization>,
    body: Piped,
}

enum Piped {
    Whole(Bytes),
    Events(mpsc::Receiver<Result<Bytes, BodyError>>),
}

async fn begin(
    answering: impl Future<Output = Result<WebAnswer, WebFault>> + Send,
    account: Arc<ActiveAccount>,
) -> Result<Begun, WebFault> {
    let WebAnswer {
        body,
        organization,
        answered_locally,
        ignored,
        limit,
    } = answering.await?;
    let mut head = HeaderMap::new();
    if answered_locally {
        head.insert(ANSWERED, HeaderValue::from_static("true"));
    }
    if let Ok(names) = HeaderValue::from_str(&ignored.join(", "))
        && !ignored.is_empty()
    {
        head.insert(IGNORED, names);
    }
    let body = match body {
        WebBody::Json(whole) => {
            head.insert(CONTENT_TYPE, JSON);
            Piped::Whole(whole)
        }
        WebBody::Stream(mut stream) => {
            head.insert(CONTENT_TYPE, EVENTS);
            let (to, events) = mpsc::channel(AHEAD);
            tokio::spawn(async move {
                loop {
                    let next = tokio::select! {
                        next = stream.next() => next,
                        () = to.closed() => return,
                    };
                    let piece = match next {
                        Some(Ok(piece)) => piece,
                        Some(Err(fault)) => fault.event(),
                        None => break,
                    };
                    if to.send(Ok(piece)).await.is_err() {
                        return;
                    }
                }
                // Served, and the last for a while.
                if let Some(verdict) = limit.verdict() {
                    let report = Report::new(Auth::Web, 0, None, verdict);
                    account.handle.tell(AccountTell::Reports(vec![report]));
                }
            });
            Piped::Events(events)
        }
    };
    Ok(Begun {
        head,
        organization,
        body,
    })
}

async fn opened(headers: HeaderMap, body: Piped) -> Result<Opened, Failure> {
    let (stream, is_stream): (troupe_upstream::AnswerStream, bool) = match body {
        Piped::Whole(whole) => (Box::pin(futures_util::stream::iter([Ok(whole)])), false),
        Piped::Events(mut events) => (
            Box::pin(futures_util::stream::poll_fn(move |cx| events.poll_recv(cx))),
            true,
        ),
    };
    let mut body = AnswerBody::from_stream(stream);
    let events = match is_stream {
        true => Some(first_events(&mut body).await?),
        false => None,
    };
    let mut facts = Facts::default();
    facts.content_type = headers.get(CONTENT_TYPE).cloned();
    Ok(Opened {
        answer: UpstreamAnswer {
            status: StatusCode::OK,
            headers,
            facts,
            body,
            reused: false,
        },
        events,
    })
}
