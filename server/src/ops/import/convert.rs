//! From the plan of a source to items.
//!
//! Invariant: every part of the plan becomes a part of an item or a note of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use secrecy::{ExposeSecret, SecretString};

use super::super::accounts::{AccountSettings, AddAccount, BroughtTokens, OauthChange, WebChange};
use super::super::patch::Patch;
use super::super::secret_json::SecretText;
use super::{ImportAccount, ImportKey};
use crate::account_rules::headers;
use crate::import::{ImportPlan, ImportedAccount, ImportedKey, ImportedOauth, KeySecret};

/// Whose endpoints stand in where a source does not say which it used.
const PRESET: &str = "claude_platform";

/// How imported tokens are renewed, where the source does not say.
#[derive(Clone, Debug, Default)]
pub struct OauthDefaults {
    pub preset: Option<String>,
    pub token_url: Option<String>,
    pub client_id: Option<String>,
}

/// The items of a plan. Its notes stay with it.
#[must_use]
pub fn items(plan: &ImportPlan, oauth: &OauthDefaults) -> (Vec<ImportAccount>, Vec<ImportKey>) {
    let accounts = plan.accounts.iter();
    (
        accounts
            .map(|account| self::account(account, oauth))
            .collect(),
        plan.keys.iter().map(key).collect(),
    )
}

fn account(account: &ImportedAccount, defaults: &OauthDefaults) -> ImportAccount {
    let mut notes = Vec::new();
    let (oauth, tokens) = match &account.oauth {
        Some(oauth) => tokens(oauth, defaults, &mut notes),
        None => (Patch::Keep, None),
    };
    let kind = match (&account.api_key, &tokens) {
        (Some(_), _) => "api_key",
        (None, Some(_)) => "oauth",
        (None, None) => "web_session",
    };
    let named = |names: &BTreeMap<String, String>| {
        let entries = names.iter();
        entries
            .map(|(name, value)| (name.clone(), Some(value.clone())))
            .collect()
    };
    let headers = plain_headers(&account.headers, &mut notes);
    let settings = AccountSettings {
        base_url: account.base_url.clone().into(),
        auth: Patch::Set(account.auth),
        api_key: secret(&account.api_key),
        headers: Patch::Set(named(&headers)),
        models: Patch::Set(named(&account.models)),
        concurrent: account.concurrent.into(),
        preferred_auth: Patch::Set(account.preferred_auth),
        oauth,
        tokens,
        web: web(account, &mut notes),
        group: account.group.clone().into(),
        tags: Patch::Set(account.tags.clone()),
        proxy: secret(&account.proxy),
        ..AccountSettings::default()
    };
    ImportAccount {
        source_id: account.source_id.clone(),
        enabled: account.enabled,
        account: AddAccount {
            name: account.name.clone(),
            kind: kind.to_owned(),
            settings,
        },
        notes,
    }
}

fn secret(secret: &Option<SecretString>) -> Patch<SecretText> {
    secret.clone().map(SecretText::from).into()
}

fn tokens(
    oauth: &ImportedOauth,
    defaults: &OauthDefaults,
    notes: &mut Vec<String>,
) -> (Patch<OauthChange>, Option<BroughtTokens>) {
    let client_id = oauth
        .client_id
        .clone()
        .or_else(|| defaults.client_id.clone());
    if oauth.refresh_token.is_none() {
        notes.push(
            "its access token stays behind: without a refresh token it would end within hours; log in with `troupe account login`"
                .to_owned(),
        );
        return (Patch::Keep, None);
    }
    if client_id.is_none() {
        notes.push(
            "the client of its tokens is not known: they serve to their end, then give `--oauth-client-id` to `troupe account update` and log in; or import again with `--client-id`"
                .to_owned(),
        );
    }
    let token_url = oauth
        .token_url
        .clone()
        .or_else(|| defaults.token_url.clone());
    let preset = defaults.preset.clone();
    let change = OauthChange {
        preset: preset.or_else(|| token_url.is_none().then(|| PRESET.to_owned())),
        token_url: token_url.into(),
        client_id: client_id.into(),
        ..OauthChange::default()
    };
    let tokens = BroughtTokens {
        access_token: Some(SecretText(oauth.access_token.clone())),
        refresh_token: oauth.refresh_token.clone().map(SecretText),
        expires_at_ms: oauth.expires_at_ms,
        expires_in_s: None,
    };
    (Patch::Set(change), Some(tokens))
}

fn web(account: &ImportedAccount, notes: &mut Vec<String>) -> Patch<WebChange> {
    let Some(cookie) = &account.web_cookie else {
        return Patch::Keep;
    };
    let is_id = |id: &&String| {
        (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let organization = account.organization.as_ref();
    if organization.is_some_and(|id| !is_id(&id)) {
        notes.push(
            "its organisation is none that the web surface knows; it is found anew".to_owned(),
        );
    }
    Patch::Set(WebChange {
        base_url: account.web_base_url.clone().into(),
        cookie: Patch::Set(SecretText(cookie.clone())),
        organization: organization.filter(is_id).cloned().into(),
        preserve_chats: Patch::Set(account.preserve_chats),
    })
}

/// Headers are stored in clear, so none comes along that may be a credential.
fn plain_headers(
    given: &BTreeMap<String, SecretString>,
    notes: &mut Vec<String>,
) -> BTreeMap<String, String> {
    const SECRET: [&str; 6] = ["key", "token", "auth", "secret", "cookie", "pass"];
    let mut plain = BTreeMap::new();
    for (name, value) in given {
        let lower = name.to_ascii_lowercase();
        let one = BTreeMap::from([(name.clone(), value.expose_secret().to_owned())]);
        if SECRET.iter().any(|word| lower.contains(word)) {
            notes.push(format!(
                "its header {name} stays behind: headers are stored in clear, and it may be a credential; set it with `troupe account update` if it is none"
            ));
        } else if let Err(why) = headers::headers(&one) {
            notes.push(format!("a header stays behind: {why}"));
        } else {
            plain.extend(one);
        }
    }
    plain
}

fn key(key: &ImportedKey) -> ImportKey {
    let (secret, sha256) = match &key.secret {
        KeySecret::Plain(secret) => (Some(SecretText(secret.clone())), None),
        KeySecret::Sha256(hash) => (None, Some(SecretText(hex(hash).into()))),
    };
    ImportKey {
        source_id: key.source_id.clone(),
        name: key.name.clone(),
        secret,
        sha256,
        owner: key.owner.clone(),
        group: key.group.clone(),
        expires_ms: key.expires_ms,
        enabled: key.enabled,
        models: key.models.clone(),
        limits: key.limits.clone(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
