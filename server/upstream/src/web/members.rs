//! A JSON object one level deep: its members in their order, each value as the bytes it came in.
//!
//! Invariant: a value that is not set or removed here is written again byte for byte: big numbers, odd escapes and the
//! JSON of tools survive. Of repeated names the last counts, as in a parser.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, MapAccess, Visitor},
};
use serde_json::value::{RawValue, to_raw_value};

/// No object of the Messages API has more; members are found by walking.
const MEMBERS_MAX: usize = 512;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Members<'a>(Vec<(String, Cow<'a, RawValue>)>);

// === impl Members ===

impl<'a> Members<'a> {
    /// `None` when `text` is not one JSON object.
    pub(super) fn read(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    pub(super) fn into_owned(self) -> Members<'static> {
        let owned =
            |(name, value): (String, Cow<'a, RawValue>)| (name, Cow::Owned(value.into_owned()));
        Members(self.0.into_iter().map(owned).collect())
    }

    pub(super) fn raw(&self, name: &str) -> Option<&RawValue> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| &**value)
    }

    /// The value's JSON text, for as long as what was read; `None` when absent or set here.
    pub(super) fn borrowed(&self, name: &str) -> Option<&'a str> {
        match self.0.iter().find(|(known, _)| known == name)? {
            (_, Cow::Borrowed(value)) => Some(value.get()),
            (_, Cow::Owned(_)) => None,
        }
    }

    /// A member that is there and not `null`.
    pub(super) fn has(&self, name: &str) -> bool {
        self.raw(name).is_some_and(|value| value.get() != "null")
    }

    pub(super) fn parse<T: for<'de> Deserialize<'de>>(&self, name: &str) -> Option<T> {
        serde_json::from_str(self.raw(name)?.get()).ok()
    }

    /// A string; lone surrogates, which no string can hold, become U+FFFD.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        text_of(self.raw(name)?.get())
    }

    pub(super) fn object(&self, name: &str) -> Option<Members<'_>> {
        Members::read(self.raw(name)?.get())
    }

    /// Replaces the member where it stands, or appends it.
    pub(super) fn set(&mut self, name: &str, value: &impl Serialize) {
        // What is set are strings, numbers and objects with string keys, which always serialize.
        if let Ok(value) = to_raw_value(value) {
            match self.0.iter_mut().find(|(known, _)| known == name) {
                Some((_, old)) => *old = Cow::Owned(value),
                None => self.0.push((name.to_owned(), Cow::Owned(value))),
            }
        }
    }

    /// Sets the member unless there is one, `null` included.
    pub(super) fn fill(&mut self, name: &str, value: &impl Serialize) {
        if self.raw(name).is_none() {
            self.set(name, value);
        }
    }

    pub(super) fn remove(&mut self, names: &[&str]) {
        self.0.retain(|(known, _)| !names.contains(&known.as_str()));
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let mut members: Vec<(String, Cow<'de, RawValue>)> = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
            let value = Cow::Borrowed(value);
            if let Some((_, old)) = members.iter_mut().find(|(known, _)| *known == name) {
                *old = value;
            } else if members.len() < MEMBERS_MAX {
                members.push((name, value));
            } else {
                return Err(A::Error::custom("too many members"));
            }
        }
        Ok(Members(members))
    }
}

impl Serialize for Members<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// A JSON string's text, lone surrogates replaced; `None` when it is not a string.
pub(super) fn text_of(raw: &str) -> Option<String> {
    if let Ok(text) = serde_json::from_str::<String>(raw) {
        return Some(text);
    }
    let mut reader = serde_json::Deserializer::from_str(raw);
    let bytes = reader.deserialize_byte_buf(BytesVisitor).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

struct BytesVisitor;

impl Visitor<'_> for BytesVisitor {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON string")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_touched_stays_as_it_came() {
        let text = r#"{"b":12345678901234567890123,"a":{"x" :1.0e5},"a":[ "\ud800" ],"c":"d"}"#;
        let mut members = Members::read(text).unwrap();
        members.set("c", &"new");
        members.set("z", &1);
        members.fill("z", &2);
        members.remove(&["nothing"]);
        assert_eq!(
            serde_json::to_string(&members).unwrap(),
            r#"{"b":12345678901234567890123,"a":[ "\ud800" ],"c":"new","z":1}"#
        );
        assert!(Members::read("[1]").is_none());
    }

    #[test]
    fn texts_are_read_leniently() {
        for (raw, text) in [
            (r#""a\nb""#, Some("a\nb")),
            (r#""x\ud83d\ude00""#, Some("x😀")),
            (r#""x\ud83d""#, Some("x\u{fffd}\u{fffd}\u{fffd}")),
            ("7", None),
            ("null", None),
        ] {
            assert_eq!(text_of(raw).as_deref(), text, "{raw}");
        }
    }
}
