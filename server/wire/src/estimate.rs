//! How many tokens a Messages request is about, without a tokenizer and without asking anyone.
//!
//! The rule, the same wherever the gateway has to guess:
//! * text (system, messages, tool calls and their results, thinking): one token per 4 characters, rounded up over all of it;
//! * tool definitions: one token per 4 characters of their JSON;
//! * each message: 4 more, for who speaks;
//! * an image: width × height / 750, read from the header of a PNG, JPEG, GIF or WebP file, at most 5 000 as larger ones
//!   are scaled down before they are read; 1 600 when the size cannot be told (another format, a URL, a stored file);
//! * a PDF: 2 000 for each page, the pages being the page objects found in it, or one per 100 KiB where they are packed;
//!   a document of text by its text; a URL or a stored file as one page;
//! * a block of a type unknown here: one token per 4 characters of its JSON.
//!
//! What it is at most, for limits that must hold, says [`bound()`].
//!
//! Invariant: an estimate never fails for what a block holds; base64 is never counted as text.

mod bound;
mod image;
mod pdf;
mod walk;

pub use bound::bound;

use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::json;

const CHARS_PER_TOKEN: u64 = 4;
const TOKENS_PER_MESSAGE: u64 = 4;
const IMAGE_TOKENS: u64 = 1_600;
const IMAGE_MAX_TOKENS: u64 = 5_000;
const PIXELS_PER_TOKEN: u64 = 750;
const PAGE_TOKENS: u64 = 2_000;

/// Content within content is followed so deep; what is deeper counts by its JSON.
const DEPTH_MAX: u8 = 4;

/// So much base64 of an image is decoded to find its size: headers may stand behind embedded previews.
const IMAGE_HEAD_CHARS: usize = 512 * 1024;

/// Padding may be missing, as some clients leave it out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Input tokens of the body of `POST /v1/messages` or `/v1/messages/count_tokens`; `None` when it is not a JSON object.
#[must_use]
pub fn request_tokens(body: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(body).ok()?;
    let mut sum = Sum::default();
    let is_object = json::members(text, |key, raw| match json::unescape(key).as_deref() {
        Some("system") => sum.content(raw, 0),
        Some("tools") => sum.chars += chars(raw),
        Some("messages") => sum.messages(raw),
        _ => {}
    });
    is_object.then(|| sum.total())
}

/// Tokens of so many characters of text.
#[must_use]
pub fn text_tokens(chars: u64) -> u64 {
    chars.div_ceil(CHARS_PER_TOKEN)
}

/// Tokens of an image given as base64.
#[must_use]
pub fn image_tokens(data: &str) -> u64 {
    let head = data.get(..IMAGE_HEAD_CHARS).unwrap_or(data);
    // A cut in the middle of a group of four would make the rest unreadable.
    let whole = head.get(..head.len() / 4 * 4).unwrap_or_default();
    let head = if head.len() < data.len() { whole } else { head };
    let size = BASE64.decode(head).ok().and_then(|head| image::size(&head));
    size.map_or(IMAGE_TOKENS, |(width, height)| {
        let pixels = u64::from(width) * u64::from(height);
        pixels.div_ceil(PIXELS_PER_TOKEN).clamp(1, IMAGE_MAX_TOKENS)
    })
}

/// Tokens of a PDF given as base64.
#[must_use]
pub fn pdf_tokens(data: &str) -> u64 {
    pdf::Pages::read(data).likely().saturating_mul(PAGE_TOKENS)
}

#[derive(Default)]
struct Sum {
    chars: u64,
    tokens: u64,
}

/// The members of a block or source that are counted, as they stand.
#[derive(Default)]
struct Parts<'a> {
    kind: String,
    members: Vec<(String, &'a str)>,
}

impl Sum {
    fn total(&self) -> u64 {
        text_tokens(self.chars).saturating_add(self.tokens)
    }

    fn messages(&mut self, raw: &str) {
        for message in elements(raw) {
            let message = Parts::read(message);
            let content = message.get("content");
            if !content.is_empty() {
                self.tokens += TOKENS_PER_MESSAGE;
                self.content(content, 0);
            }
        }
    }

    /// A string, or an array of blocks.
    fn content(&mut self, raw: &str, depth: u8) {
        if raw.starts_with('[') && depth < DEPTH_MAX {
            for block in elements(raw) {
                self.block(block, depth);
            }
        } else {
            self.chars += chars(raw);
        }
    }

    fn block(&mut self, raw: &str, depth: u8) {
        let block = Parts::read(raw);
        match block.kind.as_str() {
            "text" => self.chars += chars(block.get("text")),
            "thinking" => self.chars += chars(block.get("thinking")),
            "tool_use" | "server_tool_use" => {
                self.chars += chars(block.get("name")) + chars(block.get("input"));
            }
            "tool_result" => self.content(block.get("content"), depth + 1),
            "image" => self.tokens += image_source(block.get("source")),
            "document" => {
                self.chars += chars(block.get("title")) + chars(block.get("context"));
                self.document(block.get("source"), depth);
            }
            _ => self.chars += chars(raw),
        }
    }

    fn document(&mut self, raw: &str, depth: u8) {
        let source = Parts::read(raw);
        match source.kind.as_str() {
            "text" => self.chars += chars(source.get("data")),
            "content" => self.content(source.get("content"), depth + 1),
            "base64" => {
                let data = json::unescape(source.get("data")).unwrap_or_default();
                self.tokens += pdf_tokens(&data);
            }
            _ if raw.is_empty() => {}
            _ => self.tokens += PAGE_TOKENS,
        }
    }
}

impl<'a> Parts<'a> {
    fn read(raw: &'a str) -> Self {
        let mut parts = Self::default();
        json::members(raw, |key, value| {
            if let Some(key) = json::unescape(key) {
                parts.members.push((key.into_owned(), value));
            }
        });
        parts.kind = json::unescape(parts.get("type"))
            .unwrap_or_default()
            .into_owned();
        parts
    }

    /// The last value of that name; empty when there is none.
    fn get(&self, name: &str) -> &'a str {
        let found = self.members.iter().rev().find(|(key, _)| key == name);
        found.map_or("", |(_, raw)| raw)
    }
}

fn image_source(raw: &str) -> u64 {
    if raw.is_empty() {
        return 0;
    }
    let source = Parts::read(raw);
    if source.kind != "base64" {
        return IMAGE_TOKENS;
    }
    image_tokens(&json::unescape(source.get("data")).unwrap_or_default())
}

/// Characters of a string, or of the JSON text of anything else; none of `null`.
fn chars(raw: &str) -> u64 {
    match raw.as_bytes().first() {
        None | Some(b'n') => 0,
        Some(b'"') => json::count_chars(raw.as_bytes(), 0).0,
        Some(_) => raw.chars().count() as u64,
    }
}

fn elements(raw: &str) -> impl Iterator<Item = &str> {
    let mut reader = serde_json::Deserializer::from_str(raw);
    let found = Vec::<&RawValue>::deserialize(&mut reader).unwrap_or_default();
    found.into_iter().map(RawValue::get)
}

#[cfg(test)]
mod tests;
