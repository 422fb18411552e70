//! A key and an account as lines of the audit trail show them.
//!
//! Invariant: made of fields that hold no secret; of a sealed credential only a mark by which it is seen to be another.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use troupe_core::account::{
    AccountKind, AccountRecord, AuthScheme, PreferredAuth, SecretName, WebSettings,
};
use troupe_core::key::KeyRecord;

use super::super::accounts::OauthInfo;
use super::super::keys::KeyInfo;
use super::super::limits::{self, Limits};
use super::super::now_ms;

/// Every change moves it.
const UNTOLD: [&str; 1] = ["updated_at"];

pub(in super::super) fn told_key(record: &KeyRecord) -> Value {
    let mut value = object(&KeyInfo::new(record, false, now_ms()));
    value.insert("enabled".into(), record.enabled.into());
    Value::Object(value)
}

#[derive(Serialize)]
struct AccountTold<'a> {
    name: &'a str,
    kind: AccountKind,
    base_url: &'a str,
    auth: AuthScheme,
    /// Names only.
    headers: Vec<&'a String>,
    models: &'a BTreeMap<String, String>,
    concurrent: Option<u32>,
    limits: Limits,
    enabled: bool,
    preferred_auth: PreferredAuth,
    oauth: Option<OauthInfo>,
    web: Option<WebTold<'a>>,
    group: Option<&'a str>,
    tags: &'a [String],
    weight: u32,
    priority: u32,
    allow_models: Vec<String>,
    deny_models: Vec<String>,
    schedule: Option<String>,
    reserve_percent: Option<u8>,
    ca_file: Option<&'a str>,
    imported_from: Option<&'a str>,
    /// What is sealed, by a mark.
    credentials: BTreeMap<SecretName, String>,
    api_key: Option<String>,
}

#[derive(Serialize)]
struct WebTold<'a> {
    base_url: &'a str,
    organization: Option<&'a str>,
    preserve_chats: bool,
}

impl<'a> From<&'a WebSettings> for WebTold<'a> {
    fn from(web: &'a WebSettings) -> Self {
        Self {
            base_url: &web.base_url,
            organization: web.organization.as_deref(),
            preserve_chats: web.preserve_chats,
        }
    }
}

pub(in super::super) fn told_account(record: &AccountRecord) -> Value {
    let texts = |patterns: &[troupe_core::models::Pattern]| {
        patterns.iter().map(ToString::to_string).collect()
    };
    Value::Object(object(&AccountTold {
        name: &record.name,
        kind: record.kind,
        base_url: &record.base_url,
        auth: record.auth,
        headers: record.headers.keys().collect(),
        models: &record.models,
        concurrent: record.concurrent,
        limits: limits::info(&record.limits),
        enabled: record.enabled,
        preferred_auth: record.preferred_auth,
        oauth: record.oauth.as_ref().map(OauthInfo::from),
        web: record.web.as_ref().map(WebTold::from),
        group: record.group.as_deref(),
        tags: &record.tags,
        weight: record.weight,
        priority: record.priority,
        allow_models: texts(&record.rules.allow),
        deny_models: texts(&record.rules.deny),
        schedule: record.schedule.as_ref().map(ToString::to_string),
        reserve_percent: record.reserve_percent,
        ca_file: record.ca_file.as_deref(),
        imported_from: record.imported_from.as_deref(),
        credentials: record
            .secrets
            .iter()
            .map(|(name, sealed)| (*name, mark(sealed)))
            .collect(),
        api_key: (!record.sealed.is_empty()).then(|| mark(&record.sealed)),
    }))
}

/// Of the sealed box, which is another at every sealing: it says nothing about what is in it.
fn mark(sealed: &[u8]) -> String {
    let digest = Sha256::digest(sealed);
    let digits = digest.iter().take(4).map(|byte| format!("{byte:02x}"));
    format!("sealed:{}", digits.collect::<String>())
}

fn object(value: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(mut fields)) => {
            // What is empty or not set says nothing.
            fields.retain(|name, value| !is_empty(value) && !UNTOLD.contains(&name.as_str()));
            fields
        }
        _ => Map::new(),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// Of both sides what the other does not have so.
pub(super) fn difference(before: Value, after: Value) -> (Option<Value>, Option<Value>) {
    let (Value::Object(mut met), Value::Object(mut left)) = (before, after) else {
        return (None, None);
    };
    let same: Vec<String> = met
        .iter()
        .filter(|(name, value)| left.get(*name) == Some(*value))
        .map(|(name, _)| name.clone())
        .collect();
    for name in same {
        met.remove(&name);
        left.remove(&name);
    }
    let some = |side: Map<String, Value>| (!side.is_empty()).then_some(Value::Object(side));
    (some(met), some(left))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use troupe_core::AccountId;

    #[test]
    fn only_what_differs_is_told() {
        let (before, after) = difference(
            json!({"a": 1, "b": 2, "gone": 3}),
            json!({"a": 1, "b": 4, "new": [5]}),
        );
        assert_eq!(before, Some(json!({"b": 2, "gone": 3})));
        assert_eq!(after, Some(json!({"b": 4, "new": [5]})));
    }

    #[test]
    fn an_account_shows_that_a_credential_changed_and_not_what_it_is() {
        let mut record = AccountRecord {
            sealed: b"box one".to_vec(),
            ..AccountRecord::new(
                AccountId::declared("a"),
                "a".into(),
                AccountKind::ApiKey,
                "https://api.example.org".into(),
            )
        };
        record.headers.insert("x-secret".into(), "hunter2".into());
        let one = told_account(&record);
        record.sealed = b"box two".to_vec();
        let (before, after) = difference(one.clone(), told_account(&record));
        let keys = |v: &Option<Value>| v.as_ref().unwrap().as_object().unwrap().len();
        assert_eq!((keys(&before), keys(&after)), (1, 1));
        assert!(
            after.unwrap()["api_key"]
                .as_str()
                .unwrap()
                .starts_with("sealed:")
        );
        assert!(!one.to_string().contains("hunter2"), "{one}");
    }
}
