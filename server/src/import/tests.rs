//! Golden inputs, written after the sources' formats with made-up secrets, and hostile ones.

mod clewdr;
mod clove;
mod database;
mod hostile;
mod litellm;
mod secrecy;

use ::secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::plan::{ImportPlan, KeySecret};

/// A plan with its secrets, for comparison with what is expected.
fn shown(plan: &ImportPlan) -> Value {
    let secret =
        |secret: &Option<SecretString>| secret.as_ref().map(|s| s.expose_secret().to_owned());
    let accounts = plan.accounts.iter().map(|account| {
        let oauth = account.oauth.as_ref().map(|oauth| {
            json!({
                "access_token": oauth.access_token.expose_secret(),
                "refresh_token": secret(&oauth.refresh_token),
                "expires_at_ms": oauth.expires_at_ms,
                "client_id": oauth.client_id,
                "token_url": oauth.token_url,
            })
        });
        let headers = account
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), value.expose_secret().into()));
        sparse(json!({
            "name": account.name,
            "source_id": account.source_id,
            "api_key": secret(&account.api_key),
            "auth": account.auth,
            "oauth": oauth.map(sparse),
            "web_cookie": secret(&account.web_cookie),
            "organization": account.organization,
            "preferred_auth": account.preferred_auth,
            "base_url": account.base_url,
            "web_base_url": account.web_base_url,
            "proxy": secret(&account.proxy),
            "headers": headers.collect::<serde_json::Map<_, _>>(),
            "models": account.models,
            "concurrent": account.concurrent,
            "enabled": account.enabled,
            "preserve_chats": account.preserve_chats,
            "group": account.group,
            "tags": account.tags,
        }))
    });
    let keys = plan.keys.iter().map(|key| {
        let secret = match &key.secret {
            KeySecret::Plain(secret) => secret.expose_secret().to_owned(),
            KeySecret::Sha256(hash) => format!("sha256:{}", super::names::hex(hash)),
        };
        sparse(json!({
            "name": key.name,
            "source_id": key.source_id,
            "secret": secret,
            "owner": key.owner,
            "group": key.group,
            "expires_ms": key.expires_ms,
            "enabled": key.enabled,
            "models": key.models,
            "limits": key.limits,
        }))
    });
    json!({
        "accounts": accounts.collect::<Vec<_>>(),
        "keys": keys.collect::<Vec<_>>(),
        "notes": notes(plan),
    })
}

/// One line per note; what stays behind has a `-`.
fn notes(plan: &ImportPlan) -> Vec<String> {
    let line = |note: &super::Note| {
        let sign = if note.taken { '+' } else { '-' };
        format!("{sign} {}: {}", note.what, note.why)
    };
    plan.notes.iter().map(line).collect()
}

/// Without what is absent or empty.
fn sparse(value: Value) -> Value {
    let Value::Object(entries) = value else {
        return value;
    };
    let holds = |value: &Value| match value {
        Value::Null | Value::Bool(false) => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(entries) => !entries.is_empty(),
        _ => true,
    };
    entries
        .into_iter()
        .filter(|(_, value)| holds(value))
        .collect()
}

/// Is there a note that stays behind and contains `part`?
fn left(plan: &ImportPlan, part: &str) -> bool {
    notes(plan)
        .iter()
        .any(|note| note.starts_with('-') && note.contains(part))
}
