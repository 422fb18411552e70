//! A factor on money.
//!
//! Invariant: what it makes of an amount is rounded up, so that no part of a micro-dollar is lost to whoever counts.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::decimal;

/// Nobody's factor; whoever writes more has mistaken the unit.
const MAX: u32 = 1_000;

/// A factor in parts per million, written as a decimal: `1.25` is 1 250 000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Multiplier(u32);

impl Default for Multiplier {
    fn default() -> Self {
        Self::ONE
    }
}

impl Multiplier {
    pub const ONE: Self = Self(1_000_000);

    /// Parts per million; at most a factor of 1 000.
    #[must_use]
    pub const fn from_ppm(ppm: u32) -> Self {
        if ppm > MAX * 1_000_000 {
            return Self(MAX * 1_000_000);
        }
        Self(ppm)
    }

    /// Parts per million.
    #[must_use]
    pub const fn ppm(self) -> u32 {
        self.0
    }

    /// So many micro-dollars times the factor, rounded up; the most there is when that is too much.
    #[must_use]
    pub fn apply(self, micro_usd: u64) -> u64 {
        if self == Self::ONE {
            return micro_usd;
        }
        let product = u128::from(micro_usd) * u128::from(self.0);
        u64::try_from(product.div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }

    pub(super) const fn most(self, other: Self) -> Self {
        if self.0 > other.0 { self } else { other }
    }
}

/// A text is no factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a factor of at most {MAX} such as 1.25 or 0.5")]
pub struct MultiplierError;

impl FromStr for Multiplier {
    type Err = MultiplierError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        decimal::parse(text)
            .and_then(|ppm| u32::try_from(ppm).ok())
            .filter(|ppm| *ppm <= MAX * 1_000_000)
            .map(Self)
            .ok_or(MultiplierError)
    }
}

impl fmt::Display for Multiplier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        decimal::Shown(u64::from(self.0)).fmt(f)
    }
}

impl TryFrom<String> for Multiplier {
    type Error = MultiplierError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Multiplier> for String {
    fn from(multiplier: Multiplier) -> Self {
        multiplier.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_rounded_up_and_never_overflow() {
        for (factor, micro_usd, times) in [
            ("1", 7, 7),
            ("1.25", 4, 5),
            ("1.25", 1, 2),
            ("0.000001", 1, 1),
            ("0", u64::MAX, 0),
            ("1000", u64::MAX, u64::MAX),
            ("1", u64::MAX, u64::MAX),
            ("0.5", u64::MAX, u64::MAX / 2 + 1),
        ] {
            let factor: Multiplier = factor.parse().unwrap();
            assert_eq!(factor.apply(micro_usd), times, "{factor} of {micro_usd}");
        }
    }

    #[test]
    fn factors_are_written_as_decimals() {
        let factor: Multiplier = serde_json::from_str(r#""1.25""#).unwrap();
        assert_eq!(factor, Multiplier::from_ppm(1_250_000));
        assert_eq!(serde_json::to_string(&factor).unwrap(), r#""1.25""#);
        for text in ["", "-1", "1000.000001", "9999999", "1e3", "one"] {
            assert_eq!(text.parse::<Multiplier>(), Err(MultiplierError), "{text}");
        }
        assert_eq!(Multiplier::from_ppm(u32::MAX).to_string(), "1000");
        assert_eq!(Multiplier::default(), Multiplier::ONE);
    }
}
