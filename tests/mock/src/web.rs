//! The web-session surface: what a cookie can do, with conversations that are remembered.
//!
//! Invariant: a request is refused unless what it names exists (the cookie's organisation, a living
//! conversation, an uploaded file, a tool call that waits), so that an adapter that mixes things up
//! is caught; and each completion has one stream, whose fate stands in [`WebSnapshot`].
//!
//! Endpoints: `GET /api/organizations`, `POST …/chat_conversations`, `PUT` and `DELETE` of one,
//! `POST /api/{org}/upload`, `POST …/completion`, `POST …/tool_result`,
//! `POST /v1/oauth/{org}/authorize`. `GET /__mock/web` shows the state.
//!
//! What answers is chosen by the first that is given: the script, the header `x-mock-scenario`, a
//! word of the session key, a tag (`mock:NAME` in the model, the last `[[mock:…]]` of the prompt,
//! else of the attachments), the mock's default. Scripted answers with `web` are consumed by
//! [`WebScenario::at`], a completion by default.
//!
//! | scenario | a completion is |
//! |---|---|
//! | `web_text` | text that echoes the beginning of what it was given; never thinking |
//! | `web_thinking`, default | thinking when `paprika_mode` is extended, then `web_text` |
//! | `web_one_tool` | a tool call, a pause, text that quotes the result |
//! | `web_two_tools` | text, two tool calls, one pause for both, text that quotes both |
//! | `web_tool_chain` | a tool call and a pause, twice; text that quotes both |
//! | `web_long` | 8 kB of many-byte characters in 200 deltas, events cut over several writes, in the middle of CRLF and of characters |
//! | `web_stop_bait` | text whose word `HALT` lies over four deltas |
//! | `web_unknown` | text among events, deltas and blocks that no client knows |
//! | `web_mid_error`, `web_mid_limit` | an `error` event after 4 events: overloaded; a rate limit with `resets_at` |
//! | `web_cut` | closed in the middle of the fifth event |
//! | `web_early_end` | ended properly after 4 events |
//! | `web_approaching`, `web_exceeded` | `web_text` with that `message_limit`, `resetsAt` in an hour |
//! | `web_slow`, `web_stall`, `web_endless` | its first event after 2 s; silence after 4 events; deltas for ever |
//!
//! | scenario | refuses with |
//! |---|---|
//! | `web_challenged` | 302 to `/challenge` (which answers 404, and shows in the journal who went there) |
//! | `web_dead`, `web_forbidden` | 401; 403 |
//! | `web_disabled` | 400 `This organization has been disabled.` |
//! | `web_limited` | 429 whose message is a JSON text with `resetsAt` in an hour |
//! | `web_limited_nonsense`, `…_huge`, `…_past`, `…_plain` | the same with `resetsAt` a word; in milliseconds; long ago; no JSON at all |
//! | `web_overloaded` | 529 |
//!
//! The names of the Messages scenarios work too (`tool_use`, `stall`, `status_503`, …), and so do
//! their fields. Faults after so many events count over the pauses: one that is due when a pause
//! begins comes then, so `reset_after_events` also breaks a paused stream.
//!
//! | word of the session key | does |
//! |---|---|
//! | any name of above without `web_` | a refusal hits every endpoint, anything else completions |
//! | the same and `@endpoint` | only there: `dead@tool_result` |
//! | `free`, `max` | plan; else Pro |
//! | `extended` | new conversations come with `paprika_mode` extended |
//! | `nochat`, `noorgs` | no organisation with `chat`; none at all |

mod authorize;
mod completion;
mod conversation;
mod cuts;
mod events;
mod ids;
mod organizations;
pub(crate) mod presets;
mod route;
mod scenario;
mod select;
mod store;
mod stream;
mod turn;
mod upload;
mod view;

pub use scenario::{Endpoint, MessageLimit, WebScenario};
pub(crate) use store::WebStore;
pub(crate) use stream::Live;
pub use view::{ConversationView, FileView, StreamState, ToolResultView, Web, WebSnapshot};

use bytes::Bytes;
use serde_json::json;

use crate::http::Head;
use crate::reply::Reply;
use crate::scenario::{Framing, Scenario};
use crate::state::State;
use completion::Ask;
use organizations::Session;
use route::Route;

/// Answers, when the path is one of these.
pub(crate) fn answer(state: &State, head: &Head, body: &Bytes, serial: u64) -> Option<Reply> {
    let path = head.target.split('?').next().unwrap_or_default();
    let route = Route::of(&head.method, path)?;
    let Some(session) = head.header("cookie").and_then(Session::of) else {
        let refused = Reply::error(403, "Invalid authorization");
        return Some(dressed(state, refused, Scenario::default(), serial));
    };
    let ask = (route.endpoint == Endpoint::Completion).then(|| Ask::read(body));
    let read = ask.as_ref().and_then(|ask| ask.as_ref().ok());
    let request = select::Request {
        head,
        path,
        endpoint: route.endpoint,
        session: &session,
        ask: read,
    };
    let scenario = match select::scenario(state, &request) {
        Ok(scenario) => scenario,
        Err(message) => {
            let refused = Reply::error(400, &message);
            return Some(dressed(state, refused, Scenario::default(), serial));
        }
    };
    let reply = Reply::scripted(&scenario).unwrap_or_else(|| {
        let handled = match ask {
            Some(ask) => ask
                .map_err(Refusal::invalid)
                .and_then(|ask| completion::start(state, &session, &route, ask, &scenario, serial)),
            None => handle(state, &session, &route, head, body, serial),
        };
        handled.unwrap_or_else(|refusal| Reply::error(refusal.status, &refusal.message))
    });
    Some(dressed(state, reply, scenario, serial))
}

fn handle(
    state: &State,
    session: &Session,
    route: &Route<'_>,
    head: &Head,
    body: &Bytes,
    serial: u64,
) -> Result<Reply, Refusal> {
    if route.endpoint == Endpoint::Organizations {
        return Ok(Reply::json(200, &json!(session.organizations())));
    }
    let organization = session.organization(route.organization)?;
    match route.endpoint {
        Endpoint::Create => conversation::create(state, session, &organization, body),
        Endpoint::Settings => conversation::settings(state, &organization, route, body),
        Endpoint::ToolResult => conversation::tool_result(state, &organization, route, body),
        Endpoint::Delete => conversation::delete(state, &organization, route),
        Endpoint::Upload => upload::store(state, &organization, head, body, serial),
        Endpoint::Authorize => authorize::grant(state, &organization, body, serial),
        Endpoint::Organizations | Endpoint::Completion => Err(Refusal::missing("endpoint")),
    }
}

/// Why a request is refused: the status and the message of the error envelope.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    status: u16,
    message: String,
}

impl Refusal {
    fn invalid(message: impl Into<String>) -> Self {
        Self {
            status: 400,
            message: message.into(),
        }
    }

    fn missing(what: &str) -> Self {
        Self {
            status: 404,
            message: format!("{what} not found"),
        }
    }

    fn with(status: u16, message: &str) -> Self {
        Self {
            status,
            message: message.to_owned(),
        }
    }
}

/// Adds what every answer has. This surface sends no rate-limit headers.
fn dressed(state: &State, mut reply: Reply, scenario: Scenario, serial: u64) -> Reply {
    let wanted: Vec<_> = scenario.headers.clone();
    reply.dress(state, scenario, serial);
    reply
        .headers
        .retain(|header| !header.0.starts_with("anthropic-") || wanted.contains(header));
    if reply.live.is_some() && reply.framing == Framing::ContentLength {
        reply.framing = Framing::Chunked;
    }
    reply
}
