//! `accounts`: upstream accounts declared in the file, kept by name.
//!
//! Invariant: after loading, `api_key` and the other secrets hold the secret wherever it was written, and `ca_pem` the
//! content of `ca_file`. What an account may be is said in `account_rules`, for the file as for the operations.

mod oauth;
mod record;
mod web;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use troupe_core::account::{AccountKind, AuthScheme, PreferredAuth};
use troupe_core::models::Pattern;
use troupe_core::schedule::Schedule;

pub use self::oauth::Oauth;
pub use self::web::Web;
use super::limits::WrittenLimits;
use super::secret::{self, Secret};
use super::words;
use crate::account_rules::value;

pub const DEFAULT_BASE_URL: &str = "https://api.anthropic.com";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Account {
    pub name: String,
    /// The credential it is made for; it may have others beside it.
    #[serde(default = "api_key")]
    #[schemars(schema_with = "words::kind")]
    pub kind: AccountKind,
    /// The credential that is tried first; the others follow in the order api_key, oauth, web.
    #[serde(default)]
    #[schemars(schema_with = "words::preferred")]
    pub preferred_auth: PreferredAuth,
    #[serde(default, deserialize_with = "secret::optional")]
    #[serde(skip_serializing_if = "secret::not_written")]
    pub api_key: Option<Secret>,
    /// File that holds the API key. Relative to the working directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_file: Option<PathBuf>,
    /// Any endpoint that speaks the Messages API; `/v1/…` is added.
    #[serde(default = "default_base_url")]
    pub base_url: String,
    /// The header that carries the API key.
    #[serde(default)]
    #[schemars(schema_with = "words::auth")]
    pub auth: AuthScheme,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth: Option<Oauth>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub web: Option<Web>,
    /// Headers added to every request of this account. Their values are treated as secrets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, Secret>,
    /// Model names of the client → names of this endpoint.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub models: BTreeMap<String, String>,
    /// Models it may be used for, `*` for any characters; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<String>>")]
    pub allow_models: Option<Vec<Pattern>>,
    /// Models it is not used for, whatever `allow_models` says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>")]
    pub deny_models: Vec<Pattern>,
    /// Keys can be bound to groups and tags of accounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// For the strategy `weighted`: how often it comes first, 0 after all others.
    #[serde(default = "one")]
    #[schemars(range(max = 1000))]
    pub weight: u32,
    /// For the strategy `priority`: the lowest number is filled first.
    #[serde(default)]
    pub priority: u32,
    /// Requests at the same time; no bound of its own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub concurrent: Option<u32>,
    /// What may be used of it; at a limit the next account is used. The upstream's own limits are another thing.
    #[serde(default, skip_serializing_if = "WrittenLimits::is_empty")]
    pub limits: WrittenLimits,
    /// When it is used, in UTC: `mon-fri 08:00-18:00`. Always when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "schedule")]
    #[schemars(with = "Option<String>")]
    pub schedule: Option<Schedule>,
    /// Nothing is sent while a window of the upstream's stands at or above this share: `90%`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "percent", serialize_with = "as_percent")]
    #[schemars(schema_with = "percent_schema")]
    pub reserve: Option<u8>,
    /// `http`, `https`, `socks5` or `socks5h` URL, perhaps with user and password; for everything of this account.
    #[serde(default, deserialize_with = "secret::optional")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<Secret>,
    /// Certificate authorities (PEM) trusted for this account besides the system's. Relative to the working directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// The content of `ca_file`.
    #[serde(skip)]
    pub ca_pem: Option<Arc<[u8]>>,
}

impl Account {
    /// An account of the Messages API itself with nothing but a key.
    pub fn with_api_key(name: &str, api_key: Secret) -> Self {
        Self {
            name: name.to_owned(),
            kind: AccountKind::ApiKey,
            preferred_auth: PreferredAuth::default(),
            api_key: Some(api_key),
            api_key_file: None,
            base_url: default_base_url(),
            auth: AuthScheme::XApiKey,
            oauth: None,
            web: None,
            headers: BTreeMap::new(),
            models: BTreeMap::new(),
            allow_models: None,
            deny_models: Vec::new(),
            group: None,
            tags: Vec::new(),
            weight: one(),
            priority: 0,
            concurrent: None,
            limits: WrittenLimits::default(),
            schedule: None,
            reserve: None,
            proxy: None,
            ca_file: None,
            ca_pem: None,
        }
    }
}

fn default_base_url() -> String {
    DEFAULT_BASE_URL.to_owned()
}

fn api_key() -> AccountKind {
    AccountKind::ApiKey
}

fn one() -> u32 {
    1
}

fn schedule<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Schedule>, D::Error> {
    let text = Option::<String>::deserialize(d)?;
    let read = text.map(|text| value::schedule(&text)).transpose();
    read.map_err(de::Error::custom)
}

fn percent<'de, D: Deserializer<'de>>(d: D) -> Result<Option<u8>, D::Error> {
    let text = Option::<String>::deserialize(d)?;
    let read = text.map(|text| value::percent(&text)).transpose();
    read.map_err(de::Error::custom)
}

#[expect(clippy::ref_option, reason = "serde passes references")]
fn as_percent<S: Serializer>(percent: &Option<u8>, s: S) -> Result<S::Ok, S::Error> {
    match percent {
        Some(percent) => s.collect_str(&format_args!("{percent}%")),
        None => s.serialize_none(),
    }
}

fn percent_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "anyOf": [
            { "type": "integer", "minimum": 1, "maximum": 100 },
            { "type": "string", "pattern": r"^\d{1,3}\s*%?$" },
            { "type": "null" }
        ]
    })
}
