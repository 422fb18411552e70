//! `accounts`: upstream credentials declared in the file, kept by name.
//!
//! Invariant: after loading, `api_key` holds the secret wherever it was written.

use std::collections::BTreeMap;
use std::path::PathBuf;

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

use super::rules;
use super::secret::{self, Secret};

pub const DEFAULT_BASE_URL: &str = "https://api.anthropic.com";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct Account {
    #[garde(custom(rules::name))]
    pub name: String,
    #[garde(skip)]
    #[serde(default, deserialize_with = "kind")]
    pub kind: AccountKind,
    #[garde(inner(custom(rules::header_secret)))]
    #[serde(default, deserialize_with = "secret::optional")]
    #[serde(skip_serializing_if = "secret::not_written")]
    pub api_key: Option<Secret>,
    /// File that holds the API key. Relative to the working directory.
    #[garde(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_file: Option<PathBuf>,
    /// Any endpoint that speaks the Messages API; `/v1/…` is added.
    #[garde(custom(rules::base_url))]
    #[serde(default = "default_base_url")]
    pub base_url: String,
    /// The header that carries the key.
    #[garde(skip)]
    #[serde(default)]
    pub auth: AccountAuth,
    /// Headers added to every request of this account. Their values are treated as secrets.
    #[garde(custom(rules::headers))]
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, Secret>,
    /// Model names of the client → names of this endpoint.
    #[garde(custom(rules::model_names))]
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub models: BTreeMap<String, String>,
    /// Requests at the same time; no bound of its own when absent.
    #[garde(inner(range(min = 1)))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrent: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccountKind {
    #[default]
    ApiKey,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum AccountAuth {
    #[default]
    #[serde(rename = "x-api-key")]
    XApiKey,
    #[serde(rename = "bearer")]
    Bearer,
}

impl Account {
    /// An account of the Messages API itself with nothing but a key.
    pub fn with_api_key(name: &str, api_key: Secret) -> Self {
        Self {
            name: name.to_owned(),
            kind: AccountKind::ApiKey,
            api_key: Some(api_key),
            api_key_file: None,
            base_url: default_base_url(),
            auth: AccountAuth::XApiKey,
            headers: BTreeMap::new(),
            models: BTreeMap::new(),
            concurrent: None,
        }
    }
}

fn default_base_url() -> String {
    DEFAULT_BASE_URL.to_owned()
}

fn kind<'de, D: Deserializer<'de>>(d: D) -> Result<AccountKind, D::Error> {
    match String::deserialize(d)?.as_str() {
        "api_key" => Ok(AccountKind::ApiKey),
        later @ ("oauth" | "web_session") => Err(de::Error::custom(format_args!(
            "`{later}` accounts are not available in this version; expected `api_key`"
        ))),
        _ => Err(de::Error::custom("expected `api_key`")),
    }
}
