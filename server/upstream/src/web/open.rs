//! Opening an answer: the calls in their order, and going on with a paused one.
//!
//! ```text
//!  read ─ test? ─ prompt ─► organisation ─► conversation ─► settings ─► uploads ─► completion ─► first event
//!                           (unless known)                  (if other)
//!  resume:  tool results ─► first event        or, when that is not possible, all of the above: the replay
//! ```
//!
//! Invariant: everything that can be wrong with the request is found before the first call; every call has its bound.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::time::Instant;
use troupe_core::account::Verdict;
use troupe_wire::estimate::request_tokens;
use uuid::Uuid;

use super::{
    Deletions, Organization, PauseSink, Paused, WebAccount, WebAnswer, WebBody, WebLimits,
    answer::{Flow, LimitNotice, Live, once},
    ask::Ask,
    completion::{self, Completion},
    conversation::{Conversation, Making},
    fault::WebFault,
    organization,
    prompt::Prompt,
    request_test,
    surface::Surface,
    tool_result,
    translate::Terms,
    upload,
};

/// What a client asked, for this account.
#[derive(Clone)]
pub struct WebRequest {
    /// The Messages request as it came.
    pub body: Bytes,
    /// The model to be asked, as the surface names it; also what an answer that names none is filled with.
    pub model: String,
    /// As events, else as one JSON body.
    pub stream: bool,
    /// Keep the conversation in the account's list of chats.
    pub preserve_chats: bool,
    pub limits: WebLimits,
    pub deletions: Deletions,
}

impl fmt::Debug for WebRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebRequest")
            .field("body_bytes", &self.body.len())
            .field("model", &self.model)
            .field("stream", &self.stream)
            .finish_non_exhaustive()
    }
}

/// Asks the surface; returns when the first event is there (with `stream`) or the whole answer (without).
///
/// `http` follows no redirect, uses no proxy of the environment and has no total timeout, as a stream may last; a connect
/// timeout it should have. Its connections live on the runtime that this is called from, and so does the task that
/// deletes the conversation: call it on one that outlives the answer.
///
/// # Errors
/// Nothing has gone to the client then: the fault's verdict says what it means and what may follow. In a `Stream` body
/// a later fault is the last item.
pub async fn open(
    http: &reqwest::Client,
    account: &WebAccount,
    request: WebRequest,
    pauses: Arc<dyn PauseSink>,
) -> Result<WebAnswer, WebFault> {
    let ask = Ask::read(&request.body)?;
    if request_test::is_test(&ask) {
        return local(&request, ask);
    }
    let limits = &request.limits;
    let id = Uuid::new_v4();
    let mark = id.simple().to_string();
    let prompt = Prompt::build(&ask, mark.get(..8).unwrap_or(&mark), limits)?;
    let surface = Arc::new(Surface::new(http, account)?);
    let (organization, is_learnt) = match account.organization.clone() {
        Some(known) => (known, false),
        None => (
            organization::find(&surface, account.wanted.as_deref(), limits).await?,
            true,
        ),
    };
    let thinking = ask.thinking && organization.paid;
    let making = Making {
        organization: &organization.id,
        id,
        preserved: request.preserve_chats,
        thinking,
        deletions: request.deletions.clone(),
    };
    let conversation = Conversation::create(Arc::clone(&surface), making, limits).await?;
    let files = upload::all(&surface, &organization.id, prompt.files, limits).await?;
    let terms = terms(&request, &ask, thinking);
    let completion = Completion {
        max_tokens_to_sample: ask.max_tokens,
        attachments: prompt.attachments,
        files,
        model: &request.model,
        rendering_mode: "messages",
        prompt: prompt.text,
        timezone: "UTC",
        tools: ask.tools,
    };
    let first_by = first_by(limits);
    let response = completion::start(&conversation, &completion, first_by).await?;
    let live = Live::new(response, conversation, limits);
    let flow = Flow::new(live, terms, pauses, limits.clone(), first_by);
    answer(
        flow,
        request.stream,
        ask.ignored,
        is_learnt.then_some(organization),
    )
    .await
}

/// Goes on with a paused conversation, by the tool results in the request's last message. When they are not the ones it
/// waits for, or it is gone, the request is replayed from its history by [`open`]; `paused` is used up in any case.
///
/// # Errors
/// As of [`open`].
pub async fn resume(
    http: &reqwest::Client,
    account: &WebAccount,
    request: WebRequest,
    paused: Paused,
    pauses: Arc<dyn PauseSink>,
) -> Result<WebAnswer, WebFault> {
    match go_on(&request, paused, Arc::clone(&pauses)).await {
        Ok(Some(answer)) => return Ok(answer),
        Ok(None) => {}
        Err(fault) if is_replayable(&fault.verdict) => {}
        Err(fault) => return Err(fault),
    }
    open(http, account, request, pauses).await
}

/// May the conversation's fault be one of this conversation only?
fn is_replayable(verdict: &Verdict) -> bool {
    matches!(
        verdict,
        Verdict::Platform | Verdict::RequestFault | Verdict::NoModel
    )
}

/// `None` when the request does not fit the paused conversation, which has then ended.
async fn go_on(
    request: &WebRequest,
    paused: Paused,
    pauses: Arc<dyn PauseSink>,
) -> Result<Option<WebAnswer>, WebFault> {
    let ask = Ask::read(&request.body)?;
    let last = ask
        .messages
        .last()
        .filter(|_| paused.model == request.model);
    let results = last.and_then(|last| tool_result::results_for(last, paused.tool_use_ids()));
    let Some(results) = results else {
        return Ok(None);
    };
    tool_result::post(paused.live.conversation(), &results, &request.limits).await?;
    let terms = terms(request, &ask, ask.thinking);
    let limits = request.limits.clone();
    let first_by = first_by(&limits);
    let flow = Flow::new(paused.live, terms, pauses, limits, first_by);
    answer(flow, request.stream, ask.ignored, None)
        .await
        .map(Some)
}

async fn answer(
    mut flow: Flow,
    stream: bool,
    ignored: Vec<String>,
    organization: Option<Organization>,
) -> Result<WebAnswer, WebFault> {
    let first = flow.first().await?;
    let limit = flow.limit();
    let body = if stream {
        flow.answer_stream(&first)
    } else {
        flow.answer_json(&first).await?
    };
    Ok(WebAnswer {
        body,
        organization,
        answered_locally: false,
        ignored,
        limit,
    })
}

fn local(request: &WebRequest, ask: Ask<'_>) -> Result<WebAnswer, WebFault> {
    let terms = terms(request, &ask, false);
    let body: WebBody = once(request_test::events(), terms, request.stream)?;
    Ok(WebAnswer {
        body,
        organization: None,
        answered_locally: true,
        ignored: ask.ignored,
        limit: LimitNotice::default(),
    })
}

fn terms(request: &WebRequest, ask: &Ask<'_>, thinking: bool) -> Terms {
    Terms {
        model: request.model.clone(),
        thinking,
        stop_sequences: ask.stop_sequences.clone(),
        input_tokens: request_tokens(&request.body).unwrap_or(0),
    }
}

fn first_by(limits: &WebLimits) -> Instant {
    Instant::now() + Duration::from_millis(limits.first_event_ms)
}
