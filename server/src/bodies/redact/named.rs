//! Values that are said to be secrets: by a name before them, an option, a parameter of a query, or an element's name.
//!
//! A pattern finds where such a value begins; how far it goes is read here, since that depends on how it is quoted.
//!
//! Invariant: each byte is read at most once for each kind of head; a value in quotes goes on to its closing quote, with
//! what is escaped in it; only what has both letters and digits is meant, so that names and words stay.

use std::sync::LazyLock;

use regex::bytes::Regex;

use super::known;

/// A value as short as this is no secret, unless the text ends with it.
const LEAST: usize = 12;
const LEAST_CUT: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// `name = value`, `"name": ["value"]`, `name%3Dvalue`, `{"name": "it", "value": "value"}`
    Named,
    /// `--name value`, `["--name", "value"]`
    Option,
    /// `?key=value`, of names that mean a secret nowhere else.
    Query,
    /// `<name>value</name>`
    Element,
}

const NAMES: &str = concat!(
    r"(?:(?:pass(?:word|wd|phrase)|secret|api[_\-]?key|access[_\-]?key|auth[_\-]?token|access[_\-]?token",
    r"|refresh[_\-]?token|private[_\-]?key|session[_\-]?key|credential|cookie)[A-Za-z0-9_\-]*|token)",
);
/// Quotes and brackets after a name.
const CLOSED: &str = r#"(?:["'\\\]]|%(?:25)?(?:22|27|5d)|&quot;|&#3[49];)*"#;
const SPACE: &str = r"(?:\s|%(?:25)?20)*";

static HEADS: LazyLock<[(Kind, Regex); 4]> = LazyLock::new(|| {
    let equals = r"(?:=>|[:=]|%(?:25)?3[ad])";
    let named = format!(r#"(?i){NAMES}(?:[\s,"'\\]+value)?{CLOSED}{SPACE}{equals}{SPACE}"#);
    let option = format!(r#"(?i)--[A-Za-z0-9_\-]*?{NAMES}(?:\s+|["'\\]+\s*,\s*)"#);
    let query = r"(?i)(?:[?&;]|%3f|%26)(?:[A-Za-z0-9_\-]*[_\-])?(?:key|sig|signature|auth|code|jwt|pass|pwd)(?:=|%3d)";
    let element = format!(
        r"(?i)(?:<|&lt;)[A-Za-z0-9_\-:.]*?{NAMES}(?:\s[^<>\n]*)?(?:>|&gt;)(?:<!\[CDATA\[)?\s*"
    );
    [
        (Kind::Named, known(&named)),
        (Kind::Option, known(&option)),
        (Kind::Query, known(query)),
        (Kind::Element, known(&element)),
    ]
});

/// Tells the places of values.
pub(super) fn find(text: &[u8], mut tell: impl FnMut(usize, usize)) {
    for (kind, head) in &*HEADS {
        let mut done = 0;
        for found in head.find_iter(text) {
            // What was read already was told, or has nothing.
            if found.end() >= done {
                let mut offer = |start: usize, end: usize| {
                    if is_secret(text, start, end) {
                        tell(start, end);
                    }
                };
                done = value(text, found.end(), *kind, &mut offer);
            }
        }
    }
}

fn is_secret(text: &[u8], start: usize, end: usize) -> bool {
    let value = text.get(start..end).unwrap_or_default();
    let least = match end == text.len() {
        true => LEAST_CUT,
        false => LEAST,
    };
    value.len() >= least
        && value.iter().any(u8::is_ascii_digit)
        && value.iter().any(u8::is_ascii_alphabetic)
}

/// Offers what may be a secret from `from` on; returns how far it was read.
fn value(text: &[u8], from: usize, kind: Kind, offer: &mut impl FnMut(usize, usize)) -> usize {
    match kind {
        Kind::Option if text[from..].starts_with(b"--") => from,
        Kind::Named | Kind::Option => named(text, from, offer),
        Kind::Query | Kind::Element => {
            let end = run(text, from, kind);
            offer(from, end);
            end
        }
    }
}

fn named(text: &[u8], from: usize, offer: &mut impl FnMut(usize, usize)) -> usize {
    let mut at = from;
    // `b"`, `rb'`: letters before a quote.
    let letters = text[from..]
        .iter()
        .take(2)
        .take_while(|byte| byte.is_ascii_alphabetic());
    let quote = from + letters.count();
    if matches!(text.get(quote), Some(b'"' | b'\'')) {
        at = quote;
    }
    match text.get(at) {
        Some(b'[') => return list(text, at, offer),
        Some(&quote @ (b'"' | b'\'')) => {
            let end = quoted(text, at + 1, quote);
            if end > at + 1 {
                offer(at + 1, end);
                return end;
            }
        }
        _ => {}
    }
    // Quotes that are escaped, or doubled.
    loop {
        at += match (text.get(at), text.get(at + 1)) {
            (Some(b'\\'), Some(b'"' | b'\'' | b'\\' | b'n' | b'r' | b't')) => 2,
            (Some(b'"' | b'\''), _) => 1,
            _ => break,
        };
    }
    let end = run(text, at, Kind::Named);
    offer(at, end);
    end
}

/// The texts of a list, up to its end or what no list of texts has.
fn list(text: &[u8], from: usize, offer: &mut impl FnMut(usize, usize)) -> usize {
    let (mut at, mut depth) = (from, 0_usize);
    while let Some(&byte) = text.get(at) {
        at += 1;
        match byte {
            b'[' => depth += 1,
            b']' if depth <= 1 => break,
            b']' => depth -= 1,
            b'"' | b'\'' => {
                let end = quoted(text, at, byte);
                offer(at, end);
                // Its closing quote, if it has one.
                at = end + usize::from(text.get(end) == Some(&byte));
            }
            b'{' | b'}' | b':' => return at - 1,
            _ => {
                let end = run(text, at - 1, Kind::Named);
                offer(at - 1, end);
                at = at.max(end);
            }
        }
    }
    at
}

/// Where the text ends whose opening quote was before `from`. Lines end it too, and what would close the text it is in.
fn quoted(text: &[u8], from: usize, quote: u8) -> usize {
    let mut at = from;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'\\' => at += 2,
            b'\n' | b'\r' | b'"' => break,
            byte if byte == quote => break,
            _ => at += 1,
        }
    }
    at.min(text.len())
}

/// Where a value ends that is in no quotes.
fn run(text: &[u8], from: usize, kind: Kind) -> usize {
    let ends = |byte: u8| match kind {
        Kind::Named | Kind::Option => matches!(
            byte,
            b'\'' | b',' | b';' | b'<' | b'>' | b'(' | b')' | b'{' | b'}' | b'[' | b']'
        ),
        Kind::Query => matches!(byte, b'\'' | b'&' | b'#' | b'<' | b'>' | b'(' | b')'),
        Kind::Element => byte == b'<',
    };
    let mut at = from;
    while let Some(&byte) = text.get(at) {
        match (byte, text.get(at + 1)) {
            // What is an escape of JSON ends it, but an element's quote.
            (b'\\', Some(b'"')) if kind == Kind::Element => at += 2,
            (b'\\', Some(b'n' | b'r' | b't' | b'b' | b'f' | b'u')) => break,
            (b'\\', Some(next)) if next.is_ascii_alphanumeric() => at += 2,
            (b'\\' | b'"', _) => break,
            (byte, _) if byte.is_ascii_whitespace() || ends(byte) => break,
            _ => at += 1,
        }
    }
    at
}
