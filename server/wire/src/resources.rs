//! Finds the stored resources that a request refers to: files, containers, batches, skills.
//!
//! Invariant: a key is found however it is escaped, so that ownership checks cannot be evaded by
//! writing `file\u005fid`; what merely stands inside a text is not a reference.

use crate::json;

/// What kind of stored resource an id names, by the key it stood under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceKind {
    File,
    Container,
    Batch,
    Skill,
}

/// One reference to a stored resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceRef {
    pub kind: ResourceKind,
    /// The id as the client sent it, unescaped.
    pub id: String,
}

impl ResourceKind {
    /// The kind that a key names, without its quotes and escapes.
    pub(crate) fn of_key(key: &[u8]) -> Option<Self> {
        Some(match key {
            b"file_id" => Self::File,
            b"container" => Self::Container,
            b"batch_id" => Self::Batch,
            b"skill_id" => Self::Skill,
            _ => return None,
        })
    }
}

/// All ids in a body that may be any JSON object, sorted, each once; `None` when it is not one.
#[must_use]
pub fn in_body(body: &[u8]) -> Option<Vec<ResourceRef>> {
    let text = std::str::from_utf8(body).ok()?;
    let mut values = Vec::new();
    let is_object = crate::json_check::object(text.as_bytes(), |_, start, end, value| {
        let name = json::unescape(&text[start..end]);
        if let Some(kind) = name.and_then(|name| ResourceKind::of_key(name.as_bytes())) {
            values.push((kind, value));
        }
    });
    is_object.then(|| read(text, &values))
}

/// All ids at the positions `values` of `text`, sorted, each once.
pub(crate) fn read(text: &str, values: &[(ResourceKind, usize)]) -> Vec<ResourceRef> {
    let mut found = Found::default();
    for (kind, value) in values {
        take(text, *kind, *value, &mut found);
    }
    let mut refs = found.refs;
    refs.sort_unstable();
    refs.dedup();
    refs
}

#[derive(Default)]
struct Found {
    refs: Vec<ResourceRef>,
    /// End of the last container object that was read: one inside another is not read again, or
    /// a deep nest of them would cost the square of its size.
    containers_end: usize,
}

/// Takes the id at `value`: a string, or for a container also an object with an `id`.
fn take(text: &str, kind: ResourceKind, value: usize, found: &mut Found) {
    let end = found.containers_end;
    let push = |found: &mut Found, raw: &str| {
        if let Some(id) = json::unescape(raw) {
            found.refs.push(ResourceRef {
                kind,
                id: id.into_owned(),
            });
        }
    };
    let bytes = text.as_bytes();
    match bytes.get(value) {
        Some(b'"') => push(found, &text[value..json::string_end(bytes, value)]),
        Some(b'{') if kind == ResourceKind::Container && value >= end => {
            found.containers_end = json::value_end(bytes, value);
            let object = &text[value..found.containers_end];
            json::members(object, |key, raw| {
                if json::unescape(key).as_deref() == Some("id") {
                    push(found, raw);
                }
            });
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_any_object_are_found() {
        let body = concat!(
            r#"{"requests":[{"content":[{"f\u0069le_id":"file_1"},{"file_id":"file_1"}],"#,
            r#""container":{"id":"c_1"}}]}"#
        );
        let found = in_body(body.as_bytes()).unwrap();
        let ids: Vec<_> = found.into_iter().map(|r| r.id).collect();
        assert_eq!(ids, ["file_1", "c_1"]);
        assert_eq!(in_body(b"{}"), Some(Vec::new()));
        assert_eq!(in_body(b"[]"), None);
        assert_eq!(in_body(b"{\"file_id\":\"f\""), None);
    }
}
