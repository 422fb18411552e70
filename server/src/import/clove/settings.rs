//! `config.json`: what concerns accounts and keys is taken, the rest is named.
//!
//! Invariant: settings of clove's own server change nothing here.

use secrecy::SecretString;
use troupe_storage::crypt::check_brought;

use super::super::checks;
use super::super::error::ImportError;
use super::super::fields::Fields;
use super::super::names::{Names, digest};
use super::super::notes::Notes;
use super::super::plan::{ImportPlan, ImportedAccount, ImportedKey, KeySecret};
use super::super::tree::Tree;

pub(super) const CONFIG: &str = "config.json";

/// Fields of `config.json` that have a counterpart only in this gateway's own configuration, or none.
const LEFT: &[(&[&str], &str)] = &[
    (
        &["host", "port"],
        "set server.bind in troupe.yaml, if it shall listen there",
    ),
    (
        &[
            "data_folder",
            "locales_folder",
            "static_folder",
            "default_language",
            "no_filesystem_mode",
        ],
        "has no counterpart here; see storage.url in troupe.yaml",
    ),
    (
        &[
            "retry_attempts",
            "retry_interval",
            "request_retries",
            "request_retry_interval",
        ],
        "set routing.max_attempts and routing.max_elapsed in troupe.yaml",
    ),
    (
        &["request_timeout"],
        "set the timeouts of `streaming` in troupe.yaml",
    ),
    (
        &[
            "custom_prompt",
            "use_real_roles",
            "human_name",
            "assistant_name",
            "pad_tokens",
            "padtxt_length",
        ],
        "shapes prompts of the web surface as clove does; this gateway builds them without such settings",
    ),
    (
        &["allow_external_images"],
        "this gateway fetches no URL that a client names",
    ),
    (
        &[
            "log_level",
            "log_to_file",
            "log_file_path",
            "log_file_rotation",
            "log_file_retention",
            "log_file_compression",
        ],
        "set telemetry.log in troupe.yaml; logs go to the standard output",
    ),
    (
        &[
            "session_timeout",
            "session_cleanup_interval",
            "tool_call_timeout",
            "tool_call_cleanup_interval",
        ],
        "set sessions.idle_timeout in troupe.yaml",
    ),
    (
        &["max_sessions_per_cookie"],
        "set `concurrent` of an account, which bounds its requests at the same time",
    ),
    (
        &[
            "account_task_interval",
            "cache_timeout",
            "cache_cleanup_interval",
        ],
        "has no counterpart here",
    ),
    (
        &["oauth_authorize_url", "oauth_redirect_uri"],
        "concerns the next login only; set it with the account's login",
    ),
    (
        &["max_models"],
        "which models an account serves is learnt from its answers, or set as its model rules",
    ),
];

/// What of the configuration holds for every account.
#[derive(Debug, Default)]
pub(super) struct Settings {
    pub cookies: Vec<SecretString>,
    proxy: Option<SecretString>,
    base_url: Option<String>,
    web_base_url: Option<String>,
    preserve_chats: bool,
    client_id: Option<String>,
    token_url: Option<String>,
}

impl Settings {
    /// Keys of clients go into `plan`.
    pub fn read(config: &Tree, notes: &Notes, plan: &mut ImportPlan) -> Result<Self, ImportError> {
        let place = format!("{CONFIG}: ");
        let Some(mut fields) = Fields::of(&place, &place, config, notes) else {
            let reason = "is no object of settings; give the config.json of clove's data folder";
            return Err(ImportError::new(CONFIG, reason));
        };
        plan.keys = client_keys(&mut fields);
        let settings = Self {
            cookies: cookies(&mut fields),
            proxy: checked(&mut fields, "proxy_url", checks::proxy),
            base_url: checked(&mut fields, "claude_api_baseurl", checks::api_base).flatten(),
            web_base_url: checked(&mut fields, "claude_ai_url", checks::base_url)
                .filter(|url| url != "https://claude.ai"),
            preserve_chats: fields.flag("preserve_chats").unwrap_or_default(),
            client_id: fields.text("oauth_client_id").map(str::to_owned),
            token_url: checked(&mut fields, "oauth_token_url", checks::base_url),
        };
        for (names, why) in LEFT {
            fields.leave(names, why);
        }
        fields.finish();
        Ok(settings)
    }

    pub fn apply(&self, account: &mut ImportedAccount) {
        account.proxy = self.proxy.clone();
        account.base_url = self.base_url.clone();
        account.web_base_url = self.web_base_url.clone();
        account.preserve_chats = self.preserve_chats;
        if let Some(oauth) = &mut account.oauth {
            oauth.client_id = self.client_id.clone();
            oauth.token_url = self.token_url.clone();
        }
    }
}

fn checked<T>(
    fields: &mut Fields<'_, '_>,
    name: &str,
    check: impl Fn(&str) -> Result<T, &'static str>,
) -> Option<T> {
    let text = fields.text(name)?;
    check(text)
        .map_err(|why| fields.notes.left(fields.at(name), why))
        .ok()
}

fn cookies(fields: &mut Fields<'_, '_>) -> Vec<SecretString> {
    let mut cookies = Vec::new();
    for (at, text) in fields.texts_or_commas("cookies").into_iter().enumerate() {
        match checks::session_cookie(text) {
            Ok(cookie) => cookies.push(cookie),
            Err(why) => fields.notes.left(format!("{CONFIG}: cookies[{at}]"), why),
        }
    }
    cookies
}

fn client_keys(fields: &mut Fields<'_, '_>) -> Vec<ImportedKey> {
    let mut names = Names::default();
    let mut keys: Vec<ImportedKey> = Vec::new();
    for (at, text) in fields.texts_or_commas("api_keys").into_iter().enumerate() {
        let place = format!("{CONFIG}: api_keys[{at}]");
        if let Err(error) = check_brought(text) {
            fields
                .notes
                .left(place, format!("{error}; give its users a new key"));
            continue;
        }
        let id = digest(&[text]);
        let source_id = format!("clove:key:{id}");
        if keys.iter().any(|key| key.source_id == source_id) {
            fields.notes.left(place, "stands there twice");
            continue;
        }
        keys.push(ImportedKey::plain(
            names.give(
                &format!("clove-{}", id.get(..8).unwrap_or(&id)),
                "clove",
                &id,
            ),
            source_id,
            text,
        ));
    }
    let admin_keys = fields.texts_or_commas("admin_api_keys").len();
    if admin_keys > 0 {
        let why = "administer clove; here that is done on the gateway's own machine. If a client used one, add it with `troupe key create NAME --secret-stdin`";
        fields.notes.left(format!("{CONFIG}: admin_api_keys"), why);
    }
    keys
}

impl ImportedKey {
    /// An enabled key without limits.
    pub(in super::super) fn plain(name: String, source_id: String, secret: &str) -> Self {
        Self {
            name,
            source_id,
            secret: KeySecret::Plain(secret.into()),
            owner: None,
            group: None,
            expires_ms: None,
            enabled: true,
            models: None,
            limits: std::collections::BTreeMap::new(),
        }
    }
}
