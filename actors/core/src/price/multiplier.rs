//! What a holder is charged for a dollar that was spent.

use serde::{Deserialize, Serialize};

const PPM: u64 = 1_000_000;

/// A factor in parts per million.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Multiplier(u32);

impl Multiplier {
    pub const ONE: Self = Self(1_000_000);

    #[must_use]
    pub const fn from_ppm(ppm: u32) -> Self {
        Self(ppm)
    }

    #[must_use]
    pub const fn ppm(self) -> u32 {
        self.0
    }

    /// Rounded up, at most `u64::MAX`.
    #[must_use]
    pub fn apply(self, micro_usd: u64) -> u64 {
        if self == Self::ONE {
            return micro_usd;
        }
        let product = u128::from(micro_usd) * u128::from(self.0);
        u64::try_from(product.div_ceil(u128::from(PPM))).unwrap_or(u64::MAX)
    }
}

impl Default for Multiplier {
    fn default() -> Self {
        Self::ONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charges_are_rounded_up_and_stay_in_range() {
        assert_eq!(Multiplier::ONE.apply(7), 7);
        assert_eq!(Multiplier::from_ppm(1_250_000).apply(3), 4);
        assert_eq!(Multiplier::from_ppm(500_000).apply(3), 2);
        assert_eq!(Multiplier::from_ppm(0).apply(3), 0);
        assert_eq!(Multiplier::from_ppm(2_000_000).apply(u64::MAX), u64::MAX);
    }
}
