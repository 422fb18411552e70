//! `accounts[].oauth`: how the account gets its access tokens.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use troupe_core::account::{Grant, TokenFormat};

use super::super::secret::{self, Secret};
use super::super::words;
use crate::account_rules::OauthFields;

/// Each field stands over that of the preset.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Oauth {
    /// Endpoints of a known provider: `claude_platform`, `claude_workload_identity`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// `authorization_code` (a login) and `refresh_token` are one: the login's code is exchanged once, then tokens renew.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "words::grant")]
    pub grant: Option<Grant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_url: Option<String>,
    /// Where a person logs in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorize_url: Option<String>,
    /// Where the login ends, as it is registered for the client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    #[serde(deserialize_with = "secret::optional")]
    #[serde(skip_serializing_if = "secret::not_written")]
    pub client_secret: Option<Secret>,
    /// File that holds the client's secret. Relative to the working directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// Further fields of the token request, by name. Not for secrets.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, String>,
    /// The body of token requests; `json` unless the preset says otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "words::format")]
    pub format: Option<TokenFormat>,
    /// For the grant `jwt_bearer`: read at every exchange. Relative to the working directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assertion_file: Option<String>,
    /// For the grant `refresh_token`: begins the account's tokens, while the store has none of it. It is spent by that:
    /// its successors live in the store.
    #[serde(deserialize_with = "secret::optional")]
    #[serde(skip_serializing_if = "secret::not_written")]
    pub refresh_token: Option<Secret>,
    /// File that holds the refresh token. Relative to the working directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token_file: Option<PathBuf>,
}

impl Oauth {
    pub(super) fn fields(&self) -> OauthFields {
        OauthFields {
            preset: self.preset.clone(),
            grant: self.grant,
            token_url: self.token_url.clone(),
            authorize_url: self.authorize_url.clone(),
            redirect_uri: self.redirect_uri.clone(),
            client_id: self.client_id.clone(),
            scopes: self.scopes.clone(),
            extra: self.extra.clone(),
            format: self.format,
            assertion_file: self.assertion_file.clone(),
        }
    }
}
