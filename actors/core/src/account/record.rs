//! The stored form of an account.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::health::{CoolDown, Health};
use crate::id::AccountId;

/// What kind of credential an account holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountKind {
    ApiKey,
}

impl AccountKind {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
        }
    }
}

/// How the credential is presented upstream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AuthScheme {
    /// `x-api-key: …`
    #[default]
    #[serde(rename = "x-api-key")]
    XApiKey,
    /// `authorization: Bearer …`
    #[serde(rename = "bearer")]
    Bearer,
}

/// An account as stored; the credential is sealed before it comes here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountRecord {
    pub id: AccountId,
    pub name: String,
    pub kind: AccountKind,
    /// Scheme, host, optional port and path prefix, without a trailing slash.
    pub base_url: String,
    pub auth: AuthScheme,
    /// AEAD box (key id, nonce, ciphertext); associated data is the row's id.
    pub sealed: Vec<u8>,
    /// Extra headers for every upstream request.
    pub headers: BTreeMap<String, String>,
    /// Model names here → model names at this upstream.
    pub models: BTreeMap<String, String>,
    /// Requests in flight at once; `None` is no limit.
    pub concurrent: Option<u32>,
    pub enabled: bool,
    /// Milliseconds since the Unix epoch.
    pub created_ms: u64,
    pub updated_ms: u64,
    /// Counts the writes of this row; set by the store.
    pub version: u64,
}

/// What the gateway learnt about an account; kept over restarts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountState {
    pub id: AccountId,
    pub health: Health,
    pub cooldowns: Vec<CoolDown>,
    pub updated_ms: u64,
}
