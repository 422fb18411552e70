//! The form between a source and the store.
//!
//! Invariant: names are unique within a plan and fit the store; a `source_id` is the same each time the same source is
//! read, whatever else changed in it; no secret has a `Debug`.

use std::collections::BTreeMap;
use std::fmt;

use secrecy::SecretString;
use serde_json::Number;
use troupe_core::account::{AuthScheme, PreferredAuth};

/// Everything a source holds that has a meaning here, and a note for the rest.
#[derive(Clone, Debug, Default)]
pub struct ImportPlan {
    pub accounts: Vec<ImportedAccount>,
    pub keys: Vec<ImportedKey>,
    pub notes: Vec<Note>,
}

/// An upstream account. It holds at least one credential.
#[derive(Clone, Debug, Default)]
pub struct ImportedAccount {
    /// Derived from the source; 1–64 of `[A-Za-z0-9._-]`.
    pub name: String,
    /// What the account is at its source, such as `clove:0b9c…`: an import is repeatable by it.
    pub source_id: String,
    pub api_key: Option<SecretString>,
    /// How `api_key` is presented.
    pub auth: AuthScheme,
    pub oauth: Option<ImportedOauth>,
    /// The value of the session cookie, without its name.
    pub web_cookie: Option<SecretString>,
    /// The organisation at the provider that the credentials belong to.
    pub organization: Option<String>,
    pub preferred_auth: PreferredAuth,
    /// Of the Messages API; `None` is the default. Without a trailing slash and without `/v1`.
    pub base_url: Option<String>,
    /// Of the web surface; `None` is the default.
    pub web_base_url: Option<String>,
    /// A URL, which may hold a password.
    pub proxy: Option<SecretString>,
    /// Added to every request.
    pub headers: BTreeMap<String, SecretString>,
    /// Names of the clients → names of the upstream, where they differ.
    pub models: BTreeMap<String, String>,
    /// Requests at the same time, from 1 up.
    pub concurrent: Option<u32>,
    pub enabled: bool,
    /// Conversations of the web surface are kept after their answer.
    pub preserve_chats: bool,
    pub group: Option<String>,
    pub tags: Vec<String>,
}

/// Tokens of an account.
#[derive(Clone, Debug)]
pub struct ImportedOauth {
    pub access_token: SecretString,
    /// Single use. The source must not refresh with it any more: only one of both can.
    pub refresh_token: Option<SecretString>,
    /// Milliseconds since the Unix epoch.
    pub expires_at_ms: Option<u64>,
    /// Where the source was set to another client than its default; the refresh token belongs to it.
    pub client_id: Option<String>,
    /// Where the source was set to another endpoint than its default.
    pub token_url: Option<String>,
}

/// A key of a client.
#[derive(Clone, Debug)]
pub struct ImportedKey {
    /// 1–64 of `[A-Za-z0-9._-]`.
    pub name: String,
    /// As of an account. Needed although `secret` identifies the key too: its stored form changes at its first use.
    pub source_id: String,
    pub secret: KeySecret,
    pub owner: Option<String>,
    pub group: Option<String>,
    /// Milliseconds since the Unix epoch; may lie in the past.
    pub expires_ms: Option<u64>,
    pub enabled: bool,
    /// Allowed models, `*` standing for any text within a name; `None` allows all. Never empty.
    pub models: Option<Vec<String>>,
    /// By the limits' names in the public contract. Each value is above zero.
    pub limits: BTreeMap<String, Number>,
}

/// What is known of a key's secret.
#[derive(Clone)]
pub enum KeySecret {
    Plain(SecretString),
    /// SHA-256 of the whole secret: all that LiteLLM stores.
    Sha256([u8; 32]),
}

impl fmt::Debug for KeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "Plain([REDACTED])",
            Self::Sha256(_) => "Sha256([REDACTED])",
        })
    }
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The item, as it is called in the source: `accounts.json: 0b9c….status`.
    pub what: String,
    /// Does it come along, though changed?
    pub taken: bool,
    /// How it was changed, or why it stays behind and what to do about it.
    pub why: String,
}
