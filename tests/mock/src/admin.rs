//! `/__mock/…`: the journal and the script, for tests in other languages.
//!
//! Invariant: these requests need no credential and never appear in the journal themselves.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::http::Head;
use crate::oauth;
use crate::reply::Reply;
use crate::scenario::Scenario;
use crate::state::State;

/// Answers, when the path is one of these.
pub(crate) fn answer(state: &State, head: &Head, body: &Bytes) -> Option<Reply> {
    let path = head.target.split('?').next().unwrap_or_default();
    let name = path.strip_prefix("/__mock/")?;
    if let Some(reply) = oauth::admin::answer(state, &head.method, name, body) {
        return Some(reply);
    }
    Some(match (head.method.as_str(), name) {
        ("GET", "journal") => match serde_json::to_value(state.journal.entries()) {
            Ok(entries) => Reply::json(
                200,
                &json!({"entries": entries,
                    "open_connections": state.journal.open_connections(),
                    "scripted": state.script().len()}),
            ),
            Err(error) => Reply::error(500, &error.to_string()),
        },
        ("GET", "web") => Reply::json(200, &json!(state.web.snapshot())),
        ("DELETE", "journal") => {
            state.journal.clear();
            Reply::json(200, &json!({}))
        }
        ("DELETE", "script") => {
            state.script().clear();
            Reply::json(200, &json!({}))
        }
        ("POST", "script") => match read_script(body) {
            Ok(answers) => {
                let mut script = state.script();
                script.extend(answers);
                Reply::json(200, &json!({"scripted": script.len()}))
            }
            Err(message) => Reply::error(400, &message),
        },
        _ => {
            let usage =
                "GET or DELETE /__mock/journal, POST or DELETE /__mock/script, GET /__mock/web";
            Reply::error(404, &format!("{usage}, {}", oauth::admin::USAGE))
        }
    })
}

/// A scenario or a list of them; each a JSON object or the name of a preset.
fn read_script(body: &Bytes) -> Result<Vec<Scenario>, String> {
    let value: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let answers = match value {
        Value::Array(answers) => answers,
        answer => vec![answer],
    };
    answers
        .into_iter()
        .map(|answer| match answer {
            Value::String(name) => Scenario::parse(&name),
            Value::Object(members) => Scenario::from_members(members),
            other => Err(format!("a scenario is an object or a name, not {other}")),
        })
        .collect()
}
