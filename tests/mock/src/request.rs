//! What a Messages request asks for, and whether the service would accept it.
//!
//! Invariant: bodies that the service's own parser may accept and a Rust tree cannot hold (lone
//! surrogates, deep nesting) are accepted.

use bytes::Bytes;
use serde_json::Value;
use troupe_wire::RequestPeek;

/// A request body that passed the checks.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) model: String,
    pub(crate) stream: bool,
    pub(crate) max_tokens: u64,
    pub(crate) user_id: Option<String>,
    /// The tree; `null` where a tree cannot hold it.
    pub(crate) value: Value,
    pub(crate) body_len: usize,
}

impl Ask {
    /// Reads the body of `/v1/messages`, or of `count_tokens` where `counts_only`.
    ///
    /// # Errors
    /// The message of a 400 `invalid_request_error`.
    pub(crate) fn read(body: &Bytes, counts_only: bool) -> Result<Self, String> {
        let peek = RequestPeek::read(body).map_err(|error| error.to_string())?;
        let value = tree(body);
        if !value.is_null() {
            let messages = value.get("messages").ok_or("messages: Field required")?;
            let messages = messages
                .as_array()
                .ok_or("messages: Input should be a valid list")?;
            if messages.is_empty() {
                return Err("messages: at least one message is required".to_owned());
            }
        }
        let max_tokens = match peek.max_tokens {
            Some(0) => return Err("max_tokens: must be greater than or equal to 1".to_owned()),
            Some(max_tokens) => max_tokens,
            None if counts_only => u64::MAX,
            None => return Err("max_tokens: Field required".to_owned()),
        };
        Ok(Self {
            model: peek.model,
            stream: peek.stream,
            max_tokens,
            user_id: peek.user_id,
            value,
            body_len: body.len(),
        })
    }

    /// The text of the first (`last` = false) or last user message.
    pub(crate) fn user_text(&self, last: bool) -> String {
        let messages = self.value.get("messages").and_then(Value::as_array);
        let mut users = messages
            .into_iter()
            .flatten()
            .filter(|message| message.get("role").and_then(Value::as_str) == Some("user"));
        let message = if last {
            users.next_back()
        } else {
            users.next()
        };
        let content = message.and_then(|message| message.get("content"));
        match content {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Array(blocks)) => {
                let texts = blocks
                    .iter()
                    .filter_map(|block| block.get("text")?.as_str());
                texts.collect::<Vec<_>>().join("\n")
            }
            _ => String::new(),
        }
    }

    /// Whether the last message brings the result of a tool.
    pub(crate) fn has_tool_result(&self) -> bool {
        let last = self
            .value
            .get("messages")
            .and_then(Value::as_array)
            .and_then(|m| m.last());
        let blocks = last.and_then(|message| message.get("content")?.as_array());
        blocks
            .into_iter()
            .flatten()
            .any(|block| block["type"] == "tool_result")
    }

    /// About what the service would count.
    pub(crate) fn input_tokens(&self) -> u64 {
        (self.body_len as u64).div_ceil(4).max(1)
    }
}

fn tree(body: &Bytes) -> Value {
    serde_json::from_slice(body).unwrap_or_else(|_| {
        let mut patched = body.to_vec();
        let mut at = 0;
        while at + 6 <= patched.len() {
            let escape = &mut patched[at..at + 6];
            let surrogate = escape.starts_with(b"\\u")
                && escape[2].eq_ignore_ascii_case(&b'd')
                && !(b'0'..=b'7').contains(&escape[3]);
            if surrogate {
                escape.copy_from_slice(b"\\ufffd");
            }
            // An escaped backslash must not be taken for the start of an escape.
            at += if patched[at] == b'\\' { 2 } else { 1 };
        }
        serde_json::from_slice(&patched).unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn surrogates_become_replacement_characters() {
        let body = br#"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"a\ud83d \\ud800"}]}"#;
        let ask = Ask::read(&Bytes::from_static(body), false).unwrap();
        assert_eq!(ask.user_text(false), "a\u{fffd} \\ud800");
    }

    #[test]
    fn refusals() {
        for (body, message) in [
            (
                "{",
                "invalid JSON: EOF while parsing an object at line 1 column 1",
            ),
            ("{}", "model: field required"),
            (r#"{"model":"m"}"#, "messages: Field required"),
            (
                r#"{"model":"m","messages":{}}"#,
                "messages: Input should be a valid list",
            ),
            (
                r#"{"model":"m","messages":[{}]}"#,
                "max_tokens: Field required",
            ),
        ] {
            let refused = Ask::read(&Bytes::from_static(body.as_bytes()), false);
            assert_eq!(refused.unwrap_err(), message);
        }
        let counts = Bytes::from_static(br#"{"model":"m","messages":[{}]}"#);
        assert!(Ask::read(&counts, true).is_ok());
    }
}
