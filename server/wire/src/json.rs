//! Small steps over JSON text that serde_json has already accepted.
//!
//! Invariant: callers pass only text that parsed; on other text the functions stop early and
//! return the end of the text, they never panic and never recurse.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The first position at or after `at` that holds no JSON white space.
pub(crate) fn skip_space(text: &[u8], mut at: usize) -> usize {
    while matches!(text.get(at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
        at += 1;
    }
    at
}

/// The position after the string whose opening quote is at `open`.
pub(crate) fn string_end(text: &[u8], open: usize) -> usize {
    let mut at = open + 1;
    while let Some(rest) = text.get(at..) {
        match memchr::memchr2(b'"', b'\\', rest) {
            Some(found) if rest[found] == b'"' => return at + found + 1,
            Some(found) => at += found + 2,
            None => break,
        }
    }
    text.len()
}

/// The position after the value that starts at `start`.
pub(crate) fn value_end(text: &[u8], start: usize) -> usize {
    match text.get(start) {
        Some(b'"') => string_end(text, start),
        Some(b'{' | b'[') => enclosing_end(text, start + 1),
        _ => {
            let mut at = start;
            while let Some(byte) = text.get(at) {
                if matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r') {
                    break;
                }
                at += 1;
            }
            at
        }
    }
}

/// The position after the bracket that closes the object or array around `at`, where `at` is not
/// inside a string.
pub(crate) fn enclosing_end(text: &[u8], mut at: usize) -> usize {
    let mut depth = 0usize;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => {
                at = string_end(text, at);
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 0 => return at + 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    text.len()
}

/// A string or key, quotes included, without its escapes. `None` when it is not a string or holds
/// a lone surrogate, which no Rust string can hold.
pub(crate) fn unescape(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
        return Some(Cow::Borrowed(inner));
    }
    serde_json::from_str::<String>(raw).ok().map(Cow::Owned)
}

/// Characters of the JSON string whose opening quote is at `open` (an escape counts as one), and
/// the position after it.
pub(crate) fn count_chars(text: &[u8], open: usize) -> (u64, usize) {
    let mut chars = 0u64;
    let mut at = open + 1;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'"' => return (chars, at + 1),
            b'\\' => {
                at += if text.get(at + 1) == Some(&b'u') {
                    6
                } else {
                    2
                };
                chars += 1;
            }
            _ => {
                // Continuation bytes of UTF-8 are part of the character before them.
                chars += u64::from(byte & 0xC0 != 0x80);
                at += 1;
            }
        }
    }
    (chars, text.len())
}

/// Calls back with the raw key and raw value of each member of one object; `false` when `text` is
/// not an object.
pub(crate) fn members<'a>(text: &'a str, visit: impl FnMut(&'a str, &'a str)) -> bool {
    let mut reader = serde_json::Deserializer::from_str(text);
    Members(visit).deserialize(&mut reader).is_ok()
}

/// The same as [`members`] as a seed, so that a caller can see the parser's error.
pub(crate) struct Members<F>(pub(crate) F);

impl<'de, F: FnMut(&'de str, &'de str)> DeserializeSeed<'de> for Members<F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, F: FnMut(&'de str, &'de str)> Visitor<'de> for Members<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<&'de RawValue>()? {
            let value = map.next_value::<&'de RawValue>()?;
            (self.0)(key.get(), value.get());
        }
        Ok(())
    }
}
