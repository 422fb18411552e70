//! What things of the source are called here: names, ids, and how notes quote them.
//!
//! Invariant: nothing that looks like a secret is quoted or becomes a name.

use std::collections::HashSet;
use std::fmt::Write;

use sha2::{Digest, Sha256};

/// Names in the store may have 64 bytes; the rest is for what makes them unique.
const STEM_MAX_BYTES: usize = 48;
const LABEL_MAX_CHARS: usize = 80;
/// The store takes 256; the last character may have four.
const STORED_MAX_BYTES: usize = 200;

/// A name of the source for notes: shortened, without control characters, withheld when it may be a secret.
pub(super) fn label(text: &str) -> String {
    if looks_secret(text) {
        return "(withheld)".to_owned();
    }
    let mut shown: String = text
        .chars()
        .take(LABEL_MAX_CHARS)
        .map(|c| if is_plain(c) { c } else { '\u{fffd}' })
        .collect();
    if text.chars().nth(LABEL_MAX_CHARS).is_some() {
        shown.push('…');
    }
    shown
}

/// A name of the source that is stored: an owner, a group, a tag. One that may be a secret is told by `kind` and its
/// digest instead.
pub(super) fn stored(text: &str, kind: &str) -> String {
    if looks_secret(text) {
        return format!("{kind}-{}", digest(&[text]));
    }
    let fits = text
        .char_indices()
        .take_while(|(at, _)| *at < STORED_MAX_BYTES);
    fits.map(|(_, c)| if is_plain(c) { c } else { '\u{fffd}' })
        .collect()
}

/// Neither a control character nor one that turns the direction of the line around it.
fn is_plain(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Keys of the known kinds, and any long run of letters and digits mixed.
fn looks_secret(text: &str) -> bool {
    let run = |part: &str| {
        part.len() >= 24
            && part.bytes().any(|b| b.is_ascii_digit())
            && part.bytes().any(|b| b.is_ascii_alphabetic())
    };
    let lower = text.to_ascii_lowercase();
    lower.starts_with("sk-")
        || ["sk-ant", "sessionkey=", "bearer ", "eyj"]
            .iter()
            .any(|mark| lower.contains(mark))
        || text.split(|c: char| !c.is_ascii_alphanumeric()).any(run)
}

/// The first 16 hexadecimal digits of the SHA-256 of `parts`, which cannot run into each other.
pub(super) fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hex(hash.finalize().get(..8).unwrap_or_default())
}

/// What tells a key of LiteLLM, known by its secret or by the SHA-256 of that.
pub(super) fn key_digest(secret: &str) -> String {
    digest(&[&hex(&Sha256::digest(secret.as_bytes()))])
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// 64 hexadecimal digits.
pub(super) fn sha256_of_hex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut hash = [0; 32];
    for (byte, at) in hash.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
    }
    Some(hash)
}

/// The names given within one plan.
#[derive(Debug, Default)]
pub(super) struct Names {
    given: HashSet<String>,
}

impl Names {
    /// `wanted` as far as it may be a name, else `otherwise`. One that is given already is told apart by `id`, which
    /// begins with letters or digits and is unique itself: so a name depends little on what else is in the source.
    pub fn give(&mut self, wanted: &str, otherwise: &str, id: &str) -> String {
        let stem = Some(stem(wanted))
            .filter(|stem| !stem.is_empty() && !looks_secret(wanted))
            .unwrap_or_else(|| self::stem(otherwise));
        let short: String = id.chars().take(8).collect();
        let mut name = stem.clone();
        let mut number = 1_u64;
        while !self.given.insert(name.clone()) {
            name = match number {
                1 => format!("{stem}-{short}"),
                more => format!("{stem}-{short}.{more}"),
            };
            number += 1;
        }
        name
    }
}

fn stem(text: &str) -> String {
    let mut stem = String::new();
    for c in text.trim().chars() {
        let fits = c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let c = if fits { c } else { '-' };
        if stem.is_empty() && !c.is_ascii_alphanumeric() || c == '-' && stem.ends_with('-') {
            continue;
        }
        if stem.len() == STEM_MAX_BYTES {
            break;
        }
        stem.push(c);
    }
    stem.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_the_store_and_are_unique() {
        let mut names = Names::default();
        for (wanted, given) in [
            ("Team A / CI", "Team-A-CI"),
            ("--x--", "x"),
            ("", "key"),
            ("ключ", "key-1f2e3d4c"),
            ("Team A  CI", "Team-A-CI-1f2e3d4c"),
            ("Team A  CI", "Team-A-CI-1f2e3d4c.2"),
            ("sk-ant-api03-abcdefgh", "key-1f2e3d4c.2"),
        ] {
            assert_eq!(names.give(wanted, "key", "1f2e3d4c5b6a"), given, "{wanted}");
        }
        let long = names.give(&"a".repeat(500), "key", "1f2e3d4c5b6a");
        assert!(long.len() <= 64);
    }

    #[test]
    fn what_is_stored_stays_distinct_and_is_no_secret() {
        assert_eq!(stored("Team ü", "team"), "Team ü");
        assert_eq!(stored("a\nb", "team"), "a\u{fffd}b");
        assert!(stored(&"ü".repeat(500), "team").len() <= 256);
        let (one, other) = (stored("sk-one", "team"), stored("sk-other", "team"));
        assert!(one.starts_with("team-") && other.starts_with("team-") && one != other);
    }

    #[test]
    fn labels_hide_secrets_and_what_would_break_a_line() {
        for (text, shown) in [
            ("skip_first_warning", "skip_first_warning"),
            (
                "maximum_spend_logs_retention_interval_v2",
                "maximum_spend_logs_retention_interval_v2",
            ),
            (
                "0b9c5e60-6ac3-4f5e-9f0a-3c1de5a5a0f1",
                "0b9c5e60-6ac3-4f5e-9f0a-3c1de5a5a0f1",
            ),
            ("claude-haiku-4-5-20251001", "claude-haiku-4-5-20251001"),
            ("sk-abc", "(withheld)"),
            ("x sk-ant-sid01-abc", "(withheld)"),
            ("abcdefghijklmnopqrstuvw12345", "(withheld)"),
            ("a\nb\u{202e}c\u{1b}[2J", "a\u{fffd}b\u{fffd}c\u{fffd}[2J"),
        ] {
            assert_eq!(label(text), shown);
        }
        assert_eq!(
            label(&"ab ".repeat(100)).chars().count(),
            LABEL_MAX_CHARS + 1
        );
    }
}
