//! What of a body is never kept: secrets, what the operator's patterns name, and blobs.
//!
//! ```text
//! raw bytes ──────────────────────────┬─ as they are
//!     └ deltas of events, joined ─────┼─ JSON's escapes undone, level by level   ──▶ places ──▶ marks in the raw bytes
//! ```
//! Each [`Text`] is looked through for the same shapes, and a place that is found in one of them is marked in the raw
//! bytes it came from: so a secret is found that stands in escapes, in JSON within JSON, or in two events.
//!
//! Invariant: total on any bytes; what is replaced never shows, however much of it is there; what is not replaced stays as
//! it was. A body that goes on beyond what is kept is looked through for [`MARGIN`] bytes more, so that a secret across the
//! cut is seen whole.

mod blobs;
mod named;
mod shapes;
mod text;

use std::borrow::Cow;

use regex::bytes::{Regex, RegexBuilder};

use text::{Text, joined};

/// How far a body is looked through beyond what is kept.
pub const MARGIN: usize = 8 * 1024;
/// Patterns of the operator, characters of one, and what one may become in memory.
pub const MAX_PATTERNS: usize = 64;
pub const MAX_PATTERN_CHARS: usize = 1_024;
const MAX_COMPILED_BYTES: usize = 1 << 20;
/// JSON within JSON within JSON.
const LEVELS: usize = 3;

/// The operator's patterns, compiled; the known shapes go with every one.
#[derive(Clone, Debug, Default)]
pub struct Redactor {
    own: Vec<Regex>,
}

/// A body without what is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cleaned {
    pub bytes: Vec<u8>,
    /// It went on.
    pub cut: bool,
    pub redacted: u32,
}

/// What stands in a place's stead.
#[derive(Clone, Debug)]
enum Label {
    Secret(&'static str),
    Blob(String),
    /// The rest of a place that lies in several events.
    More,
}

#[derive(Clone, Debug)]
struct Mark {
    start: usize,
    end: usize,
    label: Label,
}

impl Redactor {
    /// # Errors
    /// Which pattern is wrong (from 0) and why, without quoting it.
    pub fn new(patterns: &[String]) -> Result<Self, (usize, String)> {
        let compile =
            |(nth, pattern): (usize, &String)| compiled(pattern).map_err(|why| (nth, why));
        let own: Result<_, _> = patterns.iter().enumerate().map(compile).collect();
        Ok(Self { own: own? })
    }

    /// `raw` without what is not kept, and no more than `keep` bytes of it; `events` says that it is an event stream.
    #[must_use]
    pub fn clean(&self, raw: &[u8], keep: usize, events: bool) -> Cleaned {
        let cut = raw.len() > keep;
        let seen = &raw[..raw.len().min(keep.saturating_add(MARGIN))];
        if blobs::is_binary(seen) {
            let bytes = blobs::told("binary", seen).into_bytes();
            return Cleaned {
                bytes,
                cut,
                redacted: 1,
            };
        }
        let mut marks = Vec::new();
        self.search(Text::raw(seen), &mut marks);
        if events {
            for text in joined(seen) {
                self.search(text, &mut marks);
            }
        }
        let (bytes, redacted) = without(seen, marks, keep);
        Cleaned {
            bytes,
            cut,
            redacted,
        }
    }

    fn search(&self, mut text: Text<'_>, marks: &mut Vec<Mark>) {
        for level in 0..=LEVELS {
            self.search_level(&text, marks);
            if level == LEVELS || !text.unescape() {
                return;
            }
        }
    }

    fn search_level(&self, text: &Text<'_>, marks: &mut Vec<Mark>) {
        let bytes = text.bytes();
        let mut mark = |start: usize, end: usize, label: Label| {
            let mut label = Some(label);
            text.origin(start, end, |start, end| {
                let label = label.take().unwrap_or(Label::More);
                marks.push(Mark { start, end, label });
            });
        };
        shapes::find(bytes, |start, end, name| {
            mark(start, end, Label::Secret(name))
        });
        named::find(bytes, |start, end| {
            mark(start, end, Label::Secret("secret"))
        });
        for pattern in &self.own {
            for found in pattern.find_iter(bytes).filter(|found| !found.is_empty()) {
                mark(found.start(), found.end(), Label::Secret("pattern"));
            }
        }
        blobs::find(bytes, |start, end| {
            let blob = &bytes[start..end];
            mark(start, end, Label::Blob(blobs::told("base64", blob)));
        });
    }
}

/// A pattern of the house, of bytes.
#[expect(clippy::unwrap_used, reason = "a literal, which the tests compile")]
fn known(pattern: &str) -> Regex {
    RegexBuilder::new(pattern).unicode(false).build().unwrap()
}

fn compiled(pattern: &str) -> Result<Regex, String> {
    if pattern.chars().count() > MAX_PATTERN_CHARS {
        return Err(format!("must be at most {MAX_PATTERN_CHARS} characters"));
    }
    let regex = RegexBuilder::new(pattern)
        .size_limit(MAX_COMPILED_BYTES)
        .dfa_size_limit(MAX_COMPILED_BYTES)
        .build();
    let regex = regex.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "is too large when compiled; say it shorter".to_owned(),
        _ => "is no regular expression of the crate `regex` (no look-around, no back-references)"
            .to_owned(),
    })?;
    if regex.is_match(b"") {
        return Err("matches the empty text; it would match everywhere".to_owned());
    }
    Ok(regex)
}

/// `raw` up to `keep`, with labels where the marks are. A mark that begins before `keep` is there whole.
fn without(raw: &[u8], mut marks: Vec<Mark>, keep: usize) -> (Vec<u8>, u32) {
    marks.sort_by_key(|mark| (mark.start, std::cmp::Reverse(mark.end)));
    let keep = keep.min(raw.len());
    let mut bytes = Vec::with_capacity(keep);
    let (mut at, mut redacted) = (0, 0);
    let mut marks = marks.into_iter().peekable();
    while let Some(mut mark) = marks.next() {
        if mark.start >= keep {
            break;
        }
        while let Some(next) = marks.next_if(|next| next.start < mark.end) {
            mark.end = mark.end.max(next.end);
            // What says most stands there.
            if !matches!(next.label, Label::More) && matches!(mark.label, Label::More) {
                mark.label = next.label;
            }
        }
        bytes.extend_from_slice(&raw[at..mark.start]);
        bytes.extend_from_slice(mark.label.text().as_bytes());
        redacted += u32::from(!matches!(mark.label, Label::More));
        at = mark.end;
    }
    if at < keep {
        bytes.extend_from_slice(&raw[at..keep]);
    }
    (bytes, redacted)
}

impl Label {
    fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Secret(name) => Cow::Owned(format!("[redacted {name}]")),
            Self::Blob(told) => Cow::Borrowed(told),
            Self::More => Cow::Borrowed(""),
        }
    }
}

#[cfg(test)]
mod tests;
