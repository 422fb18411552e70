//! What a store holds, as one number a kind: how many rows, and the sum of their hashes.
//!
//! A sum does not depend on the order in which rows come, so every backend streams as it likes. Rows are hashed with
//! SHA-256 and added as numbers modulo 2^256 (Bellare and Micciancio, "A new paradigm for collision-free hashing",
//! AdHash): it tells stores apart that differ by accident, and a changed file is noticed by other means.
//!
//! Invariant: the same rows have the same digest on every machine and in every version that knows their fields.

use std::collections::BTreeMap;
use std::fmt::Write;

use sha2::{Digest as _, Sha256};

use super::row::{Kind, Packed};

/// Rows of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest {
    pub rows: u64,
    /// Least significant limb first.
    sum: [u64; 4],
}

impl Digest {
    pub(crate) fn add(&mut self, row: &Packed) {
        let mut hasher = Sha256::new();
        hasher.update([row.kind as u8]);
        hasher.update(&row.bytes);
        let hash: [u8; 32] = hasher.finalize().into();
        let mut carry = false;
        for (sum, part) in self.sum.iter_mut().zip(hash.as_chunks().0) {
            let (added, over) = sum.overflowing_add(u64::from_le_bytes(*part));
            let (added, again) = added.overflowing_add(u64::from(carry));
            *sum = added;
            carry = over || again;
        }
        self.rows += 1;
    }

    /// 64 hex digits.
    #[must_use]
    pub fn hash(&self) -> String {
        let limbs = self.sum.iter().rev();
        limbs.fold(String::with_capacity(64), |mut text, limb| {
            let _ = write!(text, "{limb:016x}");
            text
        })
    }

    /// `None` when `hash` is none.
    pub(crate) fn parse(rows: u64, hash: &str) -> Option<Self> {
        let mut sum = [0; 4];
        if hash.len() != 64 || !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        for (limb, at) in sum.iter_mut().rev().zip((0..64).step_by(16)) {
            *limb = u64::from_str_radix(hash.get(at..at + 16)?, 16).ok()?;
        }
        Some(Self { rows, sum })
    }
}

/// Every kind that has rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary(pub BTreeMap<Kind, Digest>);

impl Summary {
    pub(crate) fn add(&mut self, row: &Packed) {
        self.0.entry(row.kind).or_default().add(row);
    }

    /// Rows of all kinds.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.0.values().map(|digest| digest.rows).sum()
    }

    #[must_use]
    pub fn of(&self, kind: Kind) -> Digest {
        self.0.get(&kind).copied().unwrap_or_default()
    }

    /// The first kind that is another there.
    pub(crate) fn differs_in(&self, other: &Self) -> Option<Kind> {
        Kind::ALL
            .into_iter()
            .find(|kind| self.of(*kind) != other.of(*kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(byte: u8) -> Packed {
        Packed {
            kind: Kind::Key,
            bytes: vec![byte],
        }
    }

    fn digest(rows: &[u8]) -> Digest {
        let mut digest = Digest::default();
        rows.iter().for_each(|byte| digest.add(&row(*byte)));
        digest
    }

    #[test]
    fn order_does_not_matter_and_everything_else_does() {
        assert_eq!(digest(&[1, 2, 3]), digest(&[3, 1, 2]));
        for other in [&[1, 2][..], &[1, 2, 4], &[1, 2, 2], &[1, 2, 3, 3]] {
            assert_ne!(digest(&[1, 2, 3]).hash(), digest(other).hash(), "{other:?}");
        }
        let mut of_other_kind = Digest::default();
        of_other_kind.add(&Packed {
            kind: Kind::Account,
            bytes: vec![1],
        });
        assert_ne!(of_other_kind, digest(&[1]));
    }

    #[test]
    fn carries_go_through() {
        let mut digest = Digest {
            rows: 0,
            sum: [u64::MAX; 4],
        };
        digest.add(&row(1));
        let mut once = Digest::default();
        once.add(&row(1));
        // 2^256 - 1 + x = x - 1.
        assert_eq!(digest.sum[0], once.sum[0].wrapping_sub(1));
        assert_eq!(digest.sum[1..], once.sum[1..]);
    }

    #[test]
    fn a_hash_is_read_as_it_is_written() {
        let digest = digest(&[1, 2]);
        assert_eq!(Digest::parse(2, &digest.hash()), Some(digest));
        for bad in ["", "0", &"g".repeat(64), &"0".repeat(63), &"+".repeat(64)] {
            assert_eq!(Digest::parse(2, bad), None);
        }
    }

    #[test]
    fn the_kind_that_differs_is_named() {
        let (mut one, mut other) = (Summary::default(), Summary::default());
        one.add(&row(1));
        assert_eq!(one.differs_in(&other), Some(Kind::Key));
        other.add(&row(1));
        assert_eq!(one.differs_in(&other), None);
    }
}
