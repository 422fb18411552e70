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
    /// One request through the gateway (UUIDv7, so ids sort by time).
    RequestId, "request"
);

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
    fn a_hash_is_not_printed() {
        assert_eq!(format!("{:?}", KeyHash([7; 32])), "KeyHash(…)");
    }
}
