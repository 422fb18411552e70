//! A text that was made of a body, and where in the body each part of it came from.
//!
//! Invariant: an origin never lies outside of the body; the parts of a text are in the body's order.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::bytes::Regex;

use super::known;

/// A part of a joined text: where it begins there, and in the body.
#[derive(Clone, Copy, Debug)]
struct Part {
    here: usize,
    raw: usize,
    length: usize,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Text<'a> {
    bytes: Cow<'a, [u8]>,
    /// Of each level: where each byte, and the end, stands in the level before.
    levels: Vec<Vec<u32>>,
    parts: Vec<Part>,
}

impl<'a> Text<'a> {
    pub(super) fn raw(bytes: &'a [u8]) -> Self {
        let length = bytes.len();
        let (here, raw) = (0, 0);
        Self {
            bytes: Cow::Borrowed(bytes),
            levels: Vec::new(),
            parts: vec![Part { here, raw, length }],
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Undoes one level of JSON's escapes. `false` when there is none.
    pub(super) fn unescape(&mut self) -> bool {
        if !self.bytes.contains(&b'\\') {
            return false;
        }
        let mut plain = Vec::with_capacity(self.bytes.len());
        let mut from = Vec::with_capacity(self.bytes.len() + 1);
        let mut at = 0;
        while let Some(&byte) = self.bytes.get(at) {
            from.push(u32::try_from(at).unwrap_or(u32::MAX));
            let (byte, width) = match byte {
                b'\\' => escaped(&self.bytes[at..]),
                byte => (byte, 1),
            };
            plain.push(byte);
            at += width;
        }
        from.push(u32::try_from(self.bytes.len()).unwrap_or(u32::MAX));
        self.bytes = Cow::Owned(plain);
        self.levels.push(from);
        true
    }

    /// Where `start..end` came from, piece by piece.
    pub(super) fn origin(
        &self,
        mut start: usize,
        mut end: usize,
        mut tell: impl FnMut(usize, usize),
    ) {
        for level in self.levels.iter().rev() {
            let place = |at: usize| level.get(at).or(level.last()).map_or(0, |&at| at as usize);
            (start, end) = (place(start), place(end));
        }
        let first = self
            .parts
            .partition_point(|part| part.here + part.length <= start);
        for part in self
            .parts
            .iter()
            .skip(first)
            .take_while(|part| part.here < end)
        {
            let (from, to) = (start.max(part.here), end.min(part.here + part.length));
            if from < to {
                tell(part.raw + from - part.here, part.raw + to - part.here);
            }
        }
    }
}

/// The byte that an escape stands for, and the escape's length. What is none is a backslash.
fn escaped(from: &[u8]) -> (u8, usize) {
    let plain = match from.get(1) {
        Some(b'n') => b'\n',
        Some(b'r') => b'\r',
        Some(b't') => b'\t',
        Some(b'b' | b'f') => b' ',
        Some(&plain @ (b'"' | b'\\' | b'/')) => plain,
        Some(b'u') => return unicode(from),
        _ => return (b'\\', 1),
    };
    (plain, 2)
}

/// Those beyond ASCII are in no secret: any byte beyond ASCII stands for them.
fn unicode(from: &[u8]) -> (u8, usize) {
    let digits = from
        .get(2..6)
        .and_then(|digits| std::str::from_utf8(digits).ok());
    match digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()) {
        Some(code) => (
            u8::try_from(code).ok().filter(u8::is_ascii).unwrap_or(0xff),
            6,
        ),
        None => (b'\\', 1),
    }
}

static DELTA: LazyLock<[Regex; 2]> = LazyLock::new(|| {
    [
        r#""(text|partial_json|thinking|signature|content|arguments)"[ \t]*:[ \t]*"((?:[^"\\]|\\.)*)"#,
        r#""index"[ \t]*:[ \t]*([0-9]{1,9})"#,
    ]
    .map(known)
});

/// A block's index, and the kind of its deltas.
type Block<'a> = (&'a [u8], &'a [u8]);

/// The texts of an event stream: each block's, with its deltas joined.
pub(super) fn joined(raw: &[u8]) -> Vec<Text<'_>> {
    let [delta, index] = &*DELTA;
    let mut texts: BTreeMap<Block<'_>, (Vec<u8>, Vec<Part>)> = BTreeMap::new();
    let mut at = 0;
    for line in raw.split(|&byte| byte == b'\n' || byte == b'\r') {
        let begins = at;
        at += line.len() + 1;
        if !line.starts_with(b"data:") {
            continue;
        }
        let block = index.captures(line).and_then(|found| found.get(1));
        let block = block.map_or(&b""[..], |block| block.as_bytes());
        for found in delta.captures_iter(line) {
            let (Some(kind), Some(value)) = (found.get(1), found.get(2)) else {
                continue;
            };
            let (text, parts) = texts.entry((block, kind.as_bytes())).or_default();
            parts.push(Part {
                here: text.len(),
                raw: begins + value.start(),
                length: value.len(),
            });
            text.extend_from_slice(value.as_bytes());
        }
    }
    let texts = texts.into_values().filter(|(_, parts)| parts.len() > 1);
    texts
        .map(|(bytes, parts)| Text {
            bytes: Cow::Owned(bytes),
            levels: Vec::new(),
            parts,
        })
        .collect()
}
