//! One account or key on its way from a source, by the names of the operations that would make it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Number;

use super::super::accounts::AddAccount;
use super::super::secret_json::SecretText;

/// An account.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ImportAccount {
    /// What it is at its source.
    pub source_id: String,
    #[serde(default)]
    pub enabled: bool,
    #[serde(flatten)]
    pub account: AddAccount,
    /// Told beside its outcome.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A key: its secret, or the SHA-256 of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ImportKey {
    pub source_id: String,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretText>,
    /// 64 hexadecimal digits; as good as the secret to whoever can write the store, so it is none for logs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<SecretText>,
    pub owner: Option<String>,
    pub group: Option<String>,
    /// Milliseconds since the Unix epoch; may lie in the past.
    pub expires_ms: Option<u64>,
    pub enabled: bool,
    pub models: Option<Vec<String>>,
    pub limits: BTreeMap<String, Number>,
}
