//! `storage`: where state lives.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;

use garde::Validate;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::de::HIDDEN;

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct Storage {
    #[garde(skip)]
    pub url: StorageUrl,
}

/// The kind of store and its place. A relative folder is relative to the working directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorageUrl {
    /// `memory:`
    Memory,
    /// `sled:FOLDER`
    Sled(PathBuf),
}

impl Default for StorageUrl {
    fn default() -> Self {
        Self::Sled(PathBuf::from("./data"))
    }
}

impl fmt::Display for StorageUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory:"),
            Self::Sled(folder) => write!(f, "sled:{}", folder.display()),
        }
    }
}

impl Serialize for StorageUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for StorageUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // A URL may hold a password: it is never quoted in a message.
        deserializer.deserialize_newtype_struct(HIDDEN, Url)
    }
}

struct Url;

impl de::Visitor<'_> for Url {
    type Value = StorageUrl;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`sled:FOLDER` or `memory:`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        if text == "memory:" {
            return Ok(StorageUrl::Memory);
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Err(E::custom(
                "a `postgres://` store (and with it a cluster through `cluster.redis_url`) is not \
                 available in this version; use `sled:FOLDER` or `memory:`",
            ));
        }
        match text.strip_prefix("sled:") {
            Some(folder) if !folder.is_empty() => Ok(StorageUrl::Sled(PathBuf::from(folder))),
            _ => Err(E::custom("expected `sled:FOLDER` or `memory:`")),
        }
    }
}

impl JsonSchema for StorageUrl {
    fn schema_name() -> Cow<'static, str> {
        "StorageUrl".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "`sled:FOLDER` or `memory:`.",
            "pattern": "^(memory:|sled:.+)$"
        })
    }
}
