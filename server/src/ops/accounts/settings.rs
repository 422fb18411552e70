//! What can be set of an account, by the names of the configuration file: the same for a new one and for a change.
//!
//! Invariant: a field that is left out changes nothing, `null` removes what stands; secrets have no `Debug`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use troupe_core::account::{AuthScheme, Grant, PreferredAuth, TokenFormat};

use super::super::limits::Limits;
use super::super::patch::Patch;
use super::super::secret_json::SecretText;
use crate::account_rules::value;

/// Entries by name; `null` removes one.
pub type Entries = BTreeMap<String, Option<String>>;

/// Settings of an account.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountSettings {
    /// Removed: the Messages API itself.
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub base_url: Patch<String>,
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub auth: Patch<AuthScheme>,
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub api_key: Patch<SecretText>,
    /// Sent with every request; not for secrets.
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub headers: Patch<Entries>,
    /// Model names of clients → model names of this endpoint.
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub models: Patch<Entries>,
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub concurrent: Patch<u32>,
    /// What may be used of it; one by one, or `null` for all of them.
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub limits: Patch<Limits>,
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub preferred_auth: Patch<PreferredAuth>,
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub oauth: Patch<OauthChange>,
    /// Tokens of a login that was made elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<BroughtTokens>,
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub web: Patch<WebChange>,
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub group: Patch<String>,
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub tags: Patch<Vec<String>>,
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub weight: Patch<u32>,
    /// The lowest is filled first.
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub priority: Patch<u32>,
    /// Names with `*` for any text.
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub allow_models: Patch<Vec<String>>,
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub deny_models: Patch<Vec<String>>,
    /// `mon-fri 08:00-18:00`, in UTC.
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub schedule: Patch<String>,
    /// Share of a window of the upstream's at which the account stops.
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub reserve: Patch<Reserve>,
    /// `http`, `https`, `socks5` or `socks5h`, perhaps with `user:password@`.
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub proxy: Patch<SecretText>,
    /// Certificates in PEM, trusted besides the system's.
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub ca_file: Patch<String>,
}

/// Everything about an account's tokens but the tokens.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct OauthChange {
    /// A known provider, whose endpoints stand for those that are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub grant: Patch<Grant>,
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub token_url: Patch<String>,
    /// Where a person logs in.
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub authorize_url: Patch<String>,
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub redirect_uri: Patch<String>,
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub client_id: Patch<String>,
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub client_secret: Patch<SecretText>,
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub scopes: Patch<Vec<String>>,
    /// Further fields of the token request.
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub extra: Patch<Entries>,
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub format: Patch<TokenFormat>,
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub assertion_file: Patch<String>,
}

/// Tokens that were got elsewhere.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BroughtTokens {
    /// Absent: it is got with the refresh token at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_token: Option<SecretText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<SecretText>,
    /// Milliseconds since the Unix epoch. Without an end an hour is assumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_s: Option<u64>,
}

/// A session of the web surface.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct WebChange {
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub base_url: Patch<String>,
    /// The whole value of the header, or the session key alone.
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub cookie: Patch<SecretText>,
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub organization: Patch<String>,
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub preserve_chats: Patch<bool>,
}

/// `90` or `90%`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Reserve {
    Number(u8),
    Text(String),
}

impl Reserve {
    pub(super) fn percent(self) -> Result<u8, String> {
        match self {
            Self::Number(percent) => value::reserve(percent).map(|()| percent),
            Self::Text(text) => value::percent(&text),
        }
    }
}

impl AccountSettings {
    /// Does it change nothing at all?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        // Whatever is kept is not written.
        matches!(serde_json::to_value(self), Ok(serde_json::Value::Object(fields)) if fields.is_empty())
    }

    /// Does it bring a session of the web surface?
    #[must_use]
    pub fn brings_cookie(&self) -> bool {
        let web = self.web.set();
        web.is_some_and(|web| web.cookie.set().is_some())
    }
}
