//! The settings of an account as flags, and what they make of it.
//!
//! Invariant: no flag takes a secret itself, and stdin is read for one secret at most.

use std::path::{Path, PathBuf};

use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use troupe_core::account::{AuthScheme, Grant, PreferredAuth, TokenFormat};

use super::args::pair;
use super::error::CliError;
use super::limit_args::{LimitArg, limit, limits};
use super::secret;
use crate::ops::accounts::{
    AccountSettings, BroughtTokens, Entries, OauthChange, Reserve, WebChange,
};
use crate::ops::patch::Patch;
use crate::ops::secret_json::SecretText;

#[derive(Debug, Args)]
pub(super) struct SettingsArgs {
    /// Any endpoint that speaks the Messages API [default: https://api.anthropic.com]
    #[arg(long, value_name = "URL")]
    pub base_url: Option<String>,
    /// The header that carries the API key: x-api-key or bearer
    #[arg(long, value_name = "SCHEME", value_parser = word::<AuthScheme>)]
    pub auth: Option<AuthScheme>,
    /// Read the API key from stdin
    #[arg(long, group = "stdin")]
    pub api_key_stdin: bool,
    /// Read the API key from a file
    #[arg(long, value_name = "F", conflicts_with = "api_key_stdin")]
    pub api_key_file: Option<PathBuf>,
    /// A header for every request, not for secrets. May be repeated
    #[arg(long = "header", value_name = "NAME=VALUE", value_parser = pair)]
    pub headers: Vec<(String, String)>,
    /// A client's model name and this endpoint's. May be repeated
    #[arg(long = "model", value_name = "FROM=TO", value_parser = pair)]
    pub models: Vec<(String, String)>,
    /// Requests at the same time
    #[arg(long, value_name = "N")]
    pub concurrent: Option<u32>,
    /// What may be used of it, such as usd_per_day=50; `default` removes it. May be repeated
    #[arg(long = "limit", value_name = "[MODELS:]NAME=N", value_parser = limit)]
    pub limits: Vec<LimitArg>,
    /// The credential to try first: auto, api_key, oauth or web
    #[arg(long, value_name = "AUTH", value_parser = word::<PreferredAuth>)]
    pub preferred_auth: Option<PreferredAuth>,
    #[command(flatten)]
    pub oauth: OauthArgs,
    #[command(flatten)]
    pub web: WebArgs,
    /// A group, to which keys can be bound
    #[arg(long, value_name = "GROUP")]
    pub group: Option<String>,
    /// A tag, to which keys can be bound. May be repeated
    #[arg(long = "tag", value_name = "TAG")]
    pub tags: Vec<String>,
    /// Its share, for the strategy `weighted`
    #[arg(long, value_name = "N")]
    pub weight: Option<u32>,
    /// Its place, for the strategy `priority`: the lowest is filled first
    #[arg(long, value_name = "N")]
    pub priority: Option<u32>,
    /// A model that it may be used for; `*` stands for any text. May be repeated
    #[arg(long = "allow-model", value_name = "PATTERN")]
    pub allow_models: Vec<String>,
    /// A model that it is not used for. May be repeated
    #[arg(long = "deny-model", value_name = "PATTERN")]
    pub deny_models: Vec<String>,
    /// When it may be used, in UTC, such as `mon-fri 08:00-18:00`
    #[arg(long, value_name = "HOURS")]
    pub schedule: Option<String>,
    /// Stop at so many percent of a window of the upstream's
    #[arg(long, value_name = "N%")]
    pub reserve: Option<String>,
    /// A proxy without a password; one with a password comes by --proxy-file
    #[arg(long, value_name = "URL", value_parser = open_proxy)]
    pub proxy: Option<String>,
    /// Read the proxy's URL, with its user and password, from stdin
    #[arg(long, group = "stdin", conflicts_with = "proxy")]
    pub proxy_stdin: bool,
    /// Read the proxy's URL, with its user and password, from a file
    #[arg(long, value_name = "F", conflicts_with_all = ["proxy", "proxy_stdin"])]
    pub proxy_file: Option<PathBuf>,
    /// Certificates in PEM, trusted besides the system's
    #[arg(long, value_name = "F")]
    pub ca_file: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct OauthArgs {
    /// A known provider: claude_platform, claude_workload_identity
    #[arg(long, value_name = "NAME")]
    pub oauth_preset: Option<String>,
    /// How tokens are got: refresh_token (by a login), jwt_bearer or client_credentials
    #[arg(long, value_name = "GRANT", value_parser = word::<Grant>)]
    pub oauth_grant: Option<Grant>,
    /// The token endpoint
    #[arg(long, value_name = "URL")]
    pub oauth_token_url: Option<String>,
    /// The page where a person logs in
    #[arg(long, value_name = "URL")]
    pub oauth_authorize_url: Option<String>,
    /// Where that page sends the person, as registered
    #[arg(long, value_name = "URL")]
    pub oauth_redirect_uri: Option<String>,
    /// The client that is registered with the provider
    #[arg(long, value_name = "ID")]
    pub oauth_client_id: Option<String>,
    /// A scope to ask for. May be repeated
    #[arg(long = "oauth-scope", value_name = "SCOPE")]
    pub oauth_scopes: Vec<String>,
    /// A further field of the token request, not for secrets. May be repeated
    #[arg(long = "oauth-extra", value_name = "NAME=VALUE", value_parser = pair)]
    pub oauth_extra: Vec<(String, String)>,
    /// The body of token requests: json or form
    #[arg(long, value_name = "FORMAT", value_parser = word::<TokenFormat>)]
    pub oauth_format: Option<TokenFormat>,
    /// The assertion for jwt_bearer, read again at every exchange
    #[arg(long, value_name = "F")]
    pub oauth_assertion_file: Option<String>,
    /// Read the client's secret from stdin
    #[arg(long, group = "stdin")]
    pub client_secret_stdin: bool,
    /// Read the client's secret from a file
    #[arg(long, value_name = "F", conflicts_with = "client_secret_stdin")]
    pub client_secret_file: Option<PathBuf>,
    /// Read tokens of a login that was made elsewhere from stdin: {"access_token", "refresh_token", "expires_in_s"}
    #[arg(long, group = "stdin")]
    pub tokens_stdin: bool,
    /// The same from a file
    #[arg(long, value_name = "F", conflicts_with = "tokens_stdin")]
    pub tokens_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct WebArgs {
    /// The web surface [default: https://claude.ai]
    #[arg(long, value_name = "URL")]
    pub web_base_url: Option<String>,
    /// Read the session cookie from stdin
    #[arg(long, group = "stdin")]
    pub cookie_stdin: bool,
    /// Read the session cookie from a file
    #[arg(long, value_name = "F", conflicts_with = "cookie_stdin")]
    pub cookie_file: Option<PathBuf>,
    /// Of several organisations, this one
    #[arg(long, value_name = "UUID")]
    pub web_organization: Option<String>,
    /// Keep conversations after their answer: true or false
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub preserve_chats: Option<bool>,
}

impl SettingsArgs {
    pub fn brings_api_key(&self) -> bool {
        self.api_key_stdin || self.api_key_file.is_some()
    }

    /// Reads the secrets.
    pub fn read(self) -> Result<AccountSettings, CliError> {
        let proxy = match self.proxy {
            Some(url) => Patch::Set(SecretText::from(url.as_str())),
            None => brought("proxy", self.proxy_stdin, self.proxy_file.as_deref())?,
        };
        Ok(AccountSettings {
            base_url: self.base_url.into(),
            auth: self.auth.into(),
            api_key: brought("API key", self.api_key_stdin, self.api_key_file.as_deref())?,
            headers: entries(self.headers),
            models: entries(self.models),
            concurrent: self.concurrent.into(),
            limits: Some(limits(self.limits))
                .filter(|limits| !limits.is_empty())
                .into(),
            preferred_auth: self.preferred_auth.into(),
            tokens: tokens(self.oauth.tokens_stdin, self.oauth.tokens_file.as_deref())?,
            oauth: self.oauth.read()?,
            web: self.web.read()?,
            group: self.group.into(),
            tags: list(self.tags),
            weight: self.weight.into(),
            priority: self.priority.into(),
            allow_models: list(self.allow_models),
            deny_models: list(self.deny_models),
            schedule: self.schedule.into(),
            reserve: self.reserve.map(Reserve::Text).into(),
            proxy,
            ca_file: self.ca_file.map(whole_path).into(),
        })
    }
}

impl OauthArgs {
    fn read(self) -> Result<Patch<OauthChange>, CliError> {
        let secret_file = self.client_secret_file.as_deref();
        let change = OauthChange {
            preset: self.oauth_preset,
            grant: self.oauth_grant.into(),
            token_url: self.oauth_token_url.into(),
            authorize_url: self.oauth_authorize_url.into(),
            redirect_uri: self.oauth_redirect_uri.into(),
            client_id: self.oauth_client_id.into(),
            client_secret: brought("client secret", self.client_secret_stdin, secret_file)?,
            scopes: list(self.oauth_scopes),
            extra: entries(self.oauth_extra),
            format: self.oauth_format.into(),
            assertion_file: self.oauth_assertion_file.map(whole_path).into(),
        };
        Ok(unless_empty(change))
    }
}

impl WebArgs {
    fn read(self) -> Result<Patch<WebChange>, CliError> {
        let change = WebChange {
            base_url: self.web_base_url.into(),
            cookie: brought("cookie", self.cookie_stdin, self.cookie_file.as_deref())?,
            organization: self.web_organization.into(),
            preserve_chats: self.preserve_chats.into(),
        };
        Ok(unless_empty(change))
    }
}

fn unless_empty<T: serde::Serialize>(change: T) -> Patch<T> {
    match serde_json::to_value(&change) {
        Ok(Value::Object(fields)) if fields.is_empty() => Patch::Keep,
        _ => Patch::Set(change),
    }
}

/// The gateway may work in another folder.
fn whole_path(file: String) -> String {
    match std::path::absolute(&file) {
        Ok(path) => path.display().to_string(),
        Err(_) => file,
    }
}

fn list(values: Vec<String>) -> Patch<Vec<String>> {
    Some(values).filter(|values| !values.is_empty()).into()
}

fn entries(pairs: Vec<(String, String)>) -> Patch<Entries> {
    let entries: Entries = pairs
        .into_iter()
        .map(|(name, value)| (name, Some(value)))
        .collect();
    Some(entries).filter(|entries| !entries.is_empty()).into()
}

fn brought(what: &str, stdin: bool, file: Option<&Path>) -> Result<Patch<SecretText>, CliError> {
    Ok(one_secret(what, stdin, file)?.map(SecretText).into())
}

fn one_secret(
    what: &str,
    stdin: bool,
    file: Option<&Path>,
) -> Result<Option<SecretString>, CliError> {
    match (file, stdin) {
        (Some(path), _) => secret::from_file(what, path).map(Some),
        (None, true) => secret::from_stdin(what).map(Some),
        (None, false) => Ok(None),
    }
}

fn tokens(stdin: bool, file: Option<&Path>) -> Result<Option<BroughtTokens>, CliError> {
    let Some(text) = one_secret("tokens", stdin, file)? else {
        return Ok(None);
    };
    // The parser's own message may quote one.
    let read = serde_json::from_str(text.expose_secret());
    read.map(Some).map_err(|_| {
        CliError::usage(
            "the tokens are one JSON object: {\"access_token\": …, \"refresh_token\": …, \"expires_in_s\": …}",
        )
    })
}

fn open_proxy(text: &str) -> Result<String, String> {
    if text.contains('@') {
        return Err(
            "a proxy with user and password comes by --proxy-file or --proxy-stdin: arguments are visible to every process"
                .to_owned(),
        );
    }
    Ok(text.to_owned())
}

/// One of the words of a setting.
fn word<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_value(Value::String(text.to_owned())).map_err(|error| error.to_string())
}

/// `settings` with `null` at each of `fields` (`oauth.client_id`).
pub(super) fn without(
    settings: AccountSettings,
    fields: &[String],
) -> Result<AccountSettings, CliError> {
    if fields.is_empty() {
        return Ok(settings);
    }
    let mut written = serde_json::to_value(&settings).map_err(CliError::failed)?;
    for field in fields {
        let mut at = &mut written;
        for part in field.split('.') {
            if !at.is_object() {
                *at = Value::Object(serde_json::Map::new());
            }
            at = &mut at[part];
        }
        if !at.is_null() {
            let message = format!("{field} is both given and unset; say one of them");
            return Err(CliError::usage(message));
        }
    }
    let wrong = |field: &String| {
        CliError::usage(format!(
            "there is no setting {field} that could be unset; see `troupe account show`"
        ))
    };
    let all = fields.first().cloned().unwrap_or_default();
    let read: AccountSettings = serde_json::from_value(written.clone()).map_err(|_| wrong(&all))?;
    let again = serde_json::to_value(&read).map_err(CliError::failed)?;
    match unread("", &written, &again) {
        Some(field) => Err(wrong(&field)),
        None => Ok(read),
    }
}

/// The first member of `given` that whoever read it did not know.
pub(super) fn unread(place: &str, given: &Value, read: &Value) -> Option<String> {
    let (given, read) = (given.as_object()?, read.as_object());
    given.iter().find_map(|(name, value)| {
        let here = match place {
            "" => name.clone(),
            place => format!("{place}.{name}"),
        };
        match read.and_then(|read| read.get(name)) {
            Some(read) => unread(&here, value, read),
            None => Some(here),
        }
    })
}
