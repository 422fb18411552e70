//! A body as the client sent it, plus the few byte ranges that are sent differently.
//!
//! Invariant: patches are sorted, do not overlap and lie inside the original; every byte outside
//! them goes up unchanged, and a body without patches is the client's buffer itself.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use crate::body::RequestPeek;

/// One range of the original that is replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    /// Byte range of the original; empty for a pure insertion.
    pub range: Range<usize>,
    /// What stands there instead.
    pub bytes: Bytes,
}

/// A request body: cheap to clone, so that each attempt has its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    original: Bytes,
    patches: Vec<Patch>,
}

/// A patch that reaches outside the body or into another patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PatchConflict;

impl std::fmt::Display for PatchConflict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the patch overlaps another one or the end of the body")
    }
}

impl std::error::Error for PatchConflict {}

impl Body {
    pub fn new(original: Bytes) -> Self {
        Self {
            original,
            patches: Vec::new(),
        }
    }

    /// The client's bytes.
    pub fn original(&self) -> &Bytes {
        &self.original
    }

    /// The patches in the order of their ranges.
    pub fn patches(&self) -> &[Patch] {
        &self.patches
    }

    pub fn is_patched(&self) -> bool {
        !self.patches.is_empty()
    }

    /// Adds a patch; one of exactly the same non-empty range is replaced, so the last writer wins.
    ///
    /// # Errors
    /// When the range lies outside the body or overlaps a different patch; nothing is changed.
    pub fn patch(&mut self, range: Range<usize>, bytes: Bytes) -> Result<(), PatchConflict> {
        if range.start > range.end || range.end > self.original.len() {
            return Err(PatchConflict);
        }
        let at = self
            .patches
            .partition_point(|patch| patch.range.end <= range.start);
        // An insertion at the same place as another one goes after it, by the point chosen above.
        match self.patches.get_mut(at) {
            Some(next) if next.range == range => next.bytes = bytes,
            Some(next) if next.range.start < range.end => return Err(PatchConflict),
            _ => self.patches.insert(at, Patch { range, bytes }),
        }
        Ok(())
    }

    /// Sends `name` as the model: patches the bytes of that one value, wherever it was repeated.
    ///
    /// # Errors
    /// When `peek` was read from another body or a patch is already in the way.
    pub fn alias_model(&mut self, peek: &RequestPeek, name: &str) -> Result<(), PatchConflict> {
        let value = Bytes::from(serde_json::Value::from(name).to_string());
        let mut changed = self.clone();
        for range in &peek.model_spans {
            changed.patch(range.clone(), value.clone())?;
        }
        *self = changed;
        Ok(())
    }

    /// The number of bytes that [`Body::render`] returns.
    pub fn len(&self) -> usize {
        self.patches.iter().fold(self.original.len(), |len, patch| {
            len - patch.range.len() + patch.bytes.len()
        })
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes to send; without patches the very buffer of the client, not a copy.
    pub fn render(&self) -> Bytes {
        if self.patches.is_empty() {
            return self.original.clone();
        }
        let mut rendered = BytesMut::with_capacity(self.len());
        let mut from = 0;
        for patch in &self.patches {
            rendered.extend_from_slice(&self.original[from..patch.range.start]);
            rendered.extend_from_slice(&patch.bytes);
            from = patch.range.end;
        }
        rendered.extend_from_slice(&self.original[from..]);
        rendered.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_without_patches_is_the_same_buffer() {
        let original = Bytes::from_static(br#"{"model":"a"}"#);
        let rendered = Body::new(original.clone()).render();
        assert_eq!(rendered.as_ptr(), original.as_ptr());
        assert_eq!(rendered, original);
    }

    #[test]
    fn an_alias_changes_only_the_value() {
        let text = "{\"big\":123456789012345678901234567890, \"model\" : \"a\\u0062\",\n\
                    \"x\":\"\\ud800\",\"model\":\"ab\" }";
        let original = Bytes::from(text.to_owned());
        let peek = RequestPeek::read(&original).unwrap();
        let mut body = Body::new(original);
        body.alias_model(&peek, "new \"name\"\n").unwrap();
        let expected = text
            .replace("\"a\\u0062\"", "\"new \\\"name\\\"\\n\"")
            .replace(":\"ab\"", ":\"new \\\"name\\\"\\n\"");
        assert_eq!(body.render(), expected.as_bytes());
        assert_eq!(body.len(), expected.len());
        body.alias_model(&peek, "b").unwrap();
        assert_eq!(body.patches().len(), 2);
        assert!(body.render().ends_with(b"\"model\":\"b\" }"));
    }

    #[test]
    fn patches_are_ordered_and_never_overlap() {
        let mut body = Body::new(Bytes::from_static(b"0123456789"));
        body.patch(6..8, Bytes::from_static(b"B")).unwrap();
        body.patch(2..4, Bytes::from_static(b"AAAA")).unwrap();
        body.patch(4..4, Bytes::from_static(b"+")).unwrap();
        assert_eq!(body.patch(3..7, Bytes::new()), Err(PatchConflict));
        assert_eq!(body.patch(9..11, Bytes::new()), Err(PatchConflict));
        assert_eq!(body.render(), &b"01AAAA+45B89"[..]);
    }
}
