//! Checks JSON text in one pass, without a tree and without recursion, and tells of its keys.
//!
//! Invariant: accepts exactly what serde_json accepts when it skips a value (RFC 8259, lone
//! surrogate escapes included), at any depth. It exists for speed: a request body is mostly long
//! strings, and looking for their ends many bytes at a time is several times faster
//! than serde_json's scan. Whoever needs the error's text asks serde_json, which finds the same.

use crate::json;

/// Whether `text` (UTF-8) is one JSON object and nothing else. `visit` gets the depth (1 for the
/// object's own members), the positions of the key's opening quote and of the position after it,
/// and the position of the value. It is called before the value is checked.
pub(crate) fn object(text: &[u8], mut visit: impl FnMut(usize, usize, usize, usize)) -> bool {
    check(text, &mut visit).is_some()
}

fn check(text: &[u8], visit: &mut impl FnMut(usize, usize, usize, usize)) -> Option<()> {
    let mut at = json::skip_space(text, 0);
    if text.get(at) != Some(&b'{') {
        return None;
    }
    // One bit per open bracket, set for an object.
    let mut open = Bits::default();
    loop {
        // A value starts here.
        match text.get(at)? {
            b'{' => {
                open.push(true);
                at = json::skip_space(text, at + 1);
                if text.get(at) != Some(&b'}') {
                    at = key(text, at, open.len, visit)?;
                    continue;
                }
                open.pop();
                at += 1;
            }
            b'[' => {
                open.push(false);
                at = json::skip_space(text, at + 1);
                if text.get(at) != Some(&b']') {
                    continue;
                }
                open.pop();
                at += 1;
            }
            b'"' => at = string(text, at)?,
            b't' => at = literal(text, at, b"true")?,
            b'f' => at = literal(text, at, b"false")?,
            b'n' => at = literal(text, at, b"null")?,
            _ => at = number(text, at)?,
        }
        // A value has ended here.
        loop {
            at = json::skip_space(text, at);
            if open.len == 0 {
                return (at == text.len()).then_some(());
            }
            match (text.get(at)?, open.top()) {
                (b',', true) => {
                    at = key(text, json::skip_space(text, at + 1), open.len, visit)?;
                    break;
                }
                (b',', false) => {
                    at = json::skip_space(text, at + 1);
                    break;
                }
                (b'}', true) | (b']', false) => {
                    open.pop();
                    at += 1;
                }
                _ => return None,
            }
        }
    }
}

fn key(
    text: &[u8],
    open: usize,
    depth: usize,
    visit: &mut impl FnMut(usize, usize, usize, usize),
) -> Option<usize> {
    if text.get(open) != Some(&b'"') {
        return None;
    }
    let end = string(text, open)?;
    let colon = json::skip_space(text, end);
    if text.get(colon) != Some(&b':') {
        return None;
    }
    let value = json::skip_space(text, colon + 1);
    visit(depth, open, end, value);
    Some(value)
}

/// The position after the string that opens at `open`.
fn string(text: &[u8], open: usize) -> Option<usize> {
    let mut at = open + 1;
    loop {
        let step = plain_len(&text[at..]);
        at += step;
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => match text.get(at + 1)? {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => at += 2,
                b'u' => {
                    let digits = text.get(at + 2..at + 6)?;
                    if !digits.iter().all(u8::is_ascii_hexdigit) {
                        return None;
                    }
                    at += 6;
                }
                _ => return None,
            },
            _ => return None,
        }
    }
}

const WORD: usize = 8;
/// Up to here word by word; strings that go on are taken for long ones.
const SHORT_WORDS: usize = 6;

/// Bytes before the first quote, backslash or control character.
fn plain_len(text: &[u8]) -> usize {
    let (words, rest) = text.as_chunks::<WORD>();
    for (index, word) in words.iter().take(SHORT_WORDS).enumerate() {
        let special = specials(u64::from_le_bytes(*word));
        if special != 0 {
            return index * WORD + special.trailing_zeros() as usize / 8;
        }
    }
    if words.len() <= SHORT_WORDS {
        let special = rest.iter().position(|byte| is_special(*byte));
        return special.map_or(text.len(), |step| text.len() - rest.len() + step);
    }
    let start = SHORT_WORDS * WORD;
    let end = memchr::memchr2(b'"', b'\\', &text[start..]).map_or(text.len(), |step| start + step);
    // A minimum is compared for many bytes at once; a search is not.
    let least = text[start..end]
        .iter()
        .fold(u8::MAX, |least, byte| least.min(*byte));
    if least >= 0x20 {
        return end;
    }
    let special = text[start..end].iter().position(|byte| is_special(*byte));
    special.map_or(end, |step| start + step)
}

/// Marks each special byte by its high bit; marks above the lowest may be wrong. The subtraction
/// borrows only upwards (H. S. Warren, Hacker's Delight, 6-1).
fn specials(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    let zero_in = |word: u64| word.wrapping_sub(ONES) & !word;
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    let quote = zero_in(word ^ (ONES * u64::from(b'"')));
    let backslash = zero_in(word ^ (ONES * u64::from(b'\\')));
    (control | quote | backslash) & (ONES << 7)
}

fn is_special(byte: u8) -> bool {
    byte == b'"' || byte == b'\\' || byte < 0x20
}

fn literal(text: &[u8], at: usize, word: &[u8]) -> Option<usize> {
    text[at..].starts_with(word).then(|| at + word.len())
}

fn number(text: &[u8], mut at: usize) -> Option<usize> {
    let digits = |at: &mut usize| {
        let start = *at;
        while text.get(*at).is_some_and(u8::is_ascii_digit) {
            *at += 1;
        }
        (*at > start).then_some(())
    };
    if text.get(at) == Some(&b'-') {
        at += 1;
    }
    if text.get(at) == Some(&b'0') {
        at += 1;
    } else {
        digits(&mut at)?;
    }
    if text.get(at) == Some(&b'.') {
        at += 1;
        digits(&mut at)?;
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        at += 1;
        if matches!(text.get(at), Some(b'+' | b'-')) {
            at += 1;
        }
        digits(&mut at)?;
    }
    Some(at)
}

/// A stack of bits.
#[derive(Default)]
struct Bits {
    words: Vec<u64>,
    top: u64,
    len: usize,
}

impl Bits {
    fn push(&mut self, bit: bool) {
        if self.len > 0 && self.len.is_multiple_of(64) {
            self.words.push(self.top);
        }
        self.top = self.top << 1 | u64::from(bit);
        self.len += 1;
    }

    fn pop(&mut self) {
        self.len -= 1;
        self.top >>= 1;
        if self.len > 0 && self.len.is_multiple_of(64) {
            self.top = self.words.pop().unwrap_or_default();
        }
    }

    fn top(&self) -> bool {
        self.top & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::de::DeserializeSeed;

    use super::*;

    fn serde_accepts(text: &str) -> bool {
        let mut reader = serde_json::Deserializer::from_str(text);
        let read = json::Members(|_, _| {}).deserialize(&mut reader);
        read.and_then(|()| reader.end()).is_ok()
    }

    fn accepts(text: &str) -> bool {
        object(text.as_bytes(), |_, _, _, _| {})
    }

    #[test]
    fn deep_and_mixed_nesting() {
        for depth in [1, 63, 64, 65, 127, 128, 129, 1000] {
            let open: String = (0..depth)
                .map(|n| if n % 3 == 0 { "{\"a\":" } else { "[" })
                .collect();
            let close: String = (0..depth)
                .rev()
                .map(|n| if n % 3 == 0 { '}' } else { ']' })
                .collect();
            let good = format!("{open}1{close}");
            assert!(accepts(&good) && serde_accepts(&good), "{depth}");
            assert!(!accepts(&good[..good.len() - 1]));
            assert!(!accepts(&format!("{good}]")));
            let wrong: String = close
                .chars()
                .map(|c| if c == '}' { ']' } else { '}' })
                .collect();
            assert!(!accepts(&format!("{open}1{wrong}")));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]
        #[test]
        fn agrees_with_serde_json(
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    "{", "}", "[", "]", ",", ":", " ", "\n", "\"a\"", "\"b\":", "\"", "\\", "\\\"",
                    "\\u12aF", "\\ud800", "\\x", "\u{1}", "é", "1", "-0", "01", "1.5", "1.", ".5",
                    "1e5", "1E+5", "1e", "true", "false", "null", "nul", "{}", "[]", "\"k\":{}",
                    "0123456789012345678901234567890123456789",
                    "\"a long string that goes on for more than six words and is taken for a long one\"",
                    "a long text that goes on for more than six words, and holds no quote of its own ",
                ]),
                0..14,
            ),
            wrap in any::<bool>(),
        ) {
            let text = parts.concat();
            let text = if wrap { format!("{{\"x\":{text}}}") } else { text };
            prop_assert_eq!(accepts(&text), serde_accepts(&text), "{}", text);
        }
    }
}
