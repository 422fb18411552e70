//! What the audit trail is told of the process itself: its start, its end, and its configuration.
//!
//! Invariant: secrets are shown as they are in `troupe config show`; of one that changed it is said that it did, and
//! nothing else.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use troupe_core::audit::AuditStatus;
use troupe_storage::audit::Entry;

use crate::audit::Audit;
use crate::config::{Config, Secret};

fn now_ms() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or_default()
}

/// The line follows when it cannot be written now.
async fn tell(audit: &Audit, entry: Entry) {
    if let Err(error) = audit.tell(entry).await {
        tracing::error!(%error, "the audit trail is told later");
    }
}

pub(super) async fn started(audit: &Audit, address: &str) {
    let mut line = Entry::new(now_ms(), "system", "gateway.started", "gateway");
    line.after = Some(json!({ "version": env!("CARGO_PKG_VERSION"), "address": address }));
    tell(audit, line).await;
}

/// `clean`: nothing was cut short.
pub(super) async fn stopped(audit: &Audit, clean: bool) {
    let mut line = Entry::new(now_ms(), "system", "gateway.stopped", "gateway");
    line.after = Some(json!({ "clean": clean }));
    tell(audit, line).await;
}

pub(super) async fn reloaded(
    audit: &Audit,
    before: &Config,
    after: &Config,
    needs_restart: &[&'static str],
) {
    let mut line = Entry::new(now_ms(), "config", "config.reloaded", "config");
    let (met, mut left) = difference(before, after);
    for path in changed_secrets(before, after) {
        left.entry(path).or_insert_with(|| "changed".into());
    }
    if met.is_empty() && left.is_empty() {
        left.insert("secrets".into(), "changed".into());
    }
    if !needs_restart.is_empty() {
        line.reason = Some(format!("needs a restart: {}", needs_restart.join(", ")));
    }
    line.before = Some(Value::Object(met));
    line.after = Some(Value::Object(left));
    tell(audit, line).await;
}

pub(super) async fn rejected(audit: &Audit, errors: &str) {
    let mut line = Entry::new(now_ms(), "config", "config.rejected", "config");
    line.status = Some(AuditStatus::Failed);
    line.reason = Some(errors.to_owned());
    tell(audit, line).await;
}

/// By path, as `server.drain.max`: what the two do not have in common.
fn difference(before: &Config, after: &Config) -> (Map<String, Value>, Map<String, Value>) {
    let (before, after) = (leaves(before), leaves(after));
    let only = |one: &BTreeMap<String, Value>, other: &BTreeMap<String, Value>| {
        let differs = |(path, value): &(&String, &Value)| other.get(*path) != Some(*value);
        let kept = one.iter().filter(differs);
        kept.map(|(path, value)| (path.clone(), value.clone()))
            .collect()
    };
    (only(&before, &after), only(&after, &before))
}

/// By path, the secrets that both have and that are not the same; those of a new account or key come with it.
fn changed_secrets(before: &Config, after: &Config) -> Vec<String> {
    let before = secrets(before);
    let changed = secrets(after).into_iter().filter(|(path, secret)| {
        let was = before.get(path);
        was.is_some_and(|was| was.expose() != secret.expose())
    });
    changed.map(|(path, _)| path).collect()
}

fn secrets(config: &Config) -> BTreeMap<String, &Secret> {
    let mut all: Vec<(String, Option<&Secret>)> =
        vec![("secrets.key".into(), config.secrets.key.as_ref())];
    for key in &config.keys {
        all.push((format!("keys.{}.secret", key.name), key.secret.as_ref()));
    }
    for account in &config.accounts {
        let oauth = account.oauth.as_ref();
        let own = [
            ("api_key", account.api_key.as_ref()),
            ("proxy", account.proxy.as_ref()),
            (
                "oauth.client_secret",
                oauth.and_then(|o| o.client_secret.as_ref()),
            ),
            (
                "oauth.refresh_token",
                oauth.and_then(|o| o.refresh_token.as_ref()),
            ),
            (
                "web.cookie",
                account.web.as_ref().and_then(|w| w.cookie.as_ref()),
            ),
        ];
        let path = |of: &str| format!("accounts.{}.{of}", account.name);
        all.extend(own.map(|(of, secret)| (path(of), secret)));
        let headers = account.headers.iter();
        all.extend(headers.map(|(name, value)| (path(&format!("headers.{name}")), Some(value))));
    }
    let set = all.into_iter();
    set.filter_map(|(path, secret)| Some((path, secret?)))
        .collect()
}

fn leaves(config: &Config) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    // Plain structs with text keys: nothing here can fail.
    walk(
        String::new(),
        serde_json::to_value(config).unwrap_or_default(),
        &mut found,
    );
    found
}

fn walk(path: String, value: Value, found: &mut BTreeMap<String, Value>) {
    let below = |step: &str| match path.as_str() {
        "" => step.to_owned(),
        path => format!("{path}.{step}"),
    };
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                walk(below(&name), value, found);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (index, item) in items.into_iter().enumerate() {
                // By its name where it has one: an insertion is not a change of all that follow.
                let name = item.get("name").and_then(Value::as_str);
                let step = name.map_or_else(|| index.to_string(), str::to_owned);
                walk(below(&step), item, found);
            }
        }
        leaf => {
            found.insert(path, leaf);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Account, Key};

    #[test]
    fn a_changed_secret_is_marked_beside_whatever_else_changed() {
        let config = |ci: &str, other: &str, api_key: &str, header: &str| {
            let keys = [("ci", ci), ("other", other)].map(|(name, secret)| {
                let key = serde_json::from_value::<Key>(json!({ "name": name }));
                let mut key = key.expect("a key");
                key.secret = Some(Secret::new(secret));
                key
            });
            let mut main = Account::with_api_key("main", Secret::new(api_key));
            main.headers.insert("x-h".into(), Secret::new(header));
            Config {
                keys: keys.into(),
                accounts: vec![main],
                ..Config::default()
            }
        };
        let before = config("first-secret", "same", "sk-first", "h-first");
        for (mut after, marked) in [
            (
                config("other-secret", "same", "sk-first", "h-first"),
                vec!["keys.ci.secret"],
            ),
            (
                config("first-secret", "same", "sk-other", "h-other"),
                vec!["accounts.main.api_key", "accounts.main.headers.x-h"],
            ),
            (
                config("first-secret", "same", "sk-first", "h-first"),
                vec![],
            ),
        ] {
            after.limits.enabled = !before.limits.enabled;
            assert_eq!(changed_secrets(&before, &after), marked);
        }
    }

    #[test]
    fn a_change_is_told_by_its_path() {
        let before = Config::default();
        let mut after = before.clone();
        after.limits.enabled = !before.limits.enabled;
        let (met, left) = difference(&before, &after);
        assert_eq!(met.len(), 1, "{met:?}");
        assert_eq!(left["limits.enabled"], Value::Bool(after.limits.enabled));
    }
}
