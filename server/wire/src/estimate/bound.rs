//! How many input tokens a Messages request has at most.
//!
//! ```text
//!  JSON text                      a token for each byte: no tokenizer makes more of it
//!  image                          5 000: larger ones are scaled down before they are read
//!  PDF                            3 000 for each page, see `pdf`
//!  document by URL or file id     3 000 for each of 100 pages
//!  tools                          2 500 on top: what the service tells the model about using them
//! ```
//!
//! Base64 is left out of the bytes only where it stands as the data of an image or a document: everywhere else, in the
//! input of a tool for one, it is text to the model.
//!
//! Two things may be more, since nobody can know before the upstream reads them: what server-side tools bring in, and a
//! document beyond 100 pages that is not in the request or hides its pages.
//!
//! Invariant: never less than [`super::request_tokens`]; a body without images and documents is searched, not parsed.

use std::borrow::Cow;

use memchr::memmem;

use super::pdf::{HIDDEN_PAGES_MAX, Pages};
use super::{DEPTH_MAX, IMAGE_MAX_TOKENS, walk};
use crate::json;

const PAGE_MAX_TOKENS: u64 = 3_000;

/// The service's own words about tools, and its definitions of the tools that it has a name for, whose schemas are not
/// in the request. The documentation tells of 346 for tool use, 735 and 499 for a computer, 700 for an editor and 245
/// for a shell.
const TOOLS_TOKENS: u64 = 2_500;

/// Input tokens that the body of `POST /v1/messages` is at most; a body that is not JSON counts by its bytes.
#[must_use]
pub fn bound(body: &[u8]) -> u64 {
    let mut tokens = 0;
    let mut data_bytes = 0;
    let spelt_out = has_letters_spelt_out(body);
    // An image or a document is never without its `source`.
    if (spelt_out || memmem::find(body, b"source\"").is_some())
        && let Ok(text) = std::str::from_utf8(body)
    {
        let mut files = Files::of(text);
        files.request();
        (tokens, data_bytes) = (files.tokens, files.data_bytes);
    }
    if spelt_out || memmem::find(body, b"tools\"").is_some() {
        tokens += TOOLS_TOKENS;
    }
    let text = (body.len() as u64).saturating_sub(data_bytes);
    text.saturating_add(tokens)
}

/// Is there a `\u0073` or the like, which may hide a key from a search? Nobody writes letters so without a reason.
fn has_letters_spelt_out(body: &[u8]) -> bool {
    memmem::find_iter(body, b"\\u00").any(|at| matches!(body.get(at + 4), Some(b'6' | b'7')))
}

/// The images and documents of a request.
struct Files<'a> {
    text: &'a str,
    /// Their base64, with its quotes.
    data_bytes: u64,
    tokens: u64,
}

/// The members of a block or a source that are looked at: where they begin, or what they are. Of repeated ones the last
/// counts.
#[derive(Default)]
struct Parts<'a> {
    kind: Cow<'a, str>,
    source: Option<usize>,
    content: Option<usize>,
    /// With its quotes.
    data: &'a str,
}

impl<'a> Files<'a> {
    fn of(text: &'a str) -> Self {
        Self {
            text,
            data_bytes: 0,
            tokens: 0,
        }
    }

    fn request(&mut self) {
        let text = self.text;
        let open = json::skip_space(text.as_bytes(), 0);
        walk::members(text, open, |key, value| match key {
            "messages" => walk::elements(text, value, |message| self.message(message)),
            _ => walk::skip(text, value),
        });
    }

    fn message(&mut self, at: usize) -> usize {
        let text = self.text;
        walk::members(text, at, |key, value| match key {
            "content" => self.content(value, 0),
            _ => walk::skip(text, value),
        })
    }

    /// As deep as the estimate looks; what is deeper counts by its bytes there as well.
    fn content(&mut self, at: usize, depth: u8) -> usize {
        if depth >= DEPTH_MAX {
            return walk::skip(self.text, at);
        }
        walk::elements(self.text, at, |block| {
            let (parts, end) = self.parts(block);
            self.block(&parts, depth);
            end
        })
    }

    fn parts(&self, at: usize) -> (Parts<'a>, usize) {
        let text = self.text;
        let mut parts = Parts::default();
        let end = walk::members(text, at, |key, value| {
            let end = walk::skip(text, value);
            let raw = || text.get(value..end).unwrap_or_default();
            match key {
                "type" => parts.kind = json::unescape(raw()).unwrap_or_default(),
                "source" => parts.source = Some(value),
                "content" => parts.content = Some(value),
                "data" => parts.data = raw(),
                _ => {}
            }
            end
        });
        (parts, end)
    }

    fn block(&mut self, block: &Parts<'a>, depth: u8) {
        match (&*block.kind, block.source, block.content) {
            ("tool_result", _, Some(content)) => {
                self.content(content, depth + 1);
            }
            ("image", Some(source), _) => {
                let (source, _) = self.parts(source);
                if source.kind == "base64" {
                    self.data_bytes += source.data.len() as u64;
                }
                self.tokens += IMAGE_MAX_TOKENS;
            }
            ("document", Some(source), _) => self.document(source, depth),
            _ => {}
        }
    }

    fn document(&mut self, source: usize, depth: u8) {
        let (source, _) = self.parts(source);
        let pages = match (&*source.kind, source.content) {
            ("text", _) => 0,
            ("content", Some(content)) => {
                self.content(content, depth + 1);
                0
            }
            ("base64", _) => {
                self.data_bytes += source.data.len() as u64;
                Pages::read(&json::unescape(source.data).unwrap_or_default()).most()
            }
            _ => HIDDEN_PAGES_MAX,
        };
        let tokens = pages.saturating_mul(PAGE_MAX_TOKENS);
        self.tokens = self.tokens.saturating_add(tokens);
    }
}

#[cfg(test)]
mod tests;
