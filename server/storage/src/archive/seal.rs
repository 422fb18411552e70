//! What guards a chunk: a checksum, or a passphrase.
//!
//! Invariant: a chunk opens only at its own place in its own file, and the last one only as the last; the passphrase and
//! the key are wiped when dropped and never printed.

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::format::Sealed;

const SALT_BYTES: usize = 16;
const PREFIX_BYTES: usize = 15;
const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 4;
const KDF: &str = "argon2id";
/// RFC 9106 §4, the second recommended option, on one lane: what one machine wrote every other can read.
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
const LANES: u32 = 1;
/// What a file may ask for.
const MEMORY_MAX_KIB: u32 = 1024 * 1024;
const PASSES_MAX: u32 = 16;
const LANES_MAX: u32 = 16;

/// How the chunks of one file are guarded.
pub(super) struct Guard {
    /// Of everything before the first chunk.
    head: [u8; 32],
    sealing: Option<(XChaCha20Poly1305, [u8; PREFIX_BYTES])>,
}

/// Why there is no guard.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoGuard {
    NoRandom,
    /// The file asks for what this program does not do.
    Parameters,
}

/// New parameters for one file.
pub(super) fn parameters() -> Result<Sealed, NoGuard> {
    let mut random = [0; SALT_BYTES + PREFIX_BYTES];
    getrandom::fill(&mut random).map_err(|_| NoGuard::NoRandom)?;
    let (salt, prefix) = random.split_at(SALT_BYTES);
    Ok(Sealed {
        kdf: KDF.into(),
        memory_kib: MEMORY_KIB,
        passes: PASSES,
        lanes: LANES,
        salt: hex(salt),
        prefix: hex(prefix),
    })
}

impl Guard {
    /// `head` is everything before the first chunk. Takes a good part of a second with a passphrase.
    pub fn new(head: &[u8], sealed: Option<(&Sealed, &SecretString)>) -> Result<Self, NoGuard> {
        let sealing = sealed.map(|(sealed, passphrase)| {
            let prefix = unhex(&sealed.prefix).ok_or(NoGuard::Parameters)?;
            Ok((cipher(sealed, passphrase)?, prefix))
        });
        Ok(Self {
            head: Sha256::digest(head).into(),
            sealing: sealing.transpose()?,
        })
    }

    pub fn is_sealing(&self) -> bool {
        self.sealing.is_some()
    }

    /// The place of a chunk in its file.
    fn place(&self, number: u64, last: bool) -> Vec<u8> {
        let number = number.to_le_bytes();
        [&self.head[..], &number, &[u8::from(last)]].concat()
    }

    /// `None` when the cipher refuses, which it does for chunks of terabytes.
    pub fn seal(&self, number: u64, last: bool, mut bytes: Vec<u8>) -> Option<Vec<u8>> {
        let aad = self.place(number, last);
        let Some((cipher, prefix)) = &self.sealing else {
            bytes.extend(checksum(&bytes, &aad));
            return Some(bytes);
        };
        let payload = Payload {
            msg: &bytes,
            aad: &aad,
        };
        let nonce = nonce(prefix, number, last);
        cipher.encrypt((&nonce).into(), payload).ok()
    }

    /// `None` when it is not what was sealed there.
    pub fn open(&self, number: u64, last: bool, mut bytes: Vec<u8>) -> Option<Vec<u8>> {
        let aad = self.place(number, last);
        let Some((cipher, prefix)) = &self.sealing else {
            let end = bytes.len().checked_sub(TAG_BYTES)?;
            let tag = bytes.split_off(end);
            return (checksum(&bytes, &aad)[..] == tag[..]).then_some(bytes);
        };
        let payload = Payload {
            msg: &bytes,
            aad: &aad,
        };
        let nonce = nonce(prefix, number, last);
        cipher.decrypt((&nonce).into(), payload).ok()
    }
}

fn nonce(prefix: &[u8; PREFIX_BYTES], number: u64, last: bool) -> [u8; NONCE_BYTES] {
    let mut nonce = [0; NONCE_BYTES];
    nonce[..PREFIX_BYTES].copy_from_slice(prefix);
    nonce[PREFIX_BYTES..NONCE_BYTES - 1].copy_from_slice(&number.to_le_bytes());
    nonce[NONCE_BYTES - 1] = u8::from(last);
    nonce
}

fn checksum(bytes: &[u8], place: &[u8]) -> [u8; TAG_BYTES] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(place);
    hasher.update(bytes);
    hasher.finalize().to_le_bytes()
}

fn cipher(sealed: &Sealed, passphrase: &SecretString) -> Result<XChaCha20Poly1305, NoGuard> {
    let Sealed {
        kdf,
        memory_kib,
        passes,
        lanes,
        salt,
        prefix: _,
    } = sealed;
    let within = *memory_kib <= MEMORY_MAX_KIB && *passes <= PASSES_MAX && *lanes <= LANES_MAX;
    let salt: Option<[u8; SALT_BYTES]> = unhex(salt);
    let (true, true, Some(salt)) = (kdf == KDF, within, salt) else {
        return Err(NoGuard::Parameters);
    };
    let mut key = Zeroizing::new([0; 32]);
    let params = Params::new(*memory_kib, *passes, *lanes, Some(key.len()))
        .map_err(|_| NoGuard::Parameters)?;
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.expose_secret().as_bytes(), &salt, &mut *key)
        .map_err(|_| NoGuard::Parameters)?;
    Ok(XChaCha20Poly1305::new((&*key).into()))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        use std::fmt::Write;
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, at) in bytes.iter_mut().zip((0..text.len()).step_by(2)) {
        *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cheap() -> Sealed {
        Sealed {
            memory_kib: 64,
            passes: 1,
            ..parameters().unwrap()
        }
    }

    #[test]
    fn a_chunk_opens_at_its_own_place_only() {
        let (sealed, word) = (cheap(), SecretString::from("horse"));
        for sealed in [None, Some((&sealed, &word))] {
            let guard = Guard::new(b"head", sealed).unwrap();
            let chunk = guard.seal(1, false, b"rows".to_vec()).unwrap();
            let open = |guard: &Guard, number, last, bytes: &[u8]| {
                guard.open(number, last, bytes.to_vec())
            };
            assert_eq!(open(&guard, 1, false, &chunk).unwrap(), b"rows");
            assert_eq!(open(&guard, 2, false, &chunk), None, "another place");
            assert_eq!(open(&guard, 1, true, &chunk), None, "as the last");
            let other = Guard::new(b"other", sealed).unwrap();
            assert_eq!(open(&other, 1, false, &chunk), None, "another file");
            for at in 0..chunk.len() {
                let mut changed = chunk.clone();
                changed[at] ^= 1;
                assert_eq!(open(&guard, 1, false, &changed), None, "byte {at}");
                assert_eq!(open(&guard, 1, false, &chunk[..at]), None, "cut at {at}");
            }
        }
    }

    #[test]
    fn another_passphrase_does_not_open() {
        let sealed = cheap();
        let with = |word: &str| Guard::new(b"", Some((&sealed, &word.into()))).unwrap();
        let chunk = with("horse").seal(0, true, b"x".to_vec()).unwrap();
        assert!(with("horse").open(0, true, chunk.clone()).is_some());
        assert!(with("Horse").open(0, true, chunk.clone()).is_none());
        assert!(!chunk.contains(&b'x') || chunk.len() > 16);
    }

    #[test]
    fn a_file_cannot_ask_for_all_the_memory() {
        let word = SecretString::from("x");
        let changes: [fn(&mut Sealed); 6] = [
            |sealed| sealed.memory_kib = MEMORY_MAX_KIB + 1,
            |sealed| sealed.passes = PASSES_MAX + 1,
            |sealed| sealed.lanes = LANES_MAX + 1,
            |sealed| sealed.salt = "zz".into(),
            |sealed| sealed.prefix.clear(),
            |sealed| sealed.kdf = "none".into(),
        ];
        for change in changes {
            let mut sealed = cheap();
            change(&mut sealed);
            let refused = Guard::new(b"", Some((&sealed, &word))).err();
            assert_eq!(refused, Some(NoGuard::Parameters), "{sealed:?}");
        }
    }
}
