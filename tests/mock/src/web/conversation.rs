//! A conversation's life: created, set, given the results of tools, deleted.
//!
//! Invariant: only the cookie's organisation reaches it, and only until it is deleted.

use bytes::Bytes;
use serde_json::{Value, json};

use super::Refusal;
use super::ids;
use super::organizations::{Organization, Session};
use super::route::Route;
use super::view::ToolResultView;
use crate::reply::Reply;
use crate::scenario::Framing;
use crate::state::State;

const RESULT_CHARS: usize = 1_000;

pub(super) fn create(
    state: &State,
    session: &Session,
    organization: &Organization,
    body: &Bytes,
) -> Result<Reply, Refusal> {
    let body = read(body)?;
    let id = body["uuid"].as_str().unwrap_or_default();
    if !ids::is_uuid_v4(id) {
        return Err(Refusal::invalid(
            "uuid: Input should be a valid UUID of version 4",
        ));
    }
    if !body["name"].is_string() {
        return Err(Refusal::invalid("name: Input should be a valid string"));
    }
    let extended = session.has_word("extended") && organization.is_paid();
    state.web.create(&organization.uuid, id, extended)?;
    let created = json!({"uuid": id, "name": body["name"], "summary": "", "model": null,
        "is_starred": false, "settings": settings_of(extended)});
    Ok(Reply::json(201, &created))
}

pub(super) fn settings(
    state: &State,
    organization: &Organization,
    route: &Route<'_>,
    body: &Bytes,
) -> Result<Reply, Refusal> {
    let extended = match read(body)?["settings"].get("paprika_mode") {
        Some(Value::Null) => false,
        Some(Value::String(mode)) if mode == "extended" => true,
        _ => {
            let message = "settings.paprika_mode: Input should be null or extended";
            return Err(Refusal::invalid(message));
        }
    };
    if extended && !organization.is_paid() {
        let message = "settings.paprika_mode: extended needs a paid plan";
        return Err(Refusal::invalid(message));
    }
    let id = route.conversation;
    state.web.set_extended(&organization.uuid, id, extended)?;
    Ok(Reply::json(
        202,
        &json!({"uuid": id, "settings": settings_of(extended)}),
    ))
}

pub(super) fn tool_result(
    state: &State,
    organization: &Organization,
    route: &Route<'_>,
    body: &Bytes,
) -> Result<Reply, Refusal> {
    let result = read_result(&read(body)?).map_err(Refusal::invalid)?;
    let id = route.conversation;
    state.web.answer(&organization.uuid, id, result)?;
    Ok(Reply::json(202, &json!({})))
}

pub(super) fn delete(
    state: &State,
    organization: &Organization,
    route: &Route<'_>,
) -> Result<Reply, Refusal> {
    state.web.delete(&organization.uuid, route.conversation)?;
    let mut reply = Reply::whole(204, "", Bytes::new());
    reply.headers.clear();
    reply.framing = Framing::ContentLength;
    Ok(reply)
}

fn read(body: &Bytes) -> Result<Value, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal::invalid(error.to_string()))
}

fn settings_of(extended: bool) -> Value {
    json!({"paprika_mode": extended.then_some("extended"), "preview_feature_uses_artifacts": true})
}

fn read_result(body: &Value) -> Result<ToolResultView, &'static str> {
    if body["type"] != "tool_result" {
        return Err("type: Input should be tool_result");
    }
    let id = body["tool_use_id"].as_str();
    let blocks = body["content"].as_array();
    let blocks = blocks.ok_or("content: Input should be a valid list")?;
    let texts = blocks.iter().map(|block| match block["type"].as_str() {
        Some("text") => block["text"].as_str().map(str::to_owned),
        kind => kind.map(|kind| format!("[{kind}]")),
    });
    let texts: Option<Vec<_>> = texts.collect();
    let text = texts.ok_or("content: each block needs a type, a text block its text")?;
    Ok(ToolResultView {
        tool_use_id: id.ok_or("tool_use_id: Field required")?.to_owned(),
        tool_name: String::new(),
        text: text.join("\n").chars().take(RESULT_CHARS).collect(),
        is_error: match body.get("is_error") {
            None => false,
            Some(value) => value
                .as_bool()
                .ok_or("is_error: Input should be a boolean")?,
        },
    })
}
