//! Reads the few fields of a JSON answer that the gateway acts on.
//!
//! Invariant: an answer is never refused: a field that is absent, of another type or not
//! representable is `None`, and every other byte is ignored without building a tree.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::json;
use crate::json_check;
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
        let [mut id, mut model, mut stop_reason, mut usage] = [None; 4];
        // One pass that only checks; the few values are read afterwards, where they stand.
        let is_object = json_check::object(text.as_bytes(), |depth, start, end, value| {
            if depth > 1 {
                return;
            }
            match json::unescape(&text[start..end]).as_deref() {
                Some("id") => id = Some(value),
                Some("model") => model = Some(value),
                Some("stop_reason") => stop_reason = Some(value),
                Some("usage") => usage = Some(value),
                _ => {}
            }
        });
        let string = |at: Option<usize>| {
            let at = at?;
            let value = &text[at..json::value_end(text.as_bytes(), at)];
            Some(json::unescape(value)?.into_owned())
        };
        is_object.then(|| Self {
            id: string(id),
            model: string(model),
            stop_reason: string(stop_reason),
            usage: usage.and_then(|at| usage_of(text, at)),
        })
    }
}

fn usage_of(text: &str, at: usize) -> Option<Usage> {
    let mut reader = serde_json::Deserializer::from_str(&text[at..]);
    let raw = <&RawValue>::deserialize(&mut reader).ok()?;
    let mut usage = Usage::default();
    usage.merge(raw).then_some(usage)
}
