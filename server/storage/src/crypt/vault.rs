//! The box that secrets are stored in: XChaCha20-Poly1305 under the master key.
//!
//! ```text
//! format 1 │ key id (8) │ nonce (24, random) │ ciphertext and tag
//! ```
//! Invariant: the header is authenticated with the caller's associated data, so a box opens only in the row it was
//! sealed for.

use std::fmt;
use std::sync::Arc;

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use zeroize::Zeroizing;

use super::master::{KeyId, MasterKey, hex};
use super::{CryptError, random};

const FORMAT: u8 = 1;
const NONCE_BYTES: usize = 24;

/// Seals and opens; clones share the key.
#[derive(Clone)]
pub struct Vault {
    cipher: Arc<XChaCha20Poly1305>,
    key_id: KeyId,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vault({})", hex(&self.key_id))
    }
}

impl Vault {
    #[must_use]
    pub fn new(master: &MasterKey) -> Self {
        let cipher = Arc::new(XChaCha20Poly1305::new(master.bytes().into()));
        Self {
            cipher,
            key_id: master.id_bytes(),
        }
    }

    /// `aad` names the row; [`Vault::open`] needs the same.
    ///
    /// # Errors
    /// `NoRandom`.
    pub fn seal(&self, aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, CryptError> {
        let nonce: Zeroizing<[u8; NONCE_BYTES]> = random()?;
        let mut sealed = vec![FORMAT];
        sealed.extend_from_slice(&self.key_id);
        let aad = [&sealed, aad].concat();
        sealed.extend_from_slice(nonce.as_ref());
        let payload = Payload {
            msg: plaintext,
            aad: &aad,
        };
        let body = self.cipher.encrypt((&*nonce).into(), payload);
        sealed.extend(body.map_err(|_| CryptError::Damaged)?);
        Ok(sealed)
    }

    /// # Errors
    /// `OtherKey` names both ids; `Damaged` when the box was changed or `aad` is of another row.
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptError> {
        match sealed.first() {
            Some(&FORMAT) => {}
            Some(&format) => return Err(CryptError::Format(format)),
            None => return Err(CryptError::Damaged),
        }
        let (header, rest) = sealed
            .split_at_checked(1 + self.key_id.len())
            .ok_or(CryptError::Damaged)?;
        if !header.ends_with(&self.key_id) {
            let ours = hex(&self.key_id);
            return Err(CryptError::OtherKey {
                sealed: hex(&header[1..]),
                ours,
            });
        }
        let (nonce, body) = rest
            .split_first_chunk::<NONCE_BYTES>()
            .ok_or(CryptError::Damaged)?;
        let payload = Payload {
            msg: body,
            aad: &[header, aad].concat(),
        };
        let opened = self.cipher.decrypt(nonce.into(), payload);
        opened.map(Zeroizing::new).map_err(|_| CryptError::Damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault(digit: &str) -> Vault {
        Vault::new(&MasterKey::parse(&digit.repeat(64)).unwrap())
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
        let (sealed, ours) = (hex(&vault("a").key_id), hex(&vault("b").key_id));
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
