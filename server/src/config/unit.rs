//! Durations (`5s`, `15m`, `1h30m`, `30d`) and sizes (`32MiB`) as people write them.
//!
//! Invariant: what is shown reads back as the same value.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

const DURATION_UNITS: [(&str, u64); 6] = [
    ("w", 604_800_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

const SIZE_UNITS: [(&str, u64); 8] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

/// A length of time, to the millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HumanDuration(Duration);

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(u64);

// === impl HumanDuration ===

impl HumanDuration {
    pub const fn from_secs(secs: u64) -> Self {
        Self(Duration::from_secs(secs))
    }

    pub const fn from_millis(ms: u64) -> Self {
        Self(Duration::from_millis(ms))
    }

    pub const fn get(self) -> Duration {
        self.0
    }
}

impl FromStr for HumanDuration {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "expected a duration such as 500ms, 5s, 15m, 1h or 30d";
        if text == "0" {
            return Ok(Self(Duration::ZERO));
        }
        let (mut rest, mut total_ms) = (text, 0_u64);
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or(EXPECTED)?;
            let number: u64 = rest[..digits].parse().map_err(|_| EXPECTED)?;
            let unit_end = rest[digits..].find(|c: char| c.is_ascii_digit());
            let unit_end = unit_end.map_or(rest.len(), |n| digits + n);
            let unit = rest[digits..unit_end].trim();
            let unit = DURATION_UNITS.iter().find(|(name, _)| *name == unit);
            let (_, unit_ms) = unit.ok_or(EXPECTED)?;
            let part = number.checked_mul(*unit_ms).ok_or(EXPECTED)?;
            total_ms = total_ms.checked_add(part).ok_or(EXPECTED)?;
            rest = &rest[unit_end..];
        }
        if text.is_empty() {
            return Err(EXPECTED);
        }
        Ok(Self(Duration::from_millis(total_ms)))
    }
}

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        let units = DURATION_UNITS.iter().filter(|(name, _)| *name != "w");
        match units
            .clone()
            .find(|(_, unit)| ms > 0 && ms.is_multiple_of(*unit))
        {
            Some((name, unit)) => write!(f, "{}{name}", ms / unit),
            None => f.write_str("0s"),
        }
    }
}

// === impl ByteSize ===

impl ByteSize {
    pub const fn mib(mib: u64) -> Self {
        Self(mib << 20)
    }

    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for ByteSize {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "expected a size such as 512KiB, 32MiB or 1GiB";
        let digits = text.find(|c: char| !c.is_ascii_digit());
        let digits = digits.unwrap_or(text.len());
        let number: u64 = text[..digits].parse().map_err(|_| EXPECTED)?;
        let unit = text[digits..].trim();
        if unit.is_empty() {
            return Ok(Self(number));
        }
        let unit = SIZE_UNITS
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(unit));
        let (_, unit) = unit.ok_or(EXPECTED)?;
        number.checked_mul(*unit).map(Self).ok_or(EXPECTED)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let binary = SIZE_UNITS.iter().filter(|(name, _)| name.ends_with("iB"));
        match binary
            .clone()
            .find(|(_, u)| self.0 > 0 && self.0.is_multiple_of(*u))
        {
            Some((name, unit)) => write!(f, "{}{name}", self.0 / unit),
            None => write!(f, "{}B", self.0),
        }
    }
}

macro_rules! as_text {
    ($type:ty, $name:literal, $description:literal, $pattern:literal) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "description": $description, "pattern": $pattern })
            }
        }
    };
}

as_text!(
    HumanDuration,
    "Duration",
    "A duration: 500ms, 5s, 15m, 1h, 30d.",
    r"^(0|(\d+\s*(ms|s|m|h|d|w))+)$"
);
as_text!(
    ByteSize,
    "Size",
    "A size: 512KiB, 32MiB, 1GiB.",
    r"^\d+\s*([KMGT]i?B|B)?$"
);
