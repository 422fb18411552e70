//! The form of one frame:
//!
//! ```text
//! "TBF1" | packed bytes u32 | began ms u64 | id 16 | crc32 of packed u32 | crc32 of all before u32 | packed
//! ```
//! Numbers are little-endian.
//!
//! Invariant: a header is believed only when its own checksum holds, so that a damaged length leads nowhere.

use troupe_core::RequestId;
use troupe_core::bodies::StoredBodies;

pub(super) const MAGIC: &[u8; 4] = b"TBF1";
pub(super) const HEADER_BYTES: usize = 40;
/// A longer frame is damage.
pub(super) const MAX_PACKED_BYTES: u64 = 64 * 1024 * 1024;
const CHECKED_BYTES: usize = HEADER_BYTES - 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub packed_bytes: u32,
    pub at_ms: u64,
    pub id: RequestId,
    pub packed_crc: u32,
}

impl Header {
    pub(super) fn of(bodies: &StoredBodies) -> Self {
        Self {
            packed_bytes: u32::try_from(bodies.packed.len()).unwrap_or(u32::MAX),
            at_ms: bodies.at_ms,
            id: bodies.id,
            packed_crc: crc32fast::hash(&bodies.packed),
        }
    }

    /// Of header and packed bytes.
    pub(super) fn frame_bytes(&self) -> u64 {
        HEADER_BYTES as u64 + u64::from(self.packed_bytes)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_BYTES);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&self.packed_bytes.to_le_bytes());
        out.extend_from_slice(&self.at_ms.to_le_bytes());
        out.extend_from_slice(self.id.0.as_bytes());
        out.extend_from_slice(&self.packed_crc.to_le_bytes());
        out.extend_from_slice(&crc32fast::hash(&out).to_le_bytes());
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let header = bytes.get(..HEADER_BYTES)?;
        let (checked, crc) = header.split_at(CHECKED_BYTES);
        let rest = checked.strip_prefix(MAGIC)?;
        if crc != crc32fast::hash(checked).to_le_bytes() {
            return None;
        }
        let (packed_bytes, rest) = rest.split_first_chunk()?;
        let (at_ms, rest) = rest.split_first_chunk()?;
        let (id, packed_crc) = rest.split_first_chunk()?;
        let header = Self {
            packed_bytes: u32::from_le_bytes(*packed_bytes),
            at_ms: u64::from_le_bytes(*at_ms),
            id: RequestId(uuid::Uuid::from_bytes(*id)),
            packed_crc: u32::from_le_bytes(packed_crc.try_into().ok()?),
        };
        (u64::from(header.packed_bytes) <= MAX_PACKED_BYTES).then_some(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::bodies::sample;

    #[test]
    fn a_header_is_read_back_and_no_damaged_one_is() {
        let header = Header::of(&sample(7, 300));
        let bytes = header.encode();
        assert_eq!(bytes.len(), HEADER_BYTES);
        assert_eq!(Header::decode(&bytes), Some(header));
        for bit in 0..HEADER_BYTES * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::decode(&damaged), None, "bit {bit}");
        }
        assert_eq!(Header::decode(&bytes[..HEADER_BYTES - 1]), None);
    }
}
