//! Prices as people write them: dollars per million tokens, with up to six decimals.
//!
//! Invariant: what is shown reads back as the same value; no price is ever a float.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

const MICRO: u64 = 1_000_000;
/// Nobody's price; whoever writes more has mistaken the unit.
const MAX_USD: u64 = 1_000_000;

/// Dollars per million tokens, kept in micro-dollars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct UsdPerMillion(u64);

impl UsdPerMillion {
    /// Micro-dollars per million tokens.
    pub const fn micro_usd(self) -> u64 {
        self.0
    }
}

impl FromStr for UsdPerMillion {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "expected dollars per million tokens such as 3 or 0.25";
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str, most: usize| {
            (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
        };
        if !digits(whole, 7) || !digits(part, 6) {
            return Err(EXPECTED);
        }
        let whole: u64 = whole.parse().map_err(|_| EXPECTED)?;
        let part: u64 = format!("{part:0<6}").parse().map_err(|_| EXPECTED)?;
        let micro = whole * MICRO + part;
        if micro > MAX_USD * MICRO {
            return Err(EXPECTED);
        }
        Ok(Self(micro))
    }
}

impl fmt::Display for UsdPerMillion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / MICRO, self.0 % MICRO);
        if part == 0 {
            return write!(f, "{whole}");
        }
        let part = format!("{part:06}");
        write!(f, "{whole}.{}", part.trim_end_matches('0'))
    }
}

impl<'de> Deserialize<'de> for UsdPerMillion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl Serialize for UsdPerMillion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for UsdPerMillion {
    fn schema_name() -> Cow<'static, str> {
        "UsdPerMillion".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Dollars per million tokens: 3, 0.25.",
            "anyOf": [
                { "type": "number", "minimum": 0, "maximum": MAX_USD },
                { "type": "string", "pattern": r"^\d{1,7}(\.\d{1,6})?$" }
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_read_and_shown_exactly() {
        for (text, micro, shown) in [
            ("3", 3_000_000, "3"),
            ("0.25", 250_000, "0.25"),
            ("0.000001", 1, "0.000001"),
            ("18.750000", 18_750_000, "18.75"),
            ("0", 0, "0"),
            ("1000000", 1_000_000_000_000, "1000000"),
        ] {
            let read: UsdPerMillion = text.parse().unwrap();
            assert_eq!(read.micro_usd(), micro);
            assert_eq!(read.to_string(), shown);
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
            "1000000.1",
            "9999999",
            "NaN",
            " 3",
            "12345678",
        ] {
            assert!(text.parse::<UsdPerMillion>().is_err(), "{text}");
        }
    }
}
