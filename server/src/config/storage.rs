//! `storage`: where state lives.
//!
//! Invariant: the password in a URL is only in [`StorageUrl::secret`].

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

use garde::Validate;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::de::HIDDEN;
use super::secret::REDACTED;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct Storage {
    #[garde(skip)]
    pub url: StorageUrl,
    /// The node's own folder of a `postgres://` store: counters of limits, what waits for the server, the control
    /// socket. A `sled:` store has its own. A relative one is relative to the working directory.
    #[garde(skip)]
    pub dir: PathBuf,
    /// Connections to PostgreSQL, at most.
    #[garde(range(min = 1, max = 100))]
    pub connections: u32,
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            url: StorageUrl::default(),
            dir: PathBuf::from("./data"),
            connections: 8,
        }
    }
}

impl Storage {
    /// The node's own folder; `None` of a store in memory.
    pub fn folder(&self) -> Option<&Path> {
        match &self.url {
            StorageUrl::Memory => None,
            StorageUrl::Sled(folder) => Some(folder),
            StorageUrl::Postgres(_) => Some(&self.dir),
        }
    }

    /// What the store is opened with.
    pub fn options(&self, cwd: &Path, node: &str) -> troupe_storage::Options {
        troupe_storage::Options {
            url: self.url.secret(),
            base: cwd.to_owned(),
            dir: self.dir.clone(),
            connections: self.connections,
            node: node.into(),
        }
    }
}

/// The kind of store and its place. A relative folder is relative to the working directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorageUrl {
    /// `memory:`
    Memory,
    /// `sled:FOLDER`
    Sled(PathBuf),
    /// `postgres://USER:PASSWORD@HOST:PORT/DATABASE`
    Postgres(PostgresUrl),
}

impl StorageUrl {
    /// With its password.
    pub fn secret(&self) -> SecretString {
        match self {
            Self::Postgres(url) => url.0.clone(),
            other => other.to_string().into(),
        }
    }

    /// Its password is the mark which `show` writes.
    pub fn is_redacted(&self) -> bool {
        matches!(self, Self::Postgres(url) if url.parsed().is_some_and(|url| url.password() == Some(REDACTED)))
    }
}

/// A URL that may have a password, which is never shown.
#[derive(Clone)]
pub struct PostgresUrl(SecretString);

impl PostgresUrl {
    fn parsed(&self) -> Option<url::Url> {
        url::Url::parse(self.0.expose_secret()).ok()
    }
}

impl PartialEq for PostgresUrl {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose_secret() == other.0.expose_secret()
    }
}

impl Eq for PostgresUrl {}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(mut url) = self.parsed() else {
            return f.write_str("postgres://");
        };
        if url.password().is_some() && url.set_password(Some(REDACTED)).is_err() {
            return f.write_str("postgres://");
        }
        write!(f, "{url}")
    }
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
            Self::Postgres(url) => fmt::Display::fmt(url, f),
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
        f.write_str("`sled:FOLDER`, `postgres://USER:PASSWORD@HOST/DATABASE` or `memory:`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        if text == "memory:" {
            return Ok(StorageUrl::Memory);
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return match troupe_storage::check_postgres_url(text) {
                Ok(()) => Ok(StorageUrl::Postgres(PostgresUrl(text.to_owned().into()))),
                Err(reason) => Err(E::custom(reason)),
            };
        }
        match text.strip_prefix("sled:") {
            Some(folder) if !folder.is_empty() => Ok(StorageUrl::Sled(PathBuf::from(folder))),
            _ => Err(E::custom(
                "expected `sled:FOLDER`, `postgres://USER:PASSWORD@HOST/DATABASE` or `memory:`",
            )),
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
            "description": "`sled:FOLDER`, `postgres://USER:PASSWORD@HOST:PORT/DATABASE` or `memory:`.",
            "pattern": "^(memory:|sled:.+|postgres(ql)?://.+)$"
        })
    }
}
