//! A new account.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use troupe_core::AccountId;
use troupe_core::account::{AccountKind, AccountRecord, AuthScheme};
use troupe_core::event::EventKind;
use troupe_core::port::Expect;
use troupe_upstream::BaseUrl;

use super::super::{
    ErrorCode, OpError, Operation, Operations, credential, fields, now_ms, secret_json,
};
use super::AccountInfo;
use crate::config::accounts::DEFAULT_BASE_URL;

const ENTRIES_MAX: usize = 64;

/// Headers that are the gateway's own business, or would carry a secret that is stored unsealed.
const REFUSED_HEADERS: [&str; 12] = [
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "host",
    "proxy-authorization",
    "te",
    "transfer-encoding",
    "upgrade",
    "x-api-key",
];

/// Adds an account; only `kind` `api_key` in this version.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AddAccount {
    pub name: String,
    pub kind: String,
    /// `None` is the Messages API itself.
    #[serde(default)]
    pub base_url: Option<String>,
    #[serde(default)]
    pub auth: AuthScheme,
    #[serde(with = "secret_json::required")]
    pub api_key: SecretString,
    /// Sent with every request; not for secrets.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Model names of clients → model names of this endpoint.
    #[serde(default)]
    pub models: BTreeMap<String, String>,
    #[serde(default)]
    pub concurrent: Option<u32>,
}

impl Operation for AddAccount {
    type Outcome = AccountInfo;
    const NAME: &'static str = "account.add";

    async fn run(self, ops: &Operations) -> Result<AccountInfo, OpError> {
        fields::check_name("an account", &self.name)?;
        let kind = kind(&self.kind)?;
        let base_url = base_url(self.base_url.as_deref().unwrap_or(DEFAULT_BASE_URL))?;
        check_api_key(self.api_key.expose_secret())?;
        check_headers(&self.headers)?;
        check_models(&self.models)?;
        let concurrent = self.concurrent.map(fields::check_concurrent).transpose()?;
        let (id, now_ms) = (AccountId(uuid::Uuid::now_v7()), now_ms());
        let record = AccountRecord {
            id,
            name: self.name,
            kind,
            base_url,
            auth: self.auth,
            sealed: credential::seal(&ops.vault, id, &self.api_key)?,
            headers: self.headers,
            models: self.models,
            concurrent,
            enabled: true,
            created_ms: now_ms,
            updated_ms: now_ms,
            version: 0,
        };
        let _changing = ops.change().await;
        let name = record.name.clone();
        ops.declared.load().refuse_account(&name)?;
        let accounts = ops.stores.accounts.list().await?;
        if accounts.iter().any(|account| account.name == name) {
            let message =
                format!("an account {name} exists already; remove it first, or take another name");
            return Err(OpError::new(ErrorCode::Conflict, message));
        }
        let told_as = EventKind::AccountCreated { id, name };
        let stored = ops.put_account(record, Expect::Absent, told_as).await?;
        Ok(ops.account_info(&stored, false, &[]))
    }
}

fn kind(kind: &str) -> Result<AccountKind, OpError> {
    match kind {
        "api_key" => Ok(AccountKind::ApiKey),
        "oauth" | "web_session" => Err(OpError::not_available(format!("the kind `{kind}`"))),
        _ => Err(OpError::invalid("the kind of an account is `api_key`")),
    }
}

fn base_url(text: &str) -> Result<String, OpError> {
    let base =
        BaseUrl::parse(text).map_err(|error| OpError::invalid(format!("the base URL {error}")))?;
    if base.as_str().ends_with("/v1") {
        return Err(OpError::invalid(
            "the base URL must not end in /v1: the gateway adds it",
        ));
    }
    Ok(base.as_str().to_owned())
}

fn check_api_key(text: &str) -> Result<(), OpError> {
    if text.is_empty() {
        return Err(OpError::invalid("the API key is empty"));
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(OpError::invalid(
            "the API key holds a space, line end or other character that a header cannot carry",
        ));
    }
    Ok(())
}

fn check_headers(headers: &BTreeMap<String, String>) -> Result<(), OpError> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let visible = |byte: u8| byte == b'\t' || (byte.is_ascii() && !byte.is_ascii_control());
    for (name, value) in headers {
        if name.is_empty() || !name.bytes().all(token) || !value.bytes().all(visible) {
            return Err(OpError::invalid(
                "an extra header is NAME=VALUE in visible ASCII",
            ));
        }
        if REFUSED_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
            return Err(OpError::invalid(format!(
                "the header {name} is set by the gateway itself; the credential is given as the API key"
            )));
        }
    }
    check_count(headers.len(), "headers")
}

fn check_models(models: &BTreeMap<String, String>) -> Result<(), OpError> {
    let fits =
        |name: &String| !name.is_empty() && name.len() <= 256 && !name.contains(char::is_control);
    if !models.iter().all(|(from, to)| fits(from) && fits(to)) {
        return Err(OpError::invalid(
            "a model is FROM=TO, each of 1 to 256 characters",
        ));
    }
    check_count(models.len(), "models")
}

fn check_count(count: usize, what: &str) -> Result<(), OpError> {
    if count > ENTRIES_MAX {
        return Err(OpError::invalid(format!(
            "at most {ENTRIES_MAX} {what} can be given"
        )));
    }
    Ok(())
}
