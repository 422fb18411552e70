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

const KEYS: [(&str, ResourceKind); 4] = [
    ("\"file_id\"", ResourceKind::File),
    ("\"container\"", ResourceKind::Container),
    ("\"batch_id\"", ResourceKind::Batch),
    ("\"skill_id\"", ResourceKind::Skill),
];

/// All references in `text`, sorted, each once. `text` is JSON that parsed.
pub(crate) fn read(text: &str) -> Vec<ResourceRef> {
    let mut found = Found::default();
    if may_hide_keys(text.as_bytes()) {
        walk(text, &mut found);
    } else {
        for (quoted, kind) in KEYS {
            for (_, value) in json::keys(text.as_bytes(), quoted) {
                take(text, kind, value, &mut found);
            }
        }
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

/// Whether a letter or underscore is written as an escape anywhere, which no encoder does.
fn may_hide_keys(text: &[u8]) -> bool {
    [&b"\\u005"[..], b"\\u006", b"\\u007"]
        .iter()
        .any(|escape| memchr::memmem::find(text, escape).is_some())
}

/// Visits every key, whatever its spelling.
fn walk(text: &str, found: &mut Found) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(step) = memchr::memchr(b'"', &bytes[at..]) {
        let open = at + step;
        at = json::string_end(bytes, open);
        let colon = json::skip_space(bytes, at);
        if bytes.get(colon) != Some(&b':') {
            continue;
        }
        let Some(key) = json::unescape(&text[open..at]) else {
            continue;
        };
        let kind = KEYS
            .iter()
            .find(|(quoted, _)| quoted.trim_matches('"') == key);
        if let Some((_, kind)) = kind {
            take(text, *kind, json::skip_space(bytes, colon + 1), found);
        }
    }
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
