//! Ids in the form of a random UUID.
//!
//! Invariant: the same text gives the same id, so that answers are decided by the request alone.

use bytes::Bytes;
use sha2::{Digest, Sha256};

/// Lower-case hexadecimal SHA-256.
pub(super) fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Bytes::copy_from_slice(&Sha256::digest(bytes)))
}

/// A UUID in the form of version 4, made of a text.
pub(super) fn uuid_of(text: &str) -> String {
    let hex = sha256(text.as_bytes());
    format!(
        "{}-{}-4{}-8{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[13..16],
        &hex[17..20],
        &hex[20..32]
    )
}

/// Whether a text is a UUID of version 4 (RFC 9562 §5.4).
pub(super) fn is_uuid_v4(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 36
        && bytes.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            14 => *byte == b'4',
            19 => b"89abAB".contains(byte),
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_ids_are_uuids() {
        for text in ["", "a", "b"] {
            assert!(is_uuid_v4(&uuid_of(text)), "{}", uuid_of(text));
        }
        assert_ne!(uuid_of("a"), uuid_of("b"));
        for bad in [
            "",
            "1234",
            "019aa000-0000-7000-8000-000000000000",
            "019aa000x0000-4000-8000-000000000000",
            "019aa000-0000-4000-c000-000000000000",
        ] {
            assert!(!is_uuid_v4(bad), "{bad}");
        }
    }
}
