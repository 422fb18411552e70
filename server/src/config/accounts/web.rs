//! `accounts[].web`: the account's session on the provider's web pages, for use under `web_session`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::secret::{self, Secret};
use crate::account_rules::{address, web};
use troupe_core::account::WebSettings;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Web {
    pub base_url: String,
    /// The value of the `cookie` header, or the session key alone.
    #[serde(deserialize_with = "secret::optional")]
    #[serde(skip_serializing_if = "secret::not_written")]
    pub cookie: Option<Secret>,
    /// File that holds the cookie. Relative to the working directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cookie_file: Option<PathBuf>,
    /// The uuid of the organisation to use; else the most capable one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// Conversations are kept after their answer.
    pub preserve_chats: bool,
}

impl Default for Web {
    fn default() -> Self {
        Self {
            base_url: web::DEFAULT_BASE_URL.to_owned(),
            cookie: None,
            cookie_file: None,
            organization: None,
            preserve_chats: false,
        }
    }
}

impl Web {
    pub(super) fn settings(&self) -> WebSettings {
        WebSettings {
            base_url: address::web_base_url(&self.base_url)
                .unwrap_or_else(|_| self.base_url.clone()),
            organization: self.organization.clone(),
            preserve_chats: self.preserve_chats,
        }
    }
}
