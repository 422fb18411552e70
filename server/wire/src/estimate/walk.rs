//! Steps through arrays and objects of JSON text that is known to be JSON, value by value, without a tree.
//!
//! Invariant: each step goes on or ends the walk; on text that is no JSON it ends early and never panics.

use crate::json;

/// Calls back with the start of each element of the array that opens at `open`; the callback returns where the element
/// ends. Returns where the array ends.
pub(super) fn elements(text: &str, open: usize, mut visit: impl FnMut(usize) -> usize) -> usize {
    items(text, open, b'[', b']', |start| Some(visit(start)))
}

/// The same for the members of the object that opens at `open`, with their unescaped keys.
pub(super) fn members(
    text: &str,
    open: usize,
    mut visit: impl FnMut(&str, usize) -> usize,
) -> usize {
    let bytes = text.as_bytes();
    items(text, open, b'{', b'}', |start| {
        let end = json::string_end(bytes, start);
        let key = json::unescape(text.get(start..end)?);
        let colon = json::skip_space(bytes, end);
        if bytes.get(colon) != Some(&b':') {
            return None;
        }
        // A key that no Rust string can hold is none of ours.
        let key = key.as_deref().unwrap_or_default();
        Some(visit(key, json::skip_space(bytes, colon + 1)))
    })
}

/// Where the value that starts at `start` ends.
pub(super) fn skip(text: &str, start: usize) -> usize {
    json::value_end(text.as_bytes(), start)
}

fn items(
    text: &str,
    open: usize,
    opening: u8,
    closing: u8,
    mut visit: impl FnMut(usize) -> Option<usize>,
) -> usize {
    let bytes = text.as_bytes();
    if bytes.get(open) != Some(&opening) {
        return skip(text, open);
    }
    let mut at = json::skip_space(bytes, open + 1);
    if bytes.get(at) == Some(&closing) {
        return at + 1;
    }
    while let Some(end) = visit(at).filter(|end| *end > at) {
        at = json::skip_space(bytes, end);
        match bytes.get(at) {
            Some(b',') => at = json::skip_space(bytes, at + 1),
            Some(byte) if *byte == closing => return at + 1,
            _ => break,
        }
    }
    text.len()
}
