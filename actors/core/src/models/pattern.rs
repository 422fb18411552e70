//! A name with `*` for any characters, none included.
//!
//! The text between stars is searched from left to right, each piece at its first place after the one before, which is
//! right without ever going back: an earlier place leaves more for the rest. So the time is linear in the name, however
//! many stars there are.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Longest pattern, in bytes.
const MAX_BYTES: usize = 256;

/// Why a text is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    #[error("model pattern is empty; write a model's name, `*` stands for any characters")]
    Empty,
    #[error("model pattern is longer than {MAX_BYTES} bytes; shorten it")]
    TooLong,
    #[error("model pattern has a space or a control character; remove it")]
    Character,
}

/// A pattern for model names. Upper and lower case (ASCII) are the same, so that no spelling slips past a denial.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern {
    /// In lower case.
    text: Box<str>,
    /// Where the first and the last star stand: found once, looked for never.
    stars: Option<(u16, u16)>,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// Empty, over 256 bytes, or with white space or control characters.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        if text.len() > MAX_BYTES {
            return Err(PatternError::TooLong);
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(PatternError::Character);
        }
        let place = |at: Option<usize>| u16::try_from(at?).ok();
        let stars = place(text.find('*')).zip(place(text.rfind('*')));
        Ok(Self {
            text: text.to_ascii_lowercase().into(),
            stars,
        })
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let name = if name.bytes().any(|b| b.is_ascii_uppercase()) {
            Cow::Owned(name.to_ascii_lowercase())
        } else {
            Cow::Borrowed(name)
        };
        self.matches_lower(&name)
    }

    /// Matches a name in lower case: one that many patterns are asked for is only once looked at for its case.
    pub(crate) fn matches_lower(&self, name: &str) -> bool {
        let Some((first_star, last_star)) = self.stars else {
            return *name == *self.text;
        };
        let (first_star, last_star) = (usize::from(first_star), usize::from(last_star));
        let Some(mut left) = name
            .strip_prefix(&self.text[..first_star])
            .and_then(|left| left.strip_suffix(&self.text[last_star + 1..]))
        else {
            return false;
        };
        if first_star == last_star {
            return true;
        }
        for piece in self.text[first_star + 1..last_star].split('*') {
            match left.find(piece) {
                Some(at) => left = &left[at + piece.len()..],
                None => return false,
            }
        }
        true
    }

    pub(crate) fn has_stars(&self) -> bool {
        self.stars.is_some()
    }

    /// How much of it is fixed, in bytes: what fixes more is the more special.
    pub(crate) fn fixed_bytes(&self) -> usize {
        self.text.bytes().filter(|&b| b != b'*').count()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for Pattern {
    type Error = PatternError;

    fn try_from(text: String) -> Result<Self, PatternError> {
        Self::parse(&text)
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.text.into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// By definition, character by character; only for short texts.
    fn means(pattern: &[u8], name: &[u8]) -> bool {
        match (pattern, name) {
            ([], []) => true,
            ([b'*', rest @ ..], _) => (0..=name.len()).any(|at| means(rest, &name[at..])),
            ([p, rest @ ..], [n, name @ ..]) if p == n => means(rest, name),
            _ => false,
        }
    }

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, name, matches) in [
            ("*", "", true),
            ("**", "x", true),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("a*b*c", "a1b2c", true),
            ("*ab*ab*", "abab", true),
            ("*ab*ab*", "aab", false),
            ("Claude-*", "claude-ÄÖ", true),
            ("claude", "claude-1", false),
        ] {
            assert_eq!(
                Pattern::parse(pattern).unwrap().matches(name),
                matches,
                "{pattern} {name}"
            );
        }
    }

    #[test]
    fn a_hostile_name_is_read_once() {
        let pattern = Pattern::parse(&"a*".repeat(128)).unwrap();
        let name = format!("{}b", "a".repeat(2_000_000));
        assert!(pattern.matches(&name));
        let never = Pattern::parse(&format!("{}b*c", "*a".repeat(120))).unwrap();
        assert!(!never.matches(&name));
    }

    #[test]
    fn refused_texts_say_why() {
        assert_eq!(Pattern::parse(""), Err(PatternError::Empty));
        assert_eq!(Pattern::parse("a b"), Err(PatternError::Character));
        assert_eq!(Pattern::parse(&"a".repeat(257)), Err(PatternError::TooLong));
    }

    proptest! {
        #[test]
        fn matching_is_what_stars_mean(pattern in "[ab*]{1,8}", name in "[ab]{0,10}") {
            prop_assert_eq!(
                Pattern::parse(&pattern).unwrap().matches(&name),
                means(pattern.as_bytes(), name.as_bytes())
            );
        }
    }
}
