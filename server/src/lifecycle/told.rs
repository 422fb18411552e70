//! What the audit trail is told of the process itself: its start, its end, and its configuration.
//!
//! Invariant: secrets are shown as they are in `troupe config show`; where only they differ, that is said.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use troupe_core::audit::AuditStatus;
use troupe_storage::audit::Entry;

use crate::audit::Audit;
use crate::config::Config;

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
