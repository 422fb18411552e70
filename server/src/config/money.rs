//! Prices as people write them: dollars, with up to six decimals.
//!
//! Invariant: what is shown reads back as the same value; no price is ever a float.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use troupe_core::price::decimal::{self, ONE, Shown};

/// A price in dollars for `$unit`, kept in micro-dollars. Above `$max` dollars is nobody's price: whoever writes more has
/// mistaken the unit.
macro_rules! dollars {
    ($name:ident, $unit:literal, $examples:literal, $max:literal) => {
        #[doc = concat!("Dollars ", $unit, ", kept in micro-dollars.")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(u64);

        impl $name {
            #[doc = concat!("Micro-dollars ", $unit, ".")]
            pub const fn micro_usd(self) -> u64 {
                self.0
            }
        }

        impl FromStr for $name {
            type Err = &'static str;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                decimal::parse(text)
                    .filter(|micro| *micro <= $max * ONE)
                    .map(Self)
                    .ok_or(concat!("expected dollars ", $unit, " such as ", $examples))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                Shown(self.0).fmt(f)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "description": concat!("Dollars ", $unit, ": ", $examples, "."),
                    "anyOf": [
                        { "type": "number", "minimum": 0, "maximum": $max },
                        { "type": "string", "pattern": r"^\d{1,7}(\.\d{1,6})?$" }
                    ]
                })
            }
        }
    };
}

dollars!(UsdPerMillion, "per million tokens", "3 or 0.25", 1_000_000);
dollars!(UsdPerCall, "per call", "0.01", 1_000);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_have_a_most() {
        for (text, micro) in [
            ("3", Ok(3_000_000)),
            ("0.000001", Ok(1)),
            ("1000000", Ok(1_000_000_000_000)),
            (
                "1000000.1",
                Err("expected dollars per million tokens such as 3 or 0.25"),
            ),
            (
                "-1",
                Err("expected dollars per million tokens such as 3 or 0.25"),
            ),
        ] {
            assert_eq!(text.parse().map(UsdPerMillion::micro_usd), micro, "{text}");
        }
        let call: UsdPerCall = "0.0125".parse().unwrap();
        assert_eq!(
            (call.micro_usd(), call.to_string()),
            (12_500, "0.0125".to_owned())
        );
        assert_eq!(
            "1001".parse::<UsdPerCall>(),
            Err("expected dollars per call such as 0.01")
        );
    }
}
