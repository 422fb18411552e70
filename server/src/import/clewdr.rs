//! `clewdr`: one TOML file, in the shapes that its versions wrote.
//!
//! ```text
//! 2025  cookie_array = ["…"]                       | [{ cookie, type | model | reset_time }], wasted_cookie = ["…"]
//! later [[cookie_array]] cookie, reset_time, token { access_token, refresh_token, organization { uuid }, expires_at },
//!       usage counters; [[wasted_cookie]] cookie, reason ("Banned" | { Restricted = 1750000000 })
//! ```
//! Invariant: a cookie is one account, however often it stands there; what had been put aside is named and stays behind.

use std::collections::HashSet;

use secrecy::{ExposeSecret, SecretString};
use troupe_storage::crypt::check_brought;

use super::checks;
use super::error::ImportError;
use super::fields::Fields;
use super::names::{Names, digest, stored};
use super::notes::Notes;
use super::plan::{ImportPlan, ImportedAccount, ImportedKey, ImportedOauth};
use super::read;
use super::tree::Tree;

const SOURCE: &str = "clewdr.toml";
const PLACE: &str = "clewdr.toml: ";

/// Settings with no counterpart in an account or a key.
const LEFT: &[(&[&str], &str)] = &[
    (
        &["ip", "port"],
        "set server.bind in troupe.yaml, if it shall listen there",
    ),
    (
        &["admin_password"],
        "administers clewdr; administration is by `troupe` on the gateway's own machine",
    ),
    (
        &[
            "check_update",
            "auto_update",
            "no_fs",
            "log_to_file",
            "local_tunnel",
            "cookie_index",
            "cookie_counter",
            "max_cons_requests",
            "wait_time",
            "buffer_size",
            "system_interval",
            "unknown_models",
            "enable_oai",
            "pass_params",
            "settings",
            "trusted_proxies",
        ],
        "has no counterpart here",
    ),
    (&["max_retries"], "set routing.max_attempts in troupe.yaml"),
    (
        &["cache_response", "not_hash_system", "not_hash_last_n"],
        "responses are not cached in this version",
    ),
    (
        &[
            "web_search",
            "enable_web_count_tokens",
            "sanitize_messages",
            "enable_1m_sonnet",
            "enable_1m_opus",
            "custom_system",
        ],
        "changes requests; this gateway sends them as they come",
    ),
    (
        &[
            "skip_first_warning",
            "skip_second_warning",
            "skip_warning",
            "skip_restricted",
            "skip_non_pro",
            "skip_rate_limit",
            "skip_normal_pro",
        ],
        "chose which cookies clewdr used; switch accounts off with `troupe account disable`",
    ),
    (
        &[
            "use_real_roles",
            "custom_h",
            "custom_a",
            "custom_prompt",
            "padtxt_file",
            "padtxt_len",
            "placeholder_token",
            "placeholder_byte",
            "prompt_experiment_first",
            "prompt_experiment_next",
            "personality_format",
            "scenario_format",
        ],
        "shapes prompts of the web surface as clewdr does; this gateway builds them without such settings",
    ),
    (
        &[
            "gemini_keys",
            "vertex",
            "cli_tokens",
            "codex_auth",
            "api_rproxy",
        ],
        "is for an upstream that does not speak the Messages API",
    ),
    (
        &["cookie_array_enc", "wasted_cookie_enc"],
        "is encrypted by a variant of clewdr; export it there in the clear first",
    ),
];

const USAGE: [&str; 14] = [
    "session_usage",
    "weekly_usage",
    "weekly_sonnet_usage",
    "weekly_opus_usage",
    "lifetime_usage",
    "session_resets_at",
    "weekly_resets_at",
    "weekly_sonnet_resets_at",
    "weekly_opus_resets_at",
    "resets_last_checked_at",
    "session_has_reset",
    "weekly_has_reset",
    "weekly_sonnet_has_reset",
    "weekly_opus_has_reset",
];

/// Reads `clewdr.toml` (older versions: `config.toml`).
///
/// # Errors
/// It is no TOML at all.
pub fn clewdr(toml: &str) -> Result<ImportPlan, ImportError> {
    let tree = read::toml(SOURCE, toml)?;
    let notes = Notes::default();
    let Some(mut fields) = Fields::of(PLACE, PLACE, &tree, &notes) else {
        return Err(ImportError::new(SOURCE, "is no table of settings"));
    };
    let mut plan = ImportPlan::default();
    let common = Common::read(&mut fields);
    let mut reader = Cookies {
        notes: &notes,
        common,
        names: Names::default(),
        seen: HashSet::new(),
        accounts: Vec::new(),
    };
    if let Some(text) = fields.text("cookie") {
        reader.bare(format!("{PLACE}cookie"), text, fields.place());
    }
    for (at, item) in fields.list("cookie_array").iter().enumerate() {
        reader.item(&format!("{PLACE}cookie_array[{at}]"), item);
    }
    plan.accounts = reader.accounts;
    for (at, item) in fields.list("wasted_cookie").iter().enumerate() {
        wasted(&format!("{PLACE}wasted_cookie[{at}]"), item, &notes);
    }
    for name in ["password", "proxy_password"] {
        plan.keys.extend(password(&mut fields, name));
    }
    for (names, why) in LEFT {
        fields.leave(names, why);
    }
    fields.finish();
    plan.notes = notes.finish();
    Ok(plan)
}

/// The password all clients shared.
fn password(fields: &mut Fields<'_, '_>, name: &str) -> Option<ImportedKey> {
    let text = fields.text(name)?;
    if let Err(error) = check_brought(text) {
        let why = format!("cannot be a key here ({error}); give its users a new one");
        fields.notes.left(fields.at(name), why);
        return None;
    }
    let why =
        "the password of all clients became one key; give each user one of their own when you can";
    fields.notes.taken(fields.at(name), why);
    let source_id = format!("clewdr:key:{}", digest(&[text]));
    Some(ImportedKey::plain(
        format!("clewdr-{}", name.replace('_', "-")),
        source_id,
        text,
    ))
}

/// What holds for every account.
#[derive(Debug)]
struct Common {
    proxy: Option<SecretString>,
    web_base_url: Option<String>,
    preserve_chats: bool,
    client_id: Option<String>,
}

impl Common {
    fn read(fields: &mut Fields<'_, '_>) -> Self {
        let proxy = fields.text("proxy").map(checks::proxy);
        let proxy = proxy.and_then(|proxy| {
            proxy
                .map_err(|why| fields.notes.left(fields.at("proxy"), why))
                .ok()
        });
        let web_base_url = fields.text("rproxy").map(checks::base_url);
        let web_base_url = web_base_url.and_then(|url| {
            url.map_err(|why| fields.notes.left(fields.at("rproxy"), why))
                .ok()
        });
        Self {
            proxy,
            web_base_url: web_base_url.filter(|url| url != "https://claude.ai"),
            preserve_chats: fields.flag("preserve_chats").unwrap_or_default(),
            client_id: fields.text("claude_code_client_id").map(str::to_owned),
        }
    }
}

struct Cookies<'n> {
    notes: &'n Notes,
    common: Common,
    names: Names,
    seen: HashSet<String>,
    accounts: Vec<ImportedAccount>,
}

impl Cookies<'_> {
    fn item(&mut self, place: &str, item: &Tree) {
        if let Some(text) = item.text() {
            return self.bare(place.to_owned(), text, place);
        }
        let kind = format!("{PLACE}cookie_array[]");
        let Some(mut fields) = Fields::of(place, &kind, item, self.notes) else {
            return;
        };
        let cookie = fields.text("cookie").map(checks::session_cookie);
        let oauth = fields.inner("token").and_then(|token| self.token(token));
        fields.leave(
            &["reset_time"],
            "not carried over: a limit that still stands is learnt from the upstream's next answer",
        );
        fields.leave(
            &USAGE,
            "not carried over: what an account has used is counted anew",
        );
        fields.leave(
            &["type", "model", "allowance", "count_tokens_allowed"],
            "not carried over: what an account may do is learnt from its answers",
        );
        fields.finish();
        match cookie {
            Some(Ok(cookie)) => self.account(place, cookie, oauth),
            Some(Err(why)) => self.notes.left(place, why),
            None => self.notes.left(place, "has no cookie"),
        }
    }

    fn bare(&mut self, what: String, text: &str, place: &str) {
        match checks::session_cookie(text) {
            Ok(cookie) => self.account(place, cookie, None),
            Err(why) => self.notes.left(what, why),
        }
    }

    fn account(
        &mut self,
        place: &str,
        cookie: SecretString,
        oauth: Option<(ImportedOauth, Option<String>)>,
    ) {
        let id = digest(&[cookie.expose_secret()]);
        if !self.seen.insert(id.clone()) {
            return self
                .notes
                .left(place, "is a cookie that stands there twice");
        }
        let (oauth, organization) = match oauth {
            Some((oauth, organization)) => (Some(oauth), organization),
            None => (None, None),
        };
        self.accounts.push(ImportedAccount {
            name: self.names.give(
                &format!("clewdr-{}", id.get(..8).unwrap_or(&id)),
                "clewdr",
                &id,
            ),
            source_id: format!("clewdr:cookie:{id}"),
            oauth,
            web_cookie: Some(cookie),
            organization,
            web_base_url: self.common.web_base_url.clone(),
            proxy: self.common.proxy.clone(),
            preserve_chats: self.common.preserve_chats,
            enabled: true,
            ..ImportedAccount::default()
        });
    }

    /// The tokens, and the organisation they belong to.
    fn token(&self, mut fields: Fields<'_, '_>) -> Option<(ImportedOauth, Option<String>)> {
        let access_token = fields.secret("access_token");
        let refresh_token = fields.secret("refresh_token");
        let expires_at_ms = fields.number("expires_at").and_then(checks::milliseconds);
        let organization = fields.inner("organization").and_then(|mut organization| {
            let uuid = organization.text("uuid");
            let uuid = uuid.map(|uuid| stored(uuid, "organization"));
            organization.finish();
            uuid
        });
        // How long it was to live says nothing beside when it ends.
        fields.pass(&["expires_in"]);
        let Some(access_token) = access_token else {
            fields.notes.left(
                fields.at("access_token"),
                "is missing; log the account in again",
            );
            return None;
        };
        if refresh_token.is_some() {
            let why = "is spent by its first use: stop clewdr before this gateway serves with it";
            fields
                .notes
                .taken(format!("{PLACE}cookie_array[].token.refresh_token"), why);
        }
        fields.finish();
        let oauth = ImportedOauth {
            access_token,
            refresh_token,
            expires_at_ms,
            client_id: self.common.client_id.clone(),
            token_url: None,
        };
        Some((oauth, organization))
    }
}

/// A cookie that clewdr had stopped using. Its reason is a word, or a word with a time.
fn wasted(place: &str, item: &Tree, notes: &Notes) {
    let reason = match item {
        Tree::Map(entries) => entries.iter().find(|(name, _)| name == "reason"),
        _ => None,
    };
    let word = match reason.map(|(_, reason)| reason) {
        Some(Tree::Text(word)) => Some(word.expose_secret()),
        Some(Tree::Map(entries)) => entries.first().map(|(word, _)| word.as_str()),
        _ => None,
    };
    let word =
        word.filter(|word| word.len() <= 20 && word.bytes().all(|byte| byte.is_ascii_alphabetic()));
    let because = word.map(|word| format!(" ({word})")).unwrap_or_default();
    notes.left(
        place,
        format!(
            "clewdr had put this cookie aside{because}; add the account anew if it works again"
        ),
    );
}
