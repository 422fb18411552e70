//! Reads the few fields of a Messages request that the gateway acts on.
//!
//! Invariant: the body is only borrowed. No tree is built, nothing is re-encoded, every other byte
//! (unknown fields, big integers, duplicate keys, lone surrogates, any depth) is accepted as it is
//! and stays where it was.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use serde::de::DeserializeSeed;
use smallvec::SmallVec;

use crate::cache_marks::{self, CacheMarks};
use crate::json::{self, Members};
use crate::json_check;
use crate::resources::{self, ResourceKind, ResourceRef};

/// What was read from the body of `POST /v1/messages` or `/v1/messages/count_tokens`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestPeek {
    /// The model's name, unescaped.
    pub model: String,
    /// Byte ranges of the model's value, quotes included; more than one when the key was repeated
    /// with an equal value. In the order of the body, never overlapping.
    pub model_spans: Vec<Range<usize>>,
    /// Whether the client asked for an event stream. Absent or `null` is `false`.
    pub stream: bool,
    /// Upper bound of the answer in tokens.
    pub max_tokens: Option<u64>,
    /// `metadata.user_id`; `None` when absent, `null` or not representable.
    pub user_id: Option<String>,
    /// Present when the body marks anything for the prompt cache.
    pub cache: Option<CacheMarks>,
    /// Ids of stored resources that the body refers to, sorted, each once.
    pub resources: Vec<ResourceRef>,
}

/// Why a body was refused. `Display` is fit for the message of a 400 `invalid_request_error`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeekError {
    /// The top-level field at fault (`metadata.user_id` for the nested one); `None` when the JSON
    /// itself is.
    pub field: Option<&'static str>,
    /// What is wrong, without position.
    pub message: String,
    /// 1-based line; 0 when no position applies.
    pub line: usize,
    /// Bytes from the line's start, 1-based; 0 when no position applies.
    pub column: usize,
}

impl fmt::Display for PeekError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(field) = self.field {
            write!(f, "{field}: ")?;
        }
        f.write_str(&self.message)?;
        if self.line > 0 {
            write!(f, " at line {} column {}", self.line, self.column)?;
        }
        Ok(())
    }
}

impl std::error::Error for PeekError {}

impl RequestPeek {
    /// Reads `body` in one pass.
    ///
    /// # Errors
    /// When the body is not one JSON object in UTF-8, when `model` is missing, when a field read
    /// here has the wrong type, or when one is repeated with a different value.
    pub fn read(body: &Bytes) -> Result<Self, PeekError> {
        let text = std::str::from_utf8(body).map_err(|error| {
            let (line, column) = position(body, error.valid_up_to());
            let message = "the body is not valid UTF-8".to_owned();
            PeekError {
                field: None,
                message,
                line,
                column,
            }
        })?;
        let mut scan = Scan::new(text);
        if !json_check::object(text.as_bytes(), |depth, open, end, value| {
            scan.key(depth, open, end, value);
        }) {
            return Err(syntax_error(text));
        }
        scan.end_field(text.trim_ascii_end().len() - 1);
        Self::from_scan(&scan)
    }

    fn from_scan(scan: &Scan<'_>) -> Result<Self, PeekError> {
        let (text, fields) = (scan.text, &scan.fields);
        let model = one(text, "model", &fields.model, |raw| {
            json::unescape(raw).ok_or("must be a string")
        })?;
        let Some(model) = model else {
            let message = "field required".to_owned();
            return Err(PeekError {
                field: Some("model"),
                message,
                line: 0,
                column: 0,
            });
        };
        let stream = one(text, "stream", &fields.stream, |raw| match raw {
            "true" => Ok(true),
            "false" | "null" => Ok(false),
            _ => Err("must be a boolean"),
        })?;
        let max_tokens = one(text, "max_tokens", &fields.max_tokens, |raw| match raw {
            "null" => Ok(None),
            _ => raw
                .parse()
                .map(Some)
                .map_err(|_| "must be a non-negative integer"),
        })?;
        let user_id = one(text, "metadata", &fields.metadata, read_user_id)?;
        let model_spans = fields.model.iter().map(|raw| span(text, raw)).collect();
        let sections = [&fields.tools, &fields.system, &fields.messages]
            .map(|raws| raws.last().map_or(0..0, |raw| span(text, raw)));
        Ok(Self {
            cache: cache_marks::read(
                text.as_bytes(),
                &model,
                &sections,
                &scan.marks,
                scan.marks_all,
            ),
            resources: resources::read(text, &scan.references),
            model: model.into_owned(),
            model_spans,
            stream: stream.unwrap_or(false),
            max_tokens: max_tokens.flatten(),
            user_id: user_id.flatten().map(Cow::into_owned),
        })
    }
}

/// The raw values of the top-level keys that are read; more than one where a key is repeated.
#[derive(Default)]
struct Fields<'a> {
    model: Raws<'a>,
    stream: Raws<'a>,
    max_tokens: Raws<'a>,
    metadata: Raws<'a>,
    tools: Raws<'a>,
    system: Raws<'a>,
    messages: Raws<'a>,
}

type Raws<'a> = SmallVec<[&'a str; 1]>;

impl<'a> Fields<'a> {
    fn slot(&mut self, key: &str) -> Option<&mut Raws<'a>> {
        Some(match key {
            "model" => &mut self.model,
            "stream" => &mut self.stream,
            "max_tokens" => &mut self.max_tokens,
            "metadata" => &mut self.metadata,
            "tools" => &mut self.tools,
            "system" => &mut self.system,
            "messages" => &mut self.messages,
            _ => return None,
        })
    }
}

/// What one pass over the body finds.
struct Scan<'a> {
    text: &'a str,
    fields: Fields<'a>,
    /// The top-level member whose end was not seen yet: raw key, start of the value.
    open: Option<(&'a str, usize)>,
    /// Positions of each `cache_control` key and its value.
    marks: Vec<(usize, usize)>,
    /// Whether one of them is top-level.
    marks_all: bool,
    /// Kinds of resource and positions of the values that name them.
    references: Vec<(ResourceKind, usize)>,
}

impl<'a> Scan<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            fields: Fields::default(),
            open: None,
            marks: Vec::new(),
            marks_all: false,
            references: Vec::new(),
        }
    }

    fn key(&mut self, depth: usize, start: usize, end: usize, value: usize) {
        if depth == 1 {
            self.end_field(start);
            self.open = Some((&self.text[start..end], value));
        }
        let bytes = &self.text.as_bytes()[start + 1..end - 1];
        match bytes.len() {
            // With one letter as an escape the shortest name has five bytes more.
            12.. if memchr::memchr(b'\\', bytes).is_some() => {
                if let Some(name) = json::unescape(&self.text[start..end]) {
                    self.named(name.as_bytes(), depth, start, value);
                }
            }
            // The lengths of the names.
            7..=9 | 13 => self.named(bytes, depth, start, value),
            _ => {}
        }
    }

    fn named(&mut self, name: &[u8], depth: usize, start: usize, value: usize) {
        if name == b"cache_control" {
            self.marks.push((start, value));
            self.marks_all |= depth == 1;
        } else if let Some(kind) = ResourceKind::of_key(name) {
            self.references.push((kind, value));
        }
    }

    /// Takes the value of the open member, which ends before the comma or brace before `next`.
    fn end_field(&mut self, next: usize) {
        let Some((key, value)) = self.open.take() else {
            return;
        };
        let Some(name) = json::unescape(key) else {
            return;
        };
        if let Some(slot) = self.fields.slot(&name) {
            let raw = self.text[value..next].trim_ascii_end();
            slot.push(raw.strip_suffix(',').unwrap_or(raw).trim_ascii_end());
        }
    }
}

/// Reads every occurrence of a field and insists that they agree.
fn one<'a, T: PartialEq>(
    text: &str,
    field: &'static str,
    raws: &[&'a str],
    read: impl Fn(&'a str) -> Result<T, &'static str>,
) -> Result<Option<T>, PeekError> {
    let mut seen = None;
    for raw in raws {
        let fault = match (read(raw), &seen) {
            (Err(message), _) => message,
            (Ok(value), Some(first)) if value != *first => "given twice with different values",
            (Ok(value), _) => {
                seen = Some(value);
                continue;
            }
        };
        let (line, column) = position(text.as_bytes(), span(text, raw).start);
        return Err(PeekError {
            field: Some(field),
            message: fault.to_owned(),
            line,
            column,
        });
    }
    Ok(seen)
}

fn read_user_id(raw: &str) -> Result<Option<Cow<'_, str>>, &'static str> {
    if raw == "null" {
        return Ok(None);
    }
    let mut found = Ok(None);
    let mut seen = None;
    let is_object = json::members(raw, |key, value| {
        if json::unescape(key).as_deref() != Some("user_id") {
            return;
        }
        let read = match value {
            "null" => Ok(None),
            // A lone surrogate is legal JSON and no Rust string: the field counts as absent.
            _ if value.starts_with('"') => Ok(json::unescape(value)),
            _ => Err("user_id must be a string"),
        };
        if seen.is_some_and(|first: &str| first != value) {
            found = Err("user_id is given twice with different values");
        } else if found.is_ok() {
            found = read;
        }
        seen = Some(value);
    });
    if is_object {
        found
    } else {
        Err("must be an object")
    }
}

/// Where `part`, a slice of `text`, lies in it.
fn span(text: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr().addr() - text.as_ptr().addr();
    start..start + part.len()
}

fn position(text: &[u8], offset: usize) -> (usize, usize) {
    let before = &text[..offset.min(text.len())];
    let line = memchr::memchr_iter(b'\n', before).count() + 1;
    let column = offset - memchr::memrchr(b'\n', before).map_or(0, |at| at + 1) + 1;
    (line, column)
}

/// What serde_json says about text that was refused.
fn syntax_error(text: &str) -> PeekError {
    let mut reader = serde_json::Deserializer::from_str(text);
    let refused = Members(|_, _| {})
        .deserialize(&mut reader)
        .and_then(|()| reader.end());
    let Err(error) = refused else {
        let message = "invalid JSON".to_owned();
        return PeekError {
            field: None,
            message,
            line: 0,
            column: 0,
        };
    };
    let (line, column) = (error.line(), error.column());
    let message = error.to_string();
    let plain = message.strip_suffix(&format!(" at line {line} column {column}"));
    let message = format!("invalid JSON: {}", plain.unwrap_or(&message));
    PeekError {
        field: None,
        message,
        line,
        column,
    }
}

#[cfg(test)]
mod tests;
