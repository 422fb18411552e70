//! Weighted choice without state: each candidate runs, and its time is exponentially distributed with its weight as
//! the rate. The fastest of any set is then each member with probability weight / sum of weights (Efraimidis and
//! Spirakis, "Weighted random sampling with a reservoir", 2006), whatever others come, go or are held back.
//!
//! Invariant: no floating-point function whose last bit differs between machines; only integers and one division.

/// One running of the race.
#[derive(Clone, Copy, Debug)]
pub(super) struct Race {
    seed: u64,
}

/// 2^64 divided by the golden ratio: neighbouring numbers land far apart.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

impl Race {
    pub(super) fn new(turn: usize) -> Self {
        Self {
            seed: mix((turn as u64).wrapping_add(1).wrapping_mul(GOLDEN)),
        }
    }

    /// When the candidate arrives; comparable only within one race. Weight 0 arrives last.
    pub(super) fn time(self, index: usize, weight: u32) -> u64 {
        if weight == 0 {
            return u64::MAX;
        }
        let draw = mix(self.seed ^ (index as u64).wrapping_add(1).wrapping_mul(GOLDEN)) | 1;
        let distance = (64 << 32) - log2_q32(draw);
        // Bits of positive floats are in the order of their values.
        (distance as f64 / f64::from(weight)).to_bits()
    }
}

/// A bijection that spreads every bit over all (the finaliser of `SplitMix64`); 0 stays 0.
pub(super) fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Base-2 logarithm of `x` (not 0) in 32.32 fixed point, a little below the true value, by less than 3 parts per million.
fn log2_q32(x: u64) -> u64 {
    let zeros = x.leading_zeros();
    let mantissa = x << zeros;
    let step = (mantissa >> 55 & 0xff) as usize;
    let within = mantissa >> 23 & 0xffff_ffff;
    let (below, above) = (LOG2[step], LOG2[step + 1]);
    (u64::from(63 - zeros) << 32) + below + (((above - below) * within) >> 32)
}

/// `log2(1 + i / 256)` in 32.32 fixed point.
static LOG2: [u64; 257] = {
    let mut table = [0; 257];
    let mut i = 0;
    while i < 256 {
        // Squaring doubles the logarithm: each time it passes 1, the next bit is set.
        let mut x = (256 + i as u128) << 54;
        let mut bit = 0;
        while bit < 32 {
            x = (x * x) >> 62;
            table[i] <<= 1;
            if x >= 1 << 63 {
                table[i] |= 1;
                x >>= 1;
            }
            bit += 1;
        }
        i += 1;
    }
    table[256] = 1 << 32;
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logarithm_is_close() {
        for x in [1, 2, 3, 5, 255, 257, 1 << 40, u64::MAX / 3, u64::MAX - 1] {
            let told = log2_q32(x) as f64 / (1u64 << 32) as f64;
            assert!((told - (x as f64).log2()).abs() < 3e-6, "{x}: {told}");
        }
        assert!(log2_q32(u64::MAX) < 64 << 32);
    }

    #[test]
    fn a_weight_of_nothing_arrives_last() {
        for turn in 0..100 {
            let race = Race::new(turn);
            assert!(race.time(0, 0) > race.time(1, 1));
        }
    }
}
