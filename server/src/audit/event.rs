//! A change that the store told, as a line.
//!
//! Invariant: every kind of event has its line; what a line says of before and after is what the event says.

use serde_json::{Value, json};
use troupe_core::AccountId;
use troupe_core::audit::AuditStatus;
use troupe_core::event::{DomainEvent, EventKind};
use troupe_storage::audit::Entry;

/// `name` gives an account's name where the event has its id alone.
pub(super) fn entry(
    seq: u64,
    event: &DomainEvent,
    name: &dyn Fn(AccountId) -> Option<String>,
) -> Entry {
    let read = |text: &Option<String>| text.as_deref().and_then(|t| serde_json::from_str(t).ok());
    let (before, after) = (read(&event.before), read(&event.after));
    let action = switched(&event.kind, before.as_ref(), after.as_ref());
    let mut entry = Entry {
        event: Some(seq),
        before,
        after,
        ..Entry::new(event.at_ms, &event.actor, action, "")
    };
    let account = |id: &AccountId, known: Option<&String>| {
        let known = known.cloned().or_else(|| name(*id));
        let known = known.unwrap_or_else(|| id.0.to_string());
        (format!("account:{known}"), Some(id.0.to_string()))
    };
    match &event.kind {
        EventKind::AccountCreated { id, name }
        | EventKind::AccountUpdated { id, name }
        | EventKind::AccountRemoved { id, name } => {
            (entry.resource, entry.account) = account(id, Some(name));
        }
        EventKind::AccountLoggedIn {
            id,
            name,
            generation,
        } => {
            (entry.resource, entry.account) = account(id, Some(name));
            entry.after = Some(json!({ "generation": generation }));
        }
        EventKind::AccountStateChanged { id, from, to } => {
            (entry.resource, entry.account) = account(id, None);
            entry.before = Some(json!({ "state": from }));
            entry.after = Some(json!({ "state": to }));
        }
        EventKind::TokenRenewed { id, generation } | EventKind::TokenAdopted { id, generation } => {
            (entry.resource, entry.account) = account(id, None);
            entry.after = Some(json!({ "generation": generation }));
        }
        EventKind::TokenRenewalFailed {
            id,
            outcome,
            reason,
        } => {
            (entry.resource, entry.account) = account(id, None);
            entry.status = Some(AuditStatus::Failed);
            entry.reason = Some(reason.clone());
            entry.after = Some(json!({ "outcome": outcome }));
        }
        EventKind::KeyCreated { id, name }
        | EventKind::KeyUpdated { id, name }
        | EventKind::KeyRotated { id, name }
        | EventKind::KeyRevoked { id, name } => {
            entry.resource = format!("key:{name}");
            entry.key = Some(id.0.to_string());
        }
    }
    entry
}

/// An update that only switches on or off has a verb of its own.
fn switched(kind: &EventKind, before: Option<&Value>, after: Option<&Value>) -> &'static str {
    let enabled = |value: Option<&Value>| value.and_then(|v| v.get("enabled")?.as_bool());
    match (kind, enabled(before), enabled(after)) {
        (EventKind::KeyUpdated { .. }, Some(true), Some(false)) => "key.disabled",
        (EventKind::KeyUpdated { .. }, Some(false), Some(true)) => "key.enabled",
        (EventKind::AccountUpdated { .. }, Some(true), Some(false)) => "account.disabled",
        (EventKind::AccountUpdated { .. }, Some(false), Some(true)) => "account.enabled",
        _ => kind.action(),
    }
}
