//! Looks for many secrets at once: those that are known, and those whose form gives them away.

use std::collections::{BTreeSet, HashMap};

/// Base62 characters of a key that the gateway made, after `troupe-`.
const KEY: usize = 43;
/// Hexadecimal digits of a token of the scripted authorization server, after `mock-…-00001-`.
const TOKEN: usize = 16;

/// See the module.
#[derive(Debug)]
pub struct Needles {
    /// By their first two bytes.
    known: HashMap<[u8; 2], Vec<String>>,
    begins: Vec<bool>,
}

impl Needles {
    pub fn new(known: &BTreeSet<String>) -> Self {
        let mut needles = Self {
            known: HashMap::new(),
            begins: vec![false; 1 << 16],
        };
        for secret in known {
            if let Some(first) = secret.as_bytes().first_chunk() {
                needles.begins[usize::from(u16::from_le_bytes(*first))] = true;
                needles
                    .known
                    .entry(*first)
                    .or_default()
                    .push(secret.clone());
            }
        }
        needles
    }

    /// Of the known ones.
    pub fn first_known_in(&self, bytes: &[u8]) -> Option<String> {
        let mut at = 0;
        while let Some(first) = bytes[at..].first_chunk() {
            if self.begins[usize::from(u16::from_le_bytes(*first))] {
                let here = &bytes[at..];
                let of = self.known.get(first).into_iter().flatten();
                if let Some(found) = of.into_iter().find(|s| here.starts_with(s.as_bytes())) {
                    return Some(found.clone());
                }
            }
            at += 1;
        }
        None
    }

    /// Of the known ones and of those that have the form of one.
    pub fn first_in(&self, bytes: &[u8]) -> Option<String> {
        self.first_known_in(bytes).or_else(|| of_form(bytes))
    }

    /// The same with the codes of a login, which its redirects may carry.
    pub fn first_at_rest_in(&self, bytes: &[u8]) -> Option<String> {
        self.first_in(bytes).or_else(|| code(bytes))
    }
}

/// An authorization code of the scripted server.
fn code(bytes: &[u8]) -> Option<String> {
    let found = bytes.windows(9).any(|part| part == b"code_mock");
    found.then(|| "an authorization code".to_owned())
}

/// A generated key, or a token of the scripted authorization server.
fn of_form(bytes: &[u8]) -> Option<String> {
    let run = |from: usize, is: fn(&u8) -> bool| bytes[from..].iter().take_while(|b| is(b)).count();
    let text =
        |from: usize, len: usize| String::from_utf8_lossy(&bytes[from..from + len]).into_owned();
    for at in 0..bytes.len().saturating_sub(7) {
        match bytes[at] {
            b't' if bytes[at..].starts_with(b"troupe-") => {
                let length = run(at + 7, u8::is_ascii_alphanumeric);
                if length >= KEY {
                    return Some(text(at, 7 + length));
                }
            }
            b'm' if bytes[at..].starts_with(b"mock-") => {
                let length = run(at, |b| b.is_ascii_alphanumeric() || *b == b'-');
                let last = bytes[at..at + length].rsplit(|b| *b == b'-').next();
                if last.is_some_and(|last| {
                    last.len() >= TOKEN && last.iter().all(u8::is_ascii_hexdigit)
                }) {
                    return Some(text(at, length));
                }
            }
            _ => {}
        }
    }
    None
}

#[test]
fn secrets_are_found_and_words_are_not() {
    let needles =
        Needles::new(&["a-known-secret-0".to_owned(), "a-known-secret-1".to_owned()].into());
    let key = format!("troupe-{}", "aB3".repeat(15));
    let table = [
        ("nothing here, but troupe-abc12345 and mock-up", None),
        ("x a-known-secret-1x", Some("a-known-secret-1")),
        ("a-known-secret-", None),
        (
            "mock-at-00001-0123456789abcdef0123",
            Some("mock-at-00001-0123456789abcdef0123"),
        ),
        ("?code=code_mock00000001", None),
        (&key, Some(&*key)),
    ];
    for (text, found) in table {
        assert_eq!(
            needles.first_in(text.as_bytes()).as_deref(),
            found,
            "{text}"
        );
    }
    assert!(
        needles
            .first_at_rest_in(b"?code=code_mock00000001")
            .is_some()
    );
}
