//! The events of a completion stream, as this surface sends them.
//!
//! Invariant: framed with CRLF; `message_start` tells neither model nor usage, `message_delta` no
//! usage; every event carries members that the Messages API does not have.

use bytes::Bytes;
use serde_json::{Value, json};

use super::ids;
use super::scenario::{MessageLimit, WebScenario};
use crate::message;
use crate::wire_order;

pub(super) const END: &str = "\r\n";

fn event(data: &Value) -> Bytes {
    let name = data["type"].as_str().unwrap_or_default();
    message::event(name, &wire_order::to_text(data), END)
}

pub(super) fn ping() -> Bytes {
    event(&json!({"type": "ping"}))
}

pub(super) fn message_start(serial: u64) -> Bytes {
    let uuid = ids::uuid_of(&format!("message {serial}"));
    let message = json!({"id": format!("chatcompl_mock{serial:08}"), "type": "message",
        "role": "assistant", "content": [], "uuid": uuid,
        "parent_uuid": ids::uuid_of(&format!("parent {serial}")),
        "stop_reason": null, "stop_sequence": null, "trace_id": format!("{serial:032x}")});
    event(&json!({"type": "message_start", "message": message}))
}

pub(super) fn block_start(index: usize, block: &Value, now: &str) -> Bytes {
    let mut block = block.clone();
    block["start_timestamp"] = json!(now);
    block["stop_timestamp"] = Value::Null;
    block["flags"] = Value::Null;
    event(&json!({"type": "content_block_start", "index": index, "content_block": block}))
}

pub(super) fn delta(index: usize, delta: &Value) -> Bytes {
    event(&json!({"type": "content_block_delta", "index": index, "delta": delta}))
}

pub(super) fn block_stop(index: usize, now: &str) -> Bytes {
    event(&json!({"type": "content_block_stop", "index": index, "stop_timestamp": now}))
}

/// `message_delta`, `message_limit`, `message_stop`.
pub(super) fn message_end(stop_reason: &str, web: &WebScenario) -> [Bytes; 3] {
    let delta = json!({"stop_reason": stop_reason, "stop_sequence": null});
    let exceeded = web.message_limit == MessageLimit::ExceededLimit;
    let limit = json!({"type": web.message_limit, "resetsAt": web.resets_at,
        "remaining": exceeded.then_some(0), "perModelLimit": null});
    [
        event(&json!({"type": "message_delta", "delta": delta})),
        event(&json!({"type": "message_limit", "message_limit": limit})),
        event(&json!({"type": "message_stop"})),
    ]
}

pub(super) fn error(kind: &str, message: &str, resets_at: Option<u64>) -> Bytes {
    let mut error = json!({"type": kind, "message": message});
    if let Some(resets_at) = resets_at {
        error["resets_at"] = json!(resets_at);
    }
    event(&json!({"type": "error", "error": error}))
}
