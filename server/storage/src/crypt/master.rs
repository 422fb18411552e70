//! The key of keys: 32 bytes from a file that only its owner can read, or from the environment.
//!
//! Invariant: a key file appears whole, 0600, or not at all, and is never overwritten.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::random;
use crate::fs::{private_dir, sync_dir};

pub(super) type KeyId = [u8; 8];

/// The master key; wiped when dropped.
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; 32]>);

/// The key that seals, and those before it, which only open.
#[derive(Clone, Debug)]
pub struct MasterKeys {
    pub current: MasterKey,
    pub previous: Vec<MasterKey>,
}

impl From<MasterKey> for MasterKeys {
    fn from(current: MasterKey) -> Self {
        Self {
            current,
            previous: Vec::new(),
        }
    }
}

impl MasterKeys {
    #[must_use]
    pub fn has(&self, key_id: &str) -> bool {
        std::iter::once(&self.current)
            .chain(&self.previous)
            .any(|key| key.key_id() == key_id)
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({})", self.key_id())
    }
}

/// Why there is no master key.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    #[error("not a master key: 32 bytes are needed, as 64 hex digits or as base64")]
    Form,
    #[error("{}: not a master key: 32 bytes are needed, as 64 hex digits or as base64", .0.display())]
    FileForm(PathBuf),
    #[error("others can read the master key in {0} (mode {mode:04o}); run: chmod 600 {0}", path.display())]
    Readable { path: PathBuf, mode: u32 },
    #[error("master key file {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("the system gives no random bytes")]
    NoRandom,
}

impl MasterKey {
    /// # Errors
    /// `Form`, which never repeats the text.
    pub fn parse(text: &str) -> Result<Self, KeyFileError> {
        let text = text.trim();
        let bytes = Zeroizing::new(
            match text.len() {
                64 => unhex(text),
                43 | 44 => unbase64(text),
                _ => None,
            }
            .ok_or(KeyFileError::Form)?,
        );
        let mut key = Zeroizing::new([0; 32]);
        if bytes.len() != key.len() {
            return Err(KeyFileError::Form);
        }
        key.copy_from_slice(&bytes);
        Ok(Self(key))
    }

    /// # Errors
    /// `Io`, `Readable` when group or others may read the file, `FileForm`.
    pub fn load(path: &Path) -> Result<Self, KeyFileError> {
        let io = |source| KeyFileError::Io {
            path: path.to_owned(),
            source,
        };
        let file = fs::File::open(path).map_err(io)?;
        let mode = file.metadata().map_err(io)?.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeyFileError::Readable {
                path: path.to_owned(),
                mode,
            });
        }
        let text = Zeroizing::new(io::read_to_string(file).map_err(io)?);
        Self::parse(&text).map_err(|_| KeyFileError::FileForm(path.to_owned()))
    }

    /// Loads the key, or makes one when the file is missing; of several processes that do so at once, one makes it.
    ///
    /// # Errors
    /// As [`MasterKey::load`]; `NoRandom`.
    pub fn load_or_create(path: &Path) -> Result<Self, KeyFileError> {
        match Self::load(path) {
            Err(KeyFileError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            loaded => return loaded,
        }
        let key = Self(random().map_err(|_| KeyFileError::NoRandom)?);
        let made = key.save_new(path).map_err(|source| KeyFileError::Io {
            path: path.to_owned(),
            source,
        })?;
        if made { Ok(key) } else { Self::load(path) }
    }

    /// `false` when the file exists by now. The key is written beside it and linked in, which fails where a name is
    /// taken.
    fn save_new(&self, path: &Path) -> io::Result<bool> {
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        private_dir(folder)?;
        let mut beside = path.as_os_str().to_owned();
        beside.push(format!(".{}.new", uuid::Uuid::now_v7().simple()));
        let beside = PathBuf::from(beside);
        let written = self
            .write_new(&beside)
            .and_then(|()| fs::hard_link(&beside, path));
        let removed = fs::remove_file(&beside);
        match written {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
            written => written.and(removed)?,
        }
        sync_dir(folder)?;
        Ok(true)
    }

    fn write_new(&self, path: &Path) -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        let text = Zeroizing::new(hex(self.0.as_ref()) + "\n");
        file.write_all(text.as_bytes())?;
        file.sync_all()
    }

    /// Names the key without telling it: the first 8 bytes of its SHA-256, in hex.
    #[must_use]
    pub fn key_id(&self) -> String {
        hex(&self.id_bytes())
    }

    pub(super) fn id_bytes(&self) -> KeyId {
        let digest: [u8; 32] = Sha256::digest(self.0.as_ref()).into();
        let mut id = KeyId::default();
        id.copy_from_slice(&digest[..8]);
        id
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 15)]);
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(*byte)])
        .collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    text.as_bytes()
        .chunks(2)
        .map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?))
        .collect()
}

/// Both alphabets, with or without padding.
fn unbase64(text: &str) -> Option<Vec<u8>> {
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    [STANDARD, URL_SAFE]
        .iter()
        .find_map(|alphabet| GeneralPurpose::new(alphabet, config).decode(text).ok())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn hex_and_base64_are_the_same_key() {
        let hex = "fb".repeat(32);
        let key = MasterKey::parse(&hex).unwrap();
        let standard = base64::prelude::BASE64_STANDARD.encode([0xfb; 32]);
        let url = base64::prelude::BASE64_URL_SAFE_NO_PAD.encode([0xfb; 32]);
        for text in [format!(" {}\n", hex.to_uppercase()), standard, url] {
            assert_eq!(MasterKey::parse(&text).unwrap().key_id(), key.key_id());
        }
    }

    #[test]
    fn another_text_is_refused_without_repeating_it() {
        for text in [
            "",
            "hunter2",
            &"g".repeat(64),
            &"é".repeat(32),
            &"!".repeat(43),
            &"a".repeat(63),
        ] {
            let refusal = MasterKey::parse(text).unwrap_err().to_string();
            assert!(text.is_empty() || !refusal.contains(text), "{refusal}");
        }
    }

    #[test]
    fn a_missing_file_is_made_once_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/master.key");
        let ids: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| MasterKey::load_or_create(&path)))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap().unwrap().key_id())
                .collect()
        });
        let kept = MasterKey::load(&path).unwrap().key_id();
        assert_eq!(ids, vec![kept; 8]);
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        assert_eq!(
            fs::read_dir(folder.path().join("new")).unwrap().count(),
            1,
            "nothing is left beside it"
        );
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        MasterKey::load_or_create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let refusal = MasterKey::load_or_create(&path).unwrap_err().to_string();
        assert!(refusal.contains("(mode 0640); run: chmod 600"), "{refusal}");
    }

    #[test]
    fn a_spoilt_file_is_refused_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        MasterKey::load_or_create(&path).unwrap();
        fs::write(&path, "").unwrap();
        assert!(matches!(
            MasterKey::load_or_create(&path),
            Err(KeyFileError::FileForm(_))
        ));
        assert_eq!(fs::read(&path).unwrap(), b"");
    }

    #[test]
    fn the_key_is_not_printed() {
        let key = MasterKey::parse(&"ab".repeat(32)).unwrap();
        assert_eq!(format!("{key:?}"), format!("MasterKey({})", key.key_id()));
        assert!(!format!("{key:?}").contains("abab"));
    }
}
