//! Numbers of limits: whole ones, and dollars with up to six decimals, which are kept in micro-dollars.
//!
//! Invariant: what is shown reads back as the same number; a float is only ever written where its shortest form is the
//! exact decimal.

use serde::Serializer;
use troupe_core::limit::LimitName;
use troupe_core::price::decimal::Shown;

/// The largest whole number that every JSON reader keeps as it is.
pub(super) const MAX: u64 = 1 << 53;
/// One less than what stands for no bound.
pub(super) const MAX_CONCURRENT: u64 = u32::MAX as u64 - 1;
pub(super) const MAX_USD: u64 = 1_000_000_000;
const MICRO: u64 = 1_000_000;

/// Units of `name`, from 1 up; in micro-dollars, where it is about money.
///
/// # Errors
/// What would be right.
pub(super) fn read(name: LimitName, text: &str) -> Result<u64, String> {
    if name.is_spend() {
        let micro_usd = dollars(text).filter(|micro| (1..=MAX_USD * MICRO).contains(micro));
        return micro_usd.ok_or_else(|| {
            format!("expected dollars from 0.000001 to {MAX_USD}, such as 100 or 12.50")
        });
    }
    let most = match name {
        LimitName::Concurrent => MAX_CONCURRENT,
        LimitName::Per(..) => MAX,
    };
    let number = whole(text).filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| format!("expected a whole number from 1 to {most}"))
}

/// `5000000`, or with underscores between digits, as YAML allows.
fn whole(text: &str) -> Option<u64> {
    let ends = |end: Option<char>| end.is_some_and(|c| c.is_ascii_digit());
    let digits = text.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    if !digits || !ends(text.chars().next()) || !ends(text.chars().next_back()) {
        return None;
    }
    text.replace('_', "").parse().ok()
}

/// `100` or `12.50`, in micro-dollars.
fn dollars(text: &str) -> Option<u64> {
    let (units, part) = text.split_once('.').unwrap_or((text, "0"));
    let is_part = (1..=6).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    if !is_part {
        return None;
    }
    let part: u64 = format!("{part:0<6}").parse().ok()?;
    whole(units)?.checked_mul(MICRO)?.checked_add(part)
}

/// As people write it: dollars and cents.
pub(super) fn told(name: LimitName, units: u64) -> String {
    if !name.is_spend() {
        return units.to_string();
    }
    let mut text = Shown(units).to_string();
    let digits = text.split_once('.').map(|(_, part)| part.len());
    if digits == Some(1) {
        text.push('0');
    }
    text
}

pub(super) fn serialize<S: Serializer>(
    name: LimitName,
    units: u64,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    if name.is_spend() {
        return serialize_decimal(units, serializer);
    }
    serializer.serialize_u64(units)
}

/// Millionths, as a number where that is exact and needs no exponent, else as a text.
pub(super) fn serialize_decimal<S: Serializer>(
    millionths: u64,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    /// Floats below are written with an exponent.
    const PLAIN_FROM: u64 = 1_000;
    /// Fifteen digits are exact in a float, whatever they are.
    const EXACT_TO: u64 = 1_000_000_000_000_000;
    if millionths.is_multiple_of(MICRO) {
        return serializer.serialize_u64(millionths / MICRO);
    }
    let text = Shown(millionths).to_string();
    match text.parse::<f64>() {
        Ok(number) if (PLAIN_FROM..EXACT_TO).contains(&millionths) => {
            serializer.serialize_f64(number)
        }
        _ => serializer.serialize_str(&text),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REQUESTS: &str = "requests_per_minute";

    fn of(name: &str, text: &str) -> Result<u64, String> {
        read(name.parse().unwrap(), text)
    }

    #[test]
    fn numbers_are_read_exactly() {
        for (name, text, units) in [
            (REQUESTS, "1", 1),
            (REQUESTS, "5_000_000", 5_000_000),
            ("tokens_per_month", "9007199254740992", MAX),
            ("concurrent", "4294967294", MAX_CONCURRENT),
            ("usd_per_day", "0.000001", 1),
            ("usd_per_day", "12.50", 12_500_000),
            ("usd_per_day", "100", 100_000_000),
            ("usd_per_day", "1_000", 1_000_000_000),
            ("usd_per_day", "1000000000", MAX_USD * MICRO),
        ] {
            assert_eq!(of(name, text), Ok(units), "{name} {text}");
        }
        for text in [
            "",
            "0",
            "-1",
            "+1",
            "1.5",
            "5M",
            "1e3",
            "_1",
            "1_",
            "9007199254740993",
            "٣",
            " 1",
        ] {
            assert!(of(REQUESTS, text).is_err(), "{text}");
        }
        for text in [
            "",
            "0",
            "0.0",
            "-1",
            "1.",
            ".5",
            "1.0000001",
            "1e3",
            "$5",
            "1000000000.000001",
            "99999999999999999999",
        ] {
            assert!(of("usd_per_day", text).is_err(), "{text}");
        }
        assert!(of("concurrent", "4294967295").is_err());
    }

    struct Usd(u64);

    impl serde::Serialize for Usd {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serialize_decimal(self.0, serializer)
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_what_was_meant(micro in 1..=MAX_USD * MICRO) {
            let name = "usd_per_month".parse().unwrap();
            prop_assert_eq!(read(name, &told(name, micro)), Ok(micro));
            let mut json = Vec::new();
            serialize(name, micro, &mut serde_json::Serializer::new(&mut json)).unwrap();
            let written = String::from_utf8(json).unwrap();
            prop_assert_eq!(read(name, written.trim_matches('"')), Ok(micro), "{}", written);
            let yaml = serde_saphyr::to_string(&Usd(micro)).unwrap();
            prop_assert_eq!(read(name, yaml.trim().trim_matches('"')), Ok(micro), "{}", yaml);
        }
    }
}
