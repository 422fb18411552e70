//! The secrets of a key: the one that it has, and for a time after a rotation the one before it.
//!
//! Invariant: nothing here knows a secret; of an old one nothing is accepted from its end on, to the millisecond.

use serde::{Deserialize, Serialize};

use super::KeyRecord;
use crate::id::KeyHash;

/// How a stored hash was made from the secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HashScheme {
    /// Under the gateway's own pepper.
    #[default]
    HmacSha256,
    /// Plain, as another gateway stored it: accepted, and replaced by ours at the first use.
    Sha256,
}

/// What is stored of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSecret {
    pub hash: KeyHash,
    pub scheme: HashScheme,
    /// What people see of it.
    pub prefix: String,
}

/// The secret before the last rotation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviousSecret {
    pub hash: KeyHash,
    #[serde(default)]
    pub scheme: HashScheme,
    pub prefix: String,
    /// Refused from here on; milliseconds since the Unix epoch.
    pub until_ms: u64,
}

impl KeyRecord {
    /// Every hash that the key holds, so that no other key has the secret; its own first. Those of an old secret that
    /// has ended are among them until the next rotation.
    pub fn hashes(&self) -> impl Iterator<Item = KeyHash> + Clone {
        let previous = self.previous.as_ref().map(|previous| previous.hash);
        std::iter::once(self.hash).chain(previous)
    }

    /// Is `hash`, made by `scheme`, one of a secret that is accepted now? `unix_ms` is read only when it matters.
    #[must_use]
    pub fn accepts(
        &self,
        hash: &KeyHash,
        scheme: HashScheme,
        unix_ms: impl FnOnce() -> u64,
    ) -> bool {
        if self.hash == *hash {
            return self.scheme == scheme;
        }
        self.previous.as_ref().is_some_and(|previous| {
            previous.hash == *hash && previous.scheme == scheme && previous.until_ms > unix_ms()
        })
    }

    /// Is any of its secrets stored as another gateway hashed it?
    #[must_use]
    pub fn has_foreign_hash(&self) -> bool {
        let previous = self.previous.as_ref().map(|previous| previous.scheme);
        std::iter::once(self.scheme)
            .chain(previous)
            .any(|scheme| scheme == HashScheme::Sha256)
    }

    /// Takes `new` for its secret. The one that it had is accepted until `old_until_ms`, or ends at once; an older one
    /// ends in any case.
    pub fn rotate(&mut self, new: StoredSecret, old_until_ms: Option<u64>) {
        let hash = std::mem::replace(&mut self.hash, new.hash);
        let scheme = std::mem::replace(&mut self.scheme, new.scheme);
        let prefix = std::mem::replace(&mut self.prefix, new.prefix);
        self.previous = old_until_ms.map(|until_ms| PreviousSecret {
            hash,
            scheme,
            prefix,
            until_ms,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::KeyId;

    fn secret(byte: u8, scheme: HashScheme) -> StoredSecret {
        StoredSecret {
            hash: KeyHash([byte; 32]),
            scheme,
            prefix: format!("troupe-{byte}"),
        }
    }

    fn key(byte: u8, scheme: HashScheme) -> KeyRecord {
        let mut key = KeyRecord::new(KeyId::declared("k"), "k".into(), 0);
        key.rotate(secret(byte, scheme), None);
        key
    }

    #[test]
    fn an_old_secret_ends_to_the_millisecond() {
        use HashScheme::{HmacSha256 as Ours, Sha256 as Plain};
        let mut key = key(1, Plain);
        key.rotate(secret(2, Ours), Some(1_000));
        for (byte, scheme, now_ms, accepted) in [
            (2, Ours, 0, true),
            (2, Ours, 9_999, true),
            (2, Plain, 0, false),
            (1, Plain, 999, true),
            (1, Plain, 1_000, false),
            (1, Ours, 0, false),
            (3, Ours, 0, false),
        ] {
            let hash = KeyHash([byte; 32]);
            assert_eq!(
                key.accepts(&hash, scheme, || now_ms),
                accepted,
                "{byte} {scheme:?} {now_ms}"
            );
        }
        assert!(key.has_foreign_hash());
    }

    #[test]
    fn the_clock_is_read_for_an_old_secret_only() {
        let mut key = key(1, HashScheme::HmacSha256);
        key.rotate(secret(2, HashScheme::HmacSha256), Some(1));
        let no_clock = || unreachable!("nobody asked for the time");
        for byte in [2, 3] {
            let _ = key.accepts(&KeyHash([byte; 32]), HashScheme::HmacSha256, no_clock);
        }
    }

    #[test]
    fn a_second_rotation_drops_the_oldest() {
        let mut key = key(1, HashScheme::HmacSha256);
        for byte in [2, 3] {
            key.rotate(secret(byte, HashScheme::HmacSha256), Some(1_000));
        }
        let hashes: Vec<_> = key.hashes().map(|hash| hash.0[0]).collect();
        assert_eq!(hashes, [3, 2]);
        key.rotate(secret(4, HashScheme::HmacSha256), None);
        assert_eq!((key.hashes().count(), key.previous), (1, None));
    }
}
