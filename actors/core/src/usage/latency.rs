//! How long answers took: a small sketch whose sum of two is that of both.
//!
//! Invariant: fixed edges, two an octave from [`Latency::FIRST_MS`] on; a quantile is within 19 % of the exact one between
//! the first and the last edge. Edges never change: sketches of different versions are merged.

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Upper edges (ms, exclusive) of the buckets but the last, which is open: 10 · 2^(n/2), to about 22 minutes.
const EDGES_MS: [u64; 35] = edges();

const fn edges() -> [u64; 35] {
    let mut edges = [0; 35];
    let mut n = 0;
    while n < edges.len() {
        let octave = Latency::FIRST_MS << (n / 2);
        edges[n] = if n.is_multiple_of(2) {
            octave
        } else {
            // √2 to six digits.
            octave * 1_414_214 / 1_000_000
        };
        n += 1;
    }
    edges
}

/// Counts of durations by bucket. Stored as pairs of bucket and count, those that are not zero.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Latency([u32; EDGES_MS.len() + 1]);

impl Latency {
    /// What is shorter is not told apart.
    pub const FIRST_MS: u64 = 10;

    pub fn add(&mut self, ms: u64) {
        let bucket = EDGES_MS.partition_point(|edge| *edge <= ms);
        if let Some(count) = self.0.get_mut(bucket) {
            *count = count.saturating_add(1);
        }
    }

    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count = count.saturating_add(more);
        }
    }

    /// Leaves what is not in `part`, which this is partly of.
    pub fn take_away(&mut self, part: &Self) {
        for (count, less) in self.0.iter_mut().zip(part.0) {
            *count = count.saturating_sub(less);
        }
    }

    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.iter().copied().map(u64::from).sum()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// About so many ms or less were enough for `per_mille` of the durations (500 is the median); `None` without any.
    /// The last bucket tells its lower edge.
    #[must_use]
    pub fn quantile_ms(&self, per_mille: u64) -> Option<u64> {
        let wanted = (self.count() * per_mille).div_ceil(1_000).max(1);
        let mut seen = 0;
        let bucket = self.0.iter().position(|count| {
            seen += u64::from(*count);
            seen >= wanted
        })?;
        let below = bucket.checked_sub(1).map_or(0, |below| EDGES_MS[below]);
        Some(match EDGES_MS.get(bucket) {
            None => below,
            Some(_) if bucket == 0 => Self::FIRST_MS / 2,
            Some(edge) => (below * edge).isqrt(),
        })
    }
}

impl Default for Latency {
    fn default() -> Self {
        Self([0; EDGES_MS.len() + 1])
    }
}

impl std::fmt::Debug for Latency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.counted()).finish()
    }
}

impl Latency {
    fn counted(&self) -> impl Iterator<Item = (usize, u32)> {
        let all = self.0.iter().copied().enumerate();
        all.filter(|(_, count)| *count > 0)
    }
}

impl Serialize for Latency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.counted())
    }
}

impl<'de> Deserialize<'de> for Latency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Pairs)
    }
}

/// Reads them one by one: reports read very many sketches.
struct Pairs;

impl<'de> Visitor<'de> for Pairs {
    type Value = Latency;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("pairs of bucket and count")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut pairs: A) -> Result<Latency, A::Error> {
        let mut read = Latency::default();
        while let Some((bucket, count)) = pairs.next_element::<(usize, u32)>()? {
            // A later version may have longer ones.
            let bucket = bucket.min(EDGES_MS.len());
            read.0[bucket] = read.0[bucket].saturating_add(count);
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(durations: &[u64]) -> Latency {
        let mut latency = Latency::default();
        durations.iter().for_each(|ms| latency.add(*ms));
        latency
    }

    #[test]
    fn edges_rise_by_the_root_of_two() {
        assert_eq!(EDGES_MS[..5], [10, 14, 20, 28, 40]);
        assert_eq!(EDGES_MS[34], 1_310_720);
        assert!(EDGES_MS.is_sorted());
    }

    #[test]
    fn what_is_outside_the_edges_is_told_by_them() {
        assert_eq!(Latency::default().quantile_ms(500), None);
        assert_eq!(of(&[0, 9]).quantile_ms(500), Some(5));
        assert_eq!(of(&[u64::MAX]).quantile_ms(1), Some(1_310_720));
    }

    #[test]
    fn it_is_stored_sparsely_and_a_longer_one_is_read() {
        let stored = serde_json::to_string(&of(&[0, 15, 16, u64::MAX])).unwrap();
        assert_eq!(stored, "[[0,1],[2,2],[35,1]]");
        let read: Latency = serde_json::from_str("[[0,1],[2,2],[99,1]]").unwrap();
        assert_eq!(read, of(&[0, 15, 16, u64::MAX]));
        assert_eq!(serde_json::to_string(&Latency::default()).unwrap(), "[]");
    }

    proptest! {
        #[test]
        fn quantiles_are_near_the_exact_ones(
            mut durations in prop::collection::vec(10_u64..1_300_000, 1..300),
            per_mille in 1_u64..=1_000,
        ) {
            let told = of(&durations).quantile_ms(per_mille).unwrap();
            durations.sort_unstable();
            let rank = (durations.len() as u64 * per_mille).div_ceil(1_000).max(1);
            let exact = durations[usize::try_from(rank).unwrap() - 1];
            // 19 %, and a millisecond for the edges' rounding.
            prop_assert!(told.abs_diff(exact) * 100 <= exact * 19 + 100, "{told}, exactly {exact}");
        }

        #[test]
        fn the_sketch_of_both_is_the_sum_of_the_two(
            a in prop::collection::vec(any::<u64>(), 0..50),
            b in prop::collection::vec(any::<u64>(), 0..50),
        ) {
            let mut sum = of(&a);
            sum.merge(&of(&b));
            prop_assert_eq!(sum, of(&[a.clone(), b.clone()].concat()));
            let stored = serde_json::to_string(&sum).unwrap();
            prop_assert_eq!(serde_json::from_str::<Latency>(&stored).unwrap(), sum);
            sum.take_away(&of(&b));
            prop_assert_eq!(sum, of(&a));
        }
    }
}
