//! Decimals as people write them, kept in millionths.
//!
//! Invariant: what is shown reads back as the same value; nothing is ever a float.

use std::fmt;

/// Millionths in one.
pub const ONE: u64 = 1_000_000;

/// Reads `3` or `0.25`, with up to seven digits before and six after the point, into millionths. `None` for any other
/// text, signs and exponents among them.
#[must_use]
pub fn parse(text: &str) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str, most: usize| {
        (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
    };
    if !digits(whole, 7) || !digits(part, 6) {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    let part: u64 = format!("{part:0<6}").parse().ok()?;
    Some(whole * ONE + part)
}

/// Millionths, shown with as few digits as there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown(pub u64);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / ONE, self.0 % ONE);
        if part == 0 {
            return write!(f, "{whole}");
        }
        let part = format!("{part:06}");
        write!(f, "{whole}.{}", part.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_read_and_shown_exactly() {
        for (text, millionths, shown) in [
            ("3", 3_000_000, "3"),
            ("0.25", 250_000, "0.25"),
            ("0.000001", 1, "0.000001"),
            ("18.750000", 18_750_000, "18.75"),
            ("0", 0, "0"),
            ("1000000", 1_000_000_000_000, "1000000"),
            ("9999999.999999", 9_999_999_999_999, "9999999.999999"),
        ] {
            assert_eq!(parse(text), Some(millionths));
            assert_eq!(Shown(millionths).to_string(), shown);
        }
        for text in [
            "",
            ".",
            "3.",
            ".5",
            "-1",
            "+1",
            "1e3",
            "3,5",
            "0.0000001",
            "NaN",
            " 3",
            "12345678",
            "1.2.3",
            "٣",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(Shown(u64::MAX).to_string(), "18446744073709.551615");
    }
}
