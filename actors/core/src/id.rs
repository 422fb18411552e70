//! Identities as newtypes, so that a key's id never stands where an account's is wanted.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Namespace of the ids that are derived from a declared name (UUIDv5): the same name in the file is the same row.
const DECLARED: Uuid = Uuid::from_u128(0x6f1d_9f0a_5b1e_4c0e_9a57_7472_6f75_7065);

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// The id of a row that a configuration file declares by `name`; stable over restarts and nodes.
            #[must_use]
            pub fn declared(name: &str) -> Self {
                Self(Uuid::new_v5(&DECLARED, format!(concat!($kind, ":{}"), name).as_bytes()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_simple().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($kind, ":{}"), self.0.as_simple())
            }
        }
    };
}

uuid_id!(
    /// An upstream account.
    AccountId, "account"
);
uuid_id!(
    /// A gateway API key; survives rotation of its secret.
    KeyId, "key"
);
uuid_id!(
    /// A limit of one scope; the same over restarts, so that what was charged is found again.
    LimitId, "limit"
);
/// One request through the gateway: a UUIDv7, written as `req_` and the 26 characters of a ULID, so that ids sort by time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub Uuid);

/// Crockford's base 32, lower case.
const BASE32: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

impl RequestId {
    /// Length of the text form in bytes.
    pub const LEN: usize = 30;

    /// The text form.
    #[must_use]
    pub fn text(&self) -> [u8; Self::LEN] {
        let mut text = *b"req_00000000000000000000000000";
        let mut rest = self.0.as_u128();
        for place in text[4..].iter_mut().rev() {
            *place = BASE32[(rest & 31) as usize];
            rest >>= 5;
        }
        text
    }

    /// Reads the text form; `None` when it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("req_").filter(|d| d.len() == 26)?;
        let mut value = 0u128;
        for byte in digits.bytes() {
            let digit = BASE32.iter().position(|&b| b == byte)? as u128;
            value = value.checked_mul(32)?.checked_add(digit)?;
        }
        Some(Self(Uuid::from_u128(value)))
    }

    /// When the request began (milliseconds since the Unix epoch), as its id tells.
    #[must_use]
    pub fn time_ms(&self) -> u64 {
        u64::try_from(self.0.as_u128() >> 80).unwrap_or_default()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.text()).unwrap_or_default())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for RequestId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RequestId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'_, str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not a request id"))
    }
}

/// HMAC-SHA-256 of a key's secret under the gateway's pepper; the only form in which a secret is kept.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct KeyHash(pub [u8; 32]);

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash(…)")
    }
}

/// A client's session, always scoped by its key: two keys that choose the same session id share nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SessionKey {
    pub key: KeyId,
    /// 64-bit hash of the client-chosen session id (or of the cacheable prefix).
    pub session: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_ids_are_stable_and_scoped_by_kind() {
        assert_eq!(KeyId::declared("ci"), KeyId::declared("ci"));
        assert_ne!(KeyId::declared("ci").0, AccountId::declared("ci").0);
    }

    #[test]
    fn request_ids_are_ulids_and_sort_by_time() {
        let old = RequestId(Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0001));
        let new = RequestId(Uuid::from_u128(0x019a_0000_0000_7000_8000_0000_0000_0001));
        assert!(old.to_string() < new.to_string());
        assert!(old.to_string().starts_with("req_01"), "{old}");
        assert_eq!(RequestId::parse(&old.to_string()), Some(old));
        assert_eq!(old.time_ms(), 0x0199_0000_0000);
        for bad in [
            "",
            "req_",
            "req_zzzzzzzzzzzzzzzzzzzzzzzzzz",
            "msg_0000000000000000000000000",
        ] {
            assert_eq!(RequestId::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_hash_is_not_printed() {
        assert_eq!(format!("{:?}", KeyHash([7; 32])), "KeyHash(…)");
    }
}
