//! The box that secrets are stored in: XChaCha20-Poly1305 under the master key.
//!
//! ```text
//! format 1 │ key id (8) │ nonce (24, random) │ ciphertext and tag
//! ```
//! Invariant: the header is authenticated with the caller's associated data, so a box opens only in the row it was
//! sealed for. One key seals; earlier ones only open, and none is forgotten while the process runs.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::master::{KeyId, MasterKey, MasterKeys, hex};
use super::{CryptError, random};

const FORMAT: u8 = 1;
const HEADER_BYTES: usize = 1 + size_of::<KeyId>();
const NONCE_BYTES: usize = 24;

/// Seals and opens; clones share the keys, changes of them included.
#[derive(Clone)]
pub struct Vault(Arc<ArcSwap<Keys>>);

struct Keys {
    current: Key,
    previous: Vec<Key>,
    /// When `current` took over from another in this process.
    since: Option<Instant>,
}

#[derive(Clone)]
struct Key {
    cipher: Arc<XChaCha20Poly1305>,
    id: KeyId,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vault({})", self.key_id())
    }
}

impl Key {
    fn new(master: &MasterKey) -> Self {
        Self {
            cipher: Arc::new(XChaCha20Poly1305::new(master.bytes().into())),
            id: master.id_bytes(),
        }
    }
}

impl Keys {
    fn all(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.current).chain(&self.previous)
    }

    fn of(&self, id: &[u8]) -> Option<&Key> {
        self.all().find(|key| key.id == id)
    }
}

impl Vault {
    #[must_use]
    pub fn new(master: &MasterKey) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(Keys {
            current: Key::new(master),
            previous: Vec::new(),
            since: None,
        })))
    }

    #[must_use]
    pub fn with(keys: &MasterKeys) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(Keys {
            current: Key::new(&keys.current),
            previous: keys.previous.iter().map(Key::new).collect(),
            since: None,
        })))
    }

    /// From now on `keys.current` seals, here and in all clones. Every key known so far still opens: a box that was
    /// sealed a moment ago may be on its way to the store.
    pub fn rotate(&self, keys: &MasterKeys) {
        let old = self.0.load_full();
        let current = Key::new(&keys.current);
        let since = if current.id == old.current.id {
            old.since
        } else {
            Some(Instant::now())
        };
        let mut previous: Vec<Key> = Vec::new();
        let given: Vec<Key> = keys.previous.iter().map(Key::new).collect();
        for key in given.iter().chain(old.all()) {
            if key.id != current.id && !previous.iter().any(|known| known.id == key.id) {
                previous.push(key.clone());
            }
        }
        self.0.store(Arc::new(Keys {
            current,
            previous,
            since,
        }));
    }

    /// The id of the key that seals.
    #[must_use]
    pub fn key_id(&self) -> String {
        hex(&self.0.load().current.id)
    }

    /// Are there keys that only open?
    #[must_use]
    pub fn is_rotating(&self) -> bool {
        !self.0.load().previous.is_empty()
    }

    /// How long ago the key that seals took over from another; `None` when it has done so since the start.
    #[must_use]
    pub fn rotated_since(&self) -> Option<Duration> {
        self.0.load().since.map(|since| since.elapsed())
    }

    /// Was this box sealed by the key that seals now?
    #[must_use]
    pub fn is_current(&self, sealed: &[u8]) -> bool {
        split(sealed).is_ok_and(|(header, _)| header[1..] == self.0.load().current.id)
    }

    /// The id of the key that this box needs and that is not here.
    #[must_use]
    pub fn missing_key(&self, sealed: &[u8]) -> Option<String> {
        let (header, _) = split(sealed).ok()?;
        let missing = self.0.load().of(&header[1..]).is_none();
        missing.then(|| hex(&header[1..]))
    }

    /// `aad` names the row (see [`super::aad`]); [`Vault::open`] needs the same.
    ///
    /// # Errors
    /// `NoRandom`.
    pub fn seal(&self, aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, CryptError> {
        let nonce: Zeroizing<[u8; NONCE_BYTES]> = random()?;
        let keys = self.0.load();
        let mut sealed = vec![FORMAT];
        sealed.extend_from_slice(&keys.current.id);
        let aad = [&sealed, aad].concat();
        sealed.extend_from_slice(nonce.as_ref());
        let payload = Payload {
            msg: plaintext,
            aad: &aad,
        };
        let body = keys.current.cipher.encrypt((&*nonce).into(), payload);
        sealed.extend(body.map_err(|_| CryptError::Damaged)?);
        Ok(sealed)
    }

    /// # Errors
    /// `OtherKey` names the key that is missing; `Damaged` when the box was changed or `aad` is of another row.
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptError> {
        let (header, rest) = split(sealed)?;
        let keys = self.0.load();
        let key = keys.of(&header[1..]).ok_or_else(|| CryptError::OtherKey {
            sealed: hex(&header[1..]),
            ours: hex(&keys.current.id),
        })?;
        let (nonce, body) = rest
            .split_first_chunk::<NONCE_BYTES>()
            .ok_or(CryptError::Damaged)?;
        let payload = Payload {
            msg: body,
            aad: &[header, aad].concat(),
        };
        let opened = key.cipher.decrypt(nonce.into(), payload);
        opened.map(Zeroizing::new).map_err(|_| CryptError::Damaged)
    }

    /// The same secret under the key that seals now; `None` when it is already.
    ///
    /// # Errors
    /// As [`Vault::open`] and [`Vault::seal`].
    pub fn reseal(&self, aad: &[u8], sealed: &[u8]) -> Result<Option<Vec<u8>>, CryptError> {
        if self.is_current(sealed) {
            return Ok(None);
        }
        let secret = self.open(aad, sealed)?;
        self.seal(aad, &secret).map(Some)
    }
}

/// Header (format and key id), and what follows.
fn split(sealed: &[u8]) -> Result<(&[u8], &[u8]), CryptError> {
    match sealed.first() {
        Some(&FORMAT) => sealed
            .split_at_checked(HEADER_BYTES)
            .ok_or(CryptError::Damaged),
        Some(&format) => Err(CryptError::Format(format)),
        None => Err(CryptError::Damaged),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn master(digit: &str) -> MasterKey {
        MasterKey::parse(&digit.repeat(64)).unwrap()
    }

    fn vault(digit: &str) -> Vault {
        Vault::new(&master(digit))
    }

    fn keys(current: &str, previous: &[&str]) -> MasterKeys {
        MasterKeys {
            current: master(current),
            previous: previous.iter().map(|digit| master(digit)).collect(),
        }
    }

    #[test]
    fn previous_keys_open_and_the_current_one_seals() {
        let old = vault("a").seal(b"row", b"x").unwrap();
        let vault = Vault::with(&keys("b", &["a"]));
        assert!(!vault.is_current(&old) && vault.missing_key(&old).is_none());
        let new = vault.reseal(b"row", &old).unwrap().unwrap();
        assert!(vault.is_current(&new));
        assert_eq!(vault.reseal(b"row", &new), Ok(None));
        assert_eq!(
            self::vault("b").open(b"row", &new).unwrap().as_slice(),
            b"x"
        );
        assert_eq!(vault.reseal(b"other row", &old), Err(CryptError::Damaged));
        let unknown = self::vault("c").seal(b"row", b"x").unwrap();
        assert_eq!(vault.missing_key(&unknown), Some(master("c").key_id()));
        assert!(vault.rotated_since().is_none());
    }

    #[test]
    fn a_rotation_reaches_clones_and_forgets_nothing() {
        let vault = vault("a");
        let clone = vault.clone();
        let first = clone.seal(b"", b"1").unwrap();
        vault.rotate(&keys("b", &[]));
        let second = clone.seal(b"", b"2").unwrap();
        assert!(!clone.is_current(&first) && clone.is_current(&second));
        vault.rotate(&keys("c", &["b", "a", "c"]));
        vault.rotate(&keys("a", &[]));
        assert!(clone.is_current(&first) && !clone.is_current(&second));
        for (sealed, text) in [(&first, b"1"), (&second, b"2")] {
            assert_eq!(clone.open(b"", sealed).unwrap().as_slice(), text);
        }
        assert!(clone.rotated_since().is_some());
        assert_eq!(clone.0.load().previous.len(), 2, "each once");
    }

    #[test]
    fn what_was_sealed_opens_in_its_row_only() {
        let vault = vault("a");
        let sealed = vault.seal(b"row 1", b"sk-ant-1").unwrap();
        assert_eq!(
            vault.open(b"row 1", &sealed).unwrap().as_slice(),
            b"sk-ant-1"
        );
        assert_eq!(vault.open(b"row 2", &sealed), Err(CryptError::Damaged));
        assert_ne!(
            sealed,
            vault.seal(b"row 1", b"sk-ant-1").unwrap(),
            "nonces never repeat"
        );
        assert!(!sealed.windows(6).any(|part| part == b"sk-ant"));
    }

    #[test]
    fn a_box_of_another_key_names_both_ids() {
        let sealed = vault("a").seal(b"", b"x").unwrap();
        let refusal = vault("b").open(b"", &sealed).unwrap_err();
        let (sealed, ours) = (vault("a").key_id(), vault("b").key_id());
        assert_eq!(refusal, CryptError::OtherKey { sealed, ours });
    }

    #[test]
    fn any_change_and_any_cut_is_noticed() {
        let vault = vault("a");
        let sealed = vault.seal(b"row", b"secret").unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(vault.open(b"row", &changed).is_err(), "byte {at}");
            assert!(vault.open(b"row", &sealed[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn nothing_secret_is_printed() {
        let text = format!("{:?}", vault("a"));
        assert_eq!(text.len(), "Vault()".len() + 16, "{text}");
    }
}
