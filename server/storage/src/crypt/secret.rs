//! The secrets of gateway keys: made here, or brought along.
//!
//! ```text
//! troupe-  37 random characters  6 of checksum      all base62; the checksum is the CRC-32 of what stands before it
//! ```
//! Invariant: what people are shown of a secret does not help to guess it: 8 of 37 random characters, or characters
//! of the hash.

use secrecy::SecretString;
use troupe_core::KeyHash;
use zeroize::Zeroizing;

use super::{CryptError, random};

const BRAND: &str = "troupe-";
const RANDOM_CHARS: usize = 37;
const CHECK_CHARS: usize = 6;
const SHOWN_CHARS: usize = 8;
const BROUGHT_MIN_CHARS: usize = 20;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Why a brought secret is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    #[error("a secret needs at least 20 characters")]
    Short,
    #[error("a secret may only have visible ASCII characters, without spaces")]
    Characters,
}

/// A new secret.
///
/// # Errors
/// `NoRandom`.
pub fn generate_secret() -> Result<SecretString, CryptError> {
    let mut secret = Zeroizing::new(String::with_capacity(
        BRAND.len() + RANDOM_CHARS + CHECK_CHARS,
    ));
    secret.push_str(BRAND);
    while secret.len() < BRAND.len() + RANDOM_CHARS {
        let bytes: Zeroizing<[u8; 64]> = random()?;
        let missing = BRAND.len() + RANDOM_CHARS - secret.len();
        // 248 is 4 × 62: a larger byte would favour the first characters.
        let fair = bytes.iter().filter(|byte| **byte < 248).take(missing);
        secret.extend(fair.map(|byte| base62(u64::from(*byte))));
    }
    let check = checksum(&secret);
    secret.extend(check);
    Ok(SecretString::from(secret.as_str()))
}

/// `None` when the text does not look generated, else whether its checksum is right: a typing error is told apart
/// from an unknown key without asking the store.
#[must_use]
pub fn check_generated(secret: &str) -> Option<bool> {
    let body = secret.strip_prefix(BRAND)?;
    if body.len() != RANDOM_CHARS + CHECK_CHARS
        || !body.bytes().all(|byte| byte.is_ascii_alphanumeric())
    {
        return None;
    }
    let (rest, check) = secret.split_at(secret.len() - CHECK_CHARS);
    Some(check.chars().eq(checksum(rest)))
}

/// May this secret, made elsewhere, be a key?
///
/// # Errors
/// [`SecretError`].
pub fn check_brought(secret: &str) -> Result<(), SecretError> {
    if !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(SecretError::Characters);
    }
    if secret.len() < BROUGHT_MIN_CHARS {
        return Err(SecretError::Short);
    }
    Ok(())
}

/// What people see instead of the secret.
#[must_use]
pub fn display_prefix(secret: &str, hash: &KeyHash) -> String {
    if check_generated(secret) == Some(true) {
        return secret.chars().take(BRAND.len() + SHOWN_CHARS).collect();
    }
    let number = hash
        .0
        .iter()
        .take(8)
        .fold(0, |number, byte| number << 8 | u64::from(*byte));
    digits::<SHOWN_CHARS>(number).into_iter().collect()
}

fn checksum(rest: &str) -> [char; CHECK_CHARS] {
    digits(u64::from(crc32fast::hash(rest.as_bytes())))
}

/// The last `N` digits, most significant first.
fn digits<const N: usize>(mut number: u64) -> [char; N] {
    let mut out = ['0'; N];
    for place in out.iter_mut().rev() {
        *place = base62(number);
        number /= 62;
    }
    out
}

fn base62(number: u64) -> char {
    char::from(BASE62[usize::try_from(number % 62).unwrap_or_default()])
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_generated_secret_carries_its_checksum() {
        let secret = generate_secret().unwrap();
        let text = secret.expose_secret();
        assert_eq!(text.len(), 50);
        assert_eq!(check_generated(text), Some(true));
        assert_eq!(check_brought(text), Ok(()));
        for at in BRAND.len()..text.len() {
            let mut typo = text.to_owned();
            let other = if &text[at..=at] == "a" { "b" } else { "a" };
            typo.replace_range(at..=at, other);
            assert_eq!(check_generated(&typo), Some(false), "place {at}");
        }
    }

    #[test]
    fn the_form_is_fixed() {
        let body = "0".repeat(37);
        let check: String = checksum(&format!("troupe-{body}")).iter().collect();
        assert_eq!(check, "3hryaO");
        assert_eq!(
            check_generated(&format!("troupe-{body}{check}")),
            Some(true)
        );
    }

    #[test]
    fn other_texts_do_not_look_generated() {
        for text in [
            "",
            "troupe-",
            "sk-ant-api03-x",
            &format!("troupe-{}", "é".repeat(22)),
            &format!("troupe-{}", "a".repeat(44)),
        ] {
            assert_eq!(check_generated(text), None, "{text}");
        }
    }

    #[test]
    fn characters_are_evenly_spread() {
        let mut counts = HashMap::new();
        for _ in 0..1000 {
            let secret = generate_secret().unwrap();
            for letter in secret.expose_secret()[7..44].chars() {
                *counts.entry(letter).or_insert(0_u32) += 1;
            }
        }
        assert_eq!(counts.len(), 62);
        // 597 expected, standard deviation 24.
        assert!(
            counts.values().all(|count| (400..800).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn brought_secrets_are_long_and_visible() {
        assert_eq!(check_brought("12345678901234567890"), Ok(()));
        assert_eq!(
            check_brought("1234567890123456789"),
            Err(SecretError::Short)
        );
        for text in [
            "with a space, and long enough",
            "nul\0 and long enough, really",
            "ümlaut-and-long-enough",
        ] {
            assert_eq!(check_brought(text), Err(SecretError::Characters));
        }
    }

    #[test]
    fn the_display_shows_little() {
        let secret = generate_secret().unwrap();
        let text = secret.expose_secret();
        let hash = KeyHash([0xab; 32]);
        assert_eq!(display_prefix(text, &hash), text[..15]);
        let brought = display_prefix("my-own-secret-which-is-long", &hash);
        assert_eq!(brought.len(), 8);
        assert!(brought.chars().all(|letter| letter.is_ascii_alphanumeric()));
        assert_ne!(
            brought,
            display_prefix("my-own-secret-which-is-long", &KeyHash([1; 32]))
        );
    }
}
