//! Reads the few fields of a JSON answer that the gateway acts on.
//!
//! Invariant: an answer is never refused: a field that is absent, of another type or not
//! representable is `None`, and every other byte is ignored without building a tree.

use serde_json::value::RawValue;

use crate::json;
use crate::usage::Usage;

/// Top-level fields of a JSON answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JsonAnswer {
    /// Names a message, or the resource that a POST created.
    pub id: Option<String>,
    pub model: Option<String>,
    pub stop_reason: Option<String>,
    pub usage: Option<Usage>,
}

impl JsonAnswer {
    /// Reads `body`; `None` when it is not a JSON object. Of repeated keys the last counts.
    pub fn read(body: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        let mut answer = Self::default();
        let string = |raw| json::unescape(raw).map(std::borrow::Cow::into_owned);
        let is_object = json::members(text, |key, raw| match json::unescape(key).as_deref() {
            Some("id") => answer.id = string(raw),
            Some("model") => answer.model = string(raw),
            Some("stop_reason") => answer.stop_reason = string(raw),
            Some("usage") => answer.usage = usage(raw),
            _ => {}
        });
        is_object.then_some(answer)
    }
}

fn usage(raw: &str) -> Option<Usage> {
    let raw: &RawValue = serde_json::from_str(raw).ok()?;
    let mut usage = Usage::default();
    usage.merge(raw).then_some(usage)
}
