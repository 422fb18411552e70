//! Secrets: text that is never shown.
//!
//! Invariant: `Debug`, `Serialize` and every message give [`REDACTED`]; only [`Secret::expose`]
//! gives the text.

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::de::HIDDEN;

const FILE_MAX_BYTES: u64 = 64 << 10;

/// What stands in for a secret wherever one is shown.
pub const REDACTED: &str = "***";

/// A secret of the configuration.
#[derive(Clone)]
pub struct Secret {
    text: SecretString,
    source: Source,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    /// In the configuration itself.
    Written,
    /// In the file that the `*_file` key beside it names.
    File,
}

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: SecretString::from(text.into()),
            source: Source::Written,
        }
    }

    /// Reads a secret file; line ends at its end are not part of the secret.
    ///
    /// # Errors
    /// A message without the content: unreadable, not UTF-8, or empty.
    pub(super) fn read_file(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        let mut text = Vec::new();
        File::open(path)
            .and_then(|file| file.take(FILE_MAX_BYTES + 1).read_to_end(&mut text))
            .map_err(|e| format!("cannot read `{shown}`: {e}"))?;
        if text.len() as u64 > FILE_MAX_BYTES {
            return Err(format!(
                "`{shown}` is larger than 64 KiB, which no secret is"
            ));
        }
        let text = String::from_utf8(text).map_err(|_| format!("`{shown}` is not UTF-8 text"))?;
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() {
            return Err(format!("`{shown}` is empty"));
        }
        Ok(Self {
            text: SecretString::from(text.to_owned()),
            source: Source::File,
        })
    }

    pub fn expose(&self) -> &str {
        self.text.expose_secret()
    }

    pub fn as_secret_string(&self) -> &SecretString {
        &self.text
    }

    /// It is the mark that `show` writes, not a secret.
    pub fn is_redacted(&self) -> bool {
        self.expose() == REDACTED
    }
}

/// Leaves a secret out where its `*_file` is written instead.
pub(super) fn not_written(secret: &Option<Secret>) -> bool {
    secret.as_ref().is_none_or(|s| s.source == Source::File)
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(REDACTED)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        optional(deserializer)?.ok_or_else(|| de::Error::custom("a secret is needed here"))
    }
}

/// Reads an optional secret: unlike `Option<Secret>`, a variable that is set but empty is a fault
/// and not an absent secret.
pub(super) fn optional<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Secret>, D::Error> {
    d.deserialize_newtype_struct(HIDDEN, Text)
}

struct Text;

impl de::Visitor<'_> for Text {
    type Value = Option<Secret>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a secret")
    }

    fn visit_none<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        if text.is_empty() {
            return Err(E::custom("the secret is empty"));
        }
        Ok(Some(Secret::new(text)))
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1 })
    }
}
