//! The endpoints of the service.
//!
//! Invariant: checks come in the service's order: credential, path, body; only then the scenario
//! decides about the answer, except where a script or a header asked for another status.

use bytes::Bytes;
use serde_json::json;
use troupe_wire::models::{self, ModelPage, PageQuery};

use crate::http::Head;
use crate::message::Message;
use crate::oauth::Verdict;
use crate::reply::Reply;
use crate::request::Ask;
use crate::resources::Kind;
use crate::scenario::{Events, Scenario};
use crate::select;
use crate::state::State;

/// Answers a request whose body was read.
pub(crate) fn answer(state: &State, head: &Head, body: &Bytes, serial: u64) -> Reply {
    let path = head.target.split('?').next().unwrap_or_default();
    if let Some(message) = refusal(state, head) {
        return dressed(
            state,
            Reply::error(401, message),
            Scenario::default(),
            serial,
        );
    }
    let scripted = select::scripted(state, &head.method, path, false);
    let is_message = head.method == "POST" && path == "/v1/messages";
    let counts = head.method == "POST" && path == "/v1/messages/count_tokens";
    let ask = (is_message || counts).then(|| Ask::read(body, counts));
    let read = ask.as_ref().and_then(|ask| ask.as_ref().ok());
    let scenario = match scripted.map_or_else(|| select::named(state, head, read), Ok) {
        Ok(scenario) => scenario,
        Err(message) => {
            return dressed(
                state,
                Reply::error(400, &message),
                Scenario::default(),
                serial,
            );
        }
    };
    let reply = if let Some(reply) = Reply::scripted(&scenario) {
        reply
    } else if let Some(ask) = ask {
        match ask {
            Err(message) => Reply::error(400, &message),
            Ok(ask) if counts => Reply::json(200, &json!({"input_tokens": ask.input_tokens()})),
            Ok(ask) => message(&ask, &scenario, serial),
        }
    } else {
        route(state, head, path, body, serial)
    };
    dressed(state, reply, scenario, serial)
}

fn dressed(state: &State, mut reply: Reply, scenario: Scenario, serial: u64) -> Reply {
    reply.dress(state, scenario, serial);
    reply
}

/// Why the credential is not accepted. A bearer token of the authorization server is judged by it alone.
fn refusal(state: &State, head: &Head) -> Option<&'static str> {
    let keys = &state.config.require_keys;
    let bearer = head.header("authorization").and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme
            .eq_ignore_ascii_case("bearer")
            .then_some(token.trim())
    });
    match bearer.and_then(|token| state.oauth.verdict(token)) {
        Some(Verdict::Live) => return None,
        Some(Verdict::Expired) => return Some("access token has expired"),
        Some(Verdict::Revoked) => return Some("access token is revoked"),
        None => {}
    }
    let accepted = keys.is_empty()
        || [head.header("x-api-key"), bearer]
            .into_iter()
            .flatten()
            .any(|given| keys.iter().any(|key| key == given));
    (!accepted).then_some("invalid x-api-key")
}

fn message(ask: &Ask, scenario: &Scenario, serial: u64) -> Reply {
    let message = Message::compose(ask, scenario, serial);
    if !ask.stream || scenario.json {
        return Reply::whole(200, "application/json", message.to_json());
    }
    let events = match &scenario.events {
        Some(Events::Raw(events)) => events.iter().cloned().map(Bytes::from).collect(),
        _ => message.to_events(scenario),
    };
    Reply::events(events, scenario)
}

fn route(state: &State, head: &Head, path: &str, body: &Bytes, serial: u64) -> Reply {
    let segments: Vec<_> = path.trim_start_matches('/').split('/').collect();
    let found = |object: Option<serde_json::Value>| match object {
        Some(object) => Reply::json(200, &object),
        None => Reply::error(404, &format!("not found: {path}")),
    };
    let created = |kind| {
        let object = state.resources().create(kind, serial, body.clone());
        Reply::json(200, &object)
    };
    match (head.method.as_str(), segments.as_slice()) {
        ("GET" | "HEAD", [""] | ["api", "hello"]) => Reply::whole(200, "text/plain", Bytes::new()),
        ("GET", ["v1", "models"]) => models(head),
        ("GET", ["v1", "models", id]) => {
            let model = models::built_in().into_iter().find(|model| model.id == *id);
            found(model.and_then(|model| serde_json::to_value(model).ok()))
        }
        ("POST", ["v1", "files"]) => created(Kind::File),
        ("POST", ["v1", "messages", "batches"]) => created(Kind::Batch),
        ("GET", ["v1", "files"]) => Reply::json(200, &state.resources().list(Kind::File)),
        ("GET", ["v1", "messages", "batches"]) => {
            Reply::json(200, &state.resources().list(Kind::Batch))
        }
        ("GET", ["v1", "files", id]) => found(state.resources().get(Kind::File, id)),
        ("GET", ["v1", "files", id, "content"]) => {
            match state.resources().content(Kind::File, id) {
                Some(content) => Reply::whole(200, "application/octet-stream", content),
                None => found(None),
            }
        }
        ("GET", ["v1", "messages", "batches", id]) => found(state.resources().get(Kind::Batch, id)),
        ("POST", ["v1", "messages", "batches", id, "cancel"]) => {
            found(state.resources().cancel(id))
        }
        ("DELETE", ["v1", "files", id]) => found(state.resources().delete(Kind::File, id)),
        ("DELETE", ["v1", "messages", "batches", id]) => {
            found(state.resources().delete(Kind::Batch, id))
        }
        (_, ["v1", "messages"] | ["v1", "messages", "count_tokens"] | ["v1", "models"]) => {
            Reply::error(405, "method not allowed")
        }
        _ => found(None),
    }
}

fn models(head: &Head) -> Reply {
    let query = head.target.split_once('?').map_or("", |(_, query)| query);
    let value = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs
            .find(|(found, _)| *found == name)
            .map(|(_, value)| value.to_owned())
    };
    let query = PageQuery {
        limit: value("limit").map(|limit| limit.parse().unwrap_or(0)),
        after_id: value("after_id"),
        before_id: value("before_id"),
    };
    match ModelPage::cut(&models::built_in(), &query).map(serde_json::to_value) {
        Ok(Ok(page)) => Reply::json(200, &page),
        Ok(Err(error)) => Reply::error(500, &error.to_string()),
        Err(error) => Reply::error(400, &error.to_string()),
    }
}
