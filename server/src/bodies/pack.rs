//! The stored form of bodies: a version, then named MessagePack, deflated.
//!
//! Invariant: what was packed by an older version unpacks; what is damaged is an error, and never more memory than
//! [`MAX_BYTES`].

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use serde::{Deserialize, Serialize};

use super::taken::Why;

const VERSION: u8 = 1;
/// Twice the largest body that may be kept, and some.
const MAX_BYTES: u64 = 40 << 20;

/// What is kept of one request.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    pub why: Why,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<KeptBody>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<KeptBody>,
    #[serde(default)]
    pub request_headers: Vec<(String, String)>,
}

/// One body, without what is not kept.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptBody {
    #[serde(with = "as_bytes")]
    pub bytes: Vec<u8>,
    /// Of the whole, as it was sent.
    pub length_bytes: u64,
    #[serde(default)]
    pub content_type: Option<String>,
    /// There was more.
    #[serde(default)]
    pub cut: bool,
    /// Places that were replaced.
    #[serde(default)]
    pub redacted: u32,
}

/// Bodies are the clients'.
impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept")
            .field("why", &self.why)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for KeptBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeptBody")
            .field("length_bytes", &self.length_bytes)
            .finish_non_exhaustive()
    }
}

/// Why bodies cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    #[error("kept by a newer version ({0}); read it with that one")]
    Newer(u8),
    #[error("damaged: {0}")]
    Damaged(String),
}

fn damaged(error: impl ToString) -> PackError {
    PackError::Damaged(error.to_string())
}

/// # Errors
/// It cannot be encoded.
pub fn pack(kept: &Kept) -> Result<Vec<u8>, PackError> {
    let mut deflate = DeflateEncoder::new(vec![VERSION], Compression::fast());
    let plain = rmp_serde::to_vec_named(kept).map_err(damaged)?;
    deflate.write_all(&plain).map_err(damaged)?;
    deflate.finish().map_err(damaged)
}

/// # Errors
/// It is damaged, or of a newer version.
pub fn unpack(packed: &[u8]) -> Result<Kept, PackError> {
    let (&version, deflated) = packed.split_first().ok_or_else(|| damaged("empty"))?;
    if version != VERSION {
        return Err(PackError::Newer(version));
    }
    let mut plain = Vec::new();
    let mut inflate = DeflateDecoder::new(deflated).take(MAX_BYTES);
    inflate.read_to_end(&mut plain).map_err(damaged)?;
    rmp_serde::from_slice(&plain).map_err(damaged)
}

/// Bytes as bytes, not as a list of numbers.
mod as_bytes {
    use std::fmt;

    use serde::de::{Error, Visitor};
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        from.deserialize_byte_buf(Bytes)
    }

    struct Bytes;

    impl Visitor<'_> for Bytes {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("bytes")
        }

        fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
            Ok(bytes.to_vec())
        }

        fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
            Ok(bytes)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kept(bytes: Vec<u8>) -> Kept {
        Kept {
            why: Why::Key,
            request: None,
            response: Some(KeptBody {
                length_bytes: bytes.len() as u64,
                bytes,
                content_type: Some("application/json".into()),
                cut: false,
                redacted: 2,
            }),
            request_headers: vec![("user-agent".into(), "curl/8".into())],
        }
    }

    proptest! {
        #[test]
        fn what_is_packed_unpacks(bytes: Vec<u8>) {
            let kept = kept(bytes);
            let packed = pack(&kept).unwrap();
            prop_assert_eq!(packed[0], VERSION);
            prop_assert_eq!(unpack(&packed).unwrap(), kept);
        }

        #[test]
        fn damage_is_an_error_and_never_a_panic(bytes: Vec<u8>, at: usize, flip: u8) {
            let _ = unpack(&bytes);
            let mut packed = pack(&kept(bytes)).unwrap();
            let at = at % packed.len();
            packed[at] ^= flip;
            let _ = unpack(&packed);
            let _ = unpack(&packed[..at]);
        }
    }

    #[test]
    fn text_becomes_small_and_a_newer_version_is_told() {
        let packed = pack(&kept(b"{\"role\":\"user\"}".repeat(1_000))).unwrap();
        assert!(packed.len() < 1_000, "{}", packed.len());
        let newer = unpack(&[9, 0]).unwrap_err();
        assert_eq!(
            newer.to_string(),
            "kept by a newer version (9); read it with that one"
        );
        assert!(unpack(&[]).is_err());
    }
}
