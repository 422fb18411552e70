//! Answer: drives one completion's stream and hands it to the client, as a stream of events or as one JSON body.
//!
//! Invariant: the stream's bytes are whole events; nothing goes out before the first event is there, so that a fault until
//! then can still be tried elsewhere. Dropped at any time it closes the upstream's stream and frees the conversation.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{Stream, stream};
use reqwest::Response;
use tokio::time::{Instant, timeout_at};
use troupe_core::account::Verdict;
use troupe_wire::sse::EventKind;

use super::{
    Organization, PauseSink, Paused, WebLimits,
    collect::Collector,
    conversation::Conversation,
    error_event,
    event::{EventReader, WebEvent, write_all},
    fault::WebFault,
    signal::Call,
    surface::{broken, in_no_time, now_ms},
    translate::{Terms, Translation},
};

/// Events of the Messages API, LF framing, each item one or more whole events. After a fault nothing follows; its
/// [`event`](WebFault::event) is what the client is to be told.
pub type WebStream = Pin<Box<dyn Stream<Item = Result<Bytes, WebFault>> + Send>>;

/// What the client gets.
pub enum WebBody {
    /// `text/event-stream`; begins with `message_start`, perhaps after pings.
    Stream(WebStream),
    /// `application/json`, whole.
    Json(Bytes),
}

/// An answer that has begun.
#[derive(Debug)]
pub struct WebAnswer {
    pub body: WebBody,
    /// Learnt by this request; to be given with the account from now on.
    pub organization: Option<Organization>,
    /// A connection test that no upstream was asked for.
    pub answered_locally: bool,
    /// Names of request fields that had no effect on this surface.
    pub ignored: Vec<String>,
    pub limit: LimitNotice,
}

/// What the stream said of the account's limits, besides the answer; complete when the body has ended.
#[derive(Clone, Debug, Default)]
pub struct LimitNotice(Arc<OnceLock<WebFault>>);

/// An open completion.
pub(super) struct Live {
    response: Response,
    reader: EventReader,
    bytes_left: u64,
    conversation: Conversation,
}

/// One message on its way.
pub(super) struct Flow {
    live: Option<Live>,
    translation: Translation,
    model: String,
    pauses: Arc<dyn PauseSink>,
    limits: WebLimits,
    limit: LimitNotice,
    /// Comes after what was given out.
    fault: Option<WebFault>,
    first_by: Instant,
    /// Since when it is waited for more than pings. Not from when the last event came: a slow client keeps later ones
    /// from being read.
    quiet_from: Option<Instant>,
}

// === impl LimitNotice ===

impl LimitNotice {
    /// The account has reached a limit: what that means for the requests to come.
    #[must_use]
    pub fn verdict(&self) -> Option<Verdict> {
        self.0.get().map(|fault| fault.verdict.clone())
    }
}

// === impl Live ===

impl Live {
    pub(super) fn new(response: Response, conversation: Conversation, limits: &WebLimits) -> Self {
        Self {
            response,
            reader: EventReader::default(),
            bytes_left: limits.answer_max_bytes,
            conversation,
        }
    }

    pub(super) fn conversation(&self) -> &Conversation {
        &self.conversation
    }

    /// The next events, the stream's end (`None`), or a fault after the events given.
    async fn read(&mut self) -> Result<Option<(Vec<WebEvent>, Option<WebFault>)>, WebFault> {
        let chunk = self
            .response
            .chunk()
            .await
            .map_err(|err| broken(Call::Completion, &err))?;
        let Some(chunk) = chunk else {
            return Ok(None);
        };
        let left = self.bytes_left.checked_sub(chunk.len() as u64);
        self.bytes_left =
            left.ok_or_else(|| WebFault::platform("the web surface sent too long an answer"))?;
        Ok(Some(self.reader.push(chunk)))
    }
}

// === impl Flow ===

impl Flow {
    pub(super) fn new(
        live: Live,
        terms: Terms,
        pauses: Arc<dyn PauseSink>,
        limits: WebLimits,
        first_by: Instant,
    ) -> Self {
        Self {
            live: Some(live),
            model: terms.model.clone(),
            translation: Translation::new(terms),
            pauses,
            limits,
            limit: LimitNotice::default(),
            fault: None,
            first_by,
            quiet_from: None,
        }
    }

    /// The first events, `message_start` among them; a fault instead if none can be given.
    pub(super) async fn first(&mut self) -> Result<Vec<WebEvent>, WebFault> {
        let mut first = Vec::new();
        while !self.translation.has_begun() {
            match self.next().await {
                Some(Ok(events)) => first.extend(events),
                Some(Err(fault)) => return Err(fault),
                None => {
                    let none = WebFault::platform("the web surface sent no message");
                    return Err(none.of_answer());
                }
            }
        }
        // Nothing has gone out: what failed in the same breath is a fault of the whole.
        match self.fault.take() {
            Some(fault) => Err(fault),
            None => Ok(first),
        }
    }

    pub(super) fn answer_json(
        self,
        first: &[WebEvent],
    ) -> impl Future<Output = Result<WebBody, WebFault>> + Send {
        let mut collector = Collector::default();
        for event in first {
            collector.push(event);
        }
        self.collect(collector)
    }

    async fn collect(mut self, mut collector: Collector) -> Result<WebBody, WebFault> {
        while let Some(events) = self.next().await {
            for event in events? {
                collector.push(&event);
            }
        }
        collector.finish().map(WebBody::Json)
    }

    pub(super) fn answer_stream(self, first: &[WebEvent]) -> WebBody {
        let first = write_all(first);
        let rest = stream::unfold((self, Some(first)), async |(mut flow, first)| {
            if let Some(first) = first {
                return Some((Ok(first), (flow, None)));
            }
            let item = flow.next().await?.map(|events| write_all(&events));
            Some((item, (flow, None)))
        });
        WebBody::Stream(Box::pin(rest))
    }

    pub(super) fn limit(&self) -> LimitNotice {
        self.limit.clone()
    }

    /// The next events for the client, never none of them; `None` after the message's end and after a fault.
    async fn next(&mut self) -> Option<Result<Vec<WebEvent>, WebFault>> {
        loop {
            if let Some(fault) = self.fault.take() {
                self.live = None;
                return Some(Err(fault));
            }
            let deadline = self.deadline();
            let live = self.live.as_mut()?;
            match timeout_at(deadline, live.read()).await {
                Ok(Ok(Some((events, broken)))) => self.take_in(events, broken),
                Ok(Ok(None)) => self.fail(WebFault::platform(
                    "the web surface closed the stream within the answer",
                )),
                Ok(Err(fault)) => self.fail(fault),
                Err(_) if self.translation.awaits_tools() => self.pause(),
                Err(_) => self.fail(in_no_time(Call::Completion)),
            }
            if self.translation.has_ended() {
                self.live = None;
                self.fault = None;
            }
            let events = self.translation.take();
            if !events.is_empty() {
                return Some(Ok(events));
            }
        }
    }

    fn deadline(&mut self) -> Instant {
        let ms = Duration::from_millis;
        if self.translation.awaits_tools() {
            *self.quiet_from.get_or_insert_with(Instant::now) + ms(self.limits.tool_silence_ms)
        } else if self.translation.has_begun() {
            Instant::now() + ms(self.limits.idle_ms)
        } else {
            self.first_by
        }
    }

    fn take_in(&mut self, events: Vec<WebEvent>, broken: Option<WebFault>) {
        for event in events {
            if event.kind != EventKind::Ping {
                self.quiet_from = None;
            }
            if let Some(reached) = error_event::limit(&event, now_ms()) {
                if let Some(reached) = reached {
                    // The first that is told counts; a second says the same.
                    let _told_before = self.limit.0.set(reached);
                }
                continue;
            }
            let pushed = if event.kind == EventKind::Error {
                Err(error_event::fault(&event, now_ms()))
            } else {
                self.translation.push(event)
            };
            if let Err(fault) = pushed {
                return self.fail(fault);
            }
        }
        if let Some(fault) = broken {
            self.fail(fault);
        }
    }

    fn fail(&mut self, fault: WebFault) {
        // A stream that breaks off without a word after a limit was told breaks off because of it.
        let reached = self
            .limit
            .0
            .get()
            .filter(|_| fault.verdict == Verdict::Platform);
        let fault = reached.cloned().unwrap_or(fault.of_answer());
        self.fault = Some(match &self.live {
            Some(live) => live.conversation.surface().hidden(fault),
            None => fault,
        });
    }

    fn pause(&mut self) {
        let calls = self.translation.end_for_tools();
        if let Some(live) = self.live.take() {
            let wait = Duration::from_millis(self.limits.pause_ms);
            self.pauses
                .pause(Paused::new(calls, self.model.clone(), live, wait));
        }
    }
}

impl fmt::Debug for WebBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stream(_) => "Stream(…)",
            Self::Json(_) => "Json(…)",
        })
    }
}

/// An answer that is wholly known.
pub(super) fn once(
    events: Vec<WebEvent>,
    terms: Terms,
    as_stream: bool,
) -> Result<WebBody, WebFault> {
    let mut translation = Translation::new(terms);
    for event in events {
        translation.push(event)?;
    }
    let events = translation.take();
    if as_stream {
        let whole = stream::iter([Ok(write_all(&events))]);
        return Ok(WebBody::Stream(Box::pin(whole)));
    }
    let mut collector = Collector::default();
    for event in &events {
        collector.push(event);
    }
    collector.finish().map(WebBody::Json)
}
