//! Which values rows of a block have: a Bloom filter (Bloom 1970) over all of them, told apart by field.
//!
//! Invariant: what was added is always found; the bits of a value are the same in every version, for they are stored.

/// Bytes of one filter: for the 3 000 values of a full block about 1 of 100 others is taken for one of them.
pub(super) const BLOOM_BYTES: usize = 4096;
const BITS: u64 = BLOOM_BYTES as u64 * 8;
const PROBES: u64 = 6;

/// What a value is of. The numbers are stored.
#[derive(Clone, Copy, Debug)]
pub(super) enum Field {
    Id = 0,
    Key = 1,
    Account = 2,
    Owner = 3,
    Group = 4,
    Model = 5,
    Session = 6,
    UpstreamId = 7,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bloom(Vec<u8>);

impl Default for Bloom {
    fn default() -> Self {
        Self(vec![0; BLOOM_BYTES])
    }
}

impl Bloom {
    /// `None` when they are not as many bytes as a filter has.
    pub(super) fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        (bytes.len() == BLOOM_BYTES).then_some(Self(bytes))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn add(&mut self, field: Field, value: &[u8]) {
        for (byte, mask) in places(field, value) {
            if let Some(byte) = self.0.get_mut(byte) {
                *byte |= mask;
            }
        }
    }

    /// From now on it may have everything.
    pub(super) fn fill(&mut self) {
        self.0.fill(u8::MAX);
    }

    pub(super) fn may_have(&self, field: Field, value: &[u8]) -> bool {
        places(field, value).all(|(byte, mask)| self.0.get(byte).is_some_and(|b| b & mask != 0))
    }
}

fn places(field: Field, value: &[u8]) -> impl Iterator<Item = (usize, u8)> {
    let hash = hash(field, value);
    // Kirsch and Mitzenmacher 2006: two hashes are enough for any number of probes.
    let (first, step) = (hash & 0xffff_ffff, hash >> 32 | 1);
    (0..PROBES).map(move |nth| {
        let bit = first.wrapping_add(nth.wrapping_mul(step)) % BITS;
        (usize::try_from(bit / 8).unwrap_or(0), 1 << (bit % 8))
    })
}

/// FNV-1a over field and value, and the finaliser of MurmurHash3, for FNV alone leaves the high bits poor.
fn hash(field: Field, value: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in std::iter::once(&(field as u8)).chain(value) {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash = (hash ^ hash >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ hash >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ hash >> 33
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_found_and_little_else() {
        let mut bloom = Bloom::default();
        let value = |n: u32| n.to_string().into_bytes();
        for n in 0..3_000 {
            bloom.add(Field::Id, &value(n));
        }
        assert!((0..3_000).all(|n| bloom.may_have(Field::Id, &value(n))));
        let others = (3_000..13_000).filter(|n| bloom.may_have(Field::Id, &value(*n)));
        assert!(others.count() < 300);
        let others = (0..3_000).filter(|n| bloom.may_have(Field::Session, &value(*n)));
        assert!(others.count() < 100);
    }

    /// These are in files.
    #[test]
    fn bits_stay_where_they_are() {
        assert_eq!(hash(Field::Model, b"claude"), 5_310_699_022_635_513_881);
    }
}
