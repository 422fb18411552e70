//! Keys as people see them: a line of a listing, and everything that is known of one.

use super::limit_args;
use super::table::{columns, moment};
use crate::ops::keys::{Endpoints, KeyInfo, OldSecret};

type Fact = (&'static str, Option<String>);

/// Of a note, what a listing has room for.
const NOTE_CHARS: usize = 40;

pub(super) fn table(keys: &[KeyInfo]) -> String {
    let heading = [
        "NAME",
        "PREFIX",
        "STATE",
        "OWNER",
        "GROUP",
        "TAGS",
        "PRIORITY",
        "ENDPOINTS",
        "LIMITS",
        "EXPIRES",
        "FROM",
        "NOTE",
    ];
    let rows: Vec<_> = keys.iter().map(row).collect();
    columns(&heading, &rows)
}

fn row(key: &KeyInfo) -> Vec<String> {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    vec![
        key.name.clone(),
        key.prefix.clone(),
        key.state.clone(),
        or_dash(key.owner.as_deref().map(str::to_owned)),
        or_dash(key.group.as_deref().map(str::to_owned)),
        or_dash(list(&key.tags)),
        key.priority.as_str().to_owned(),
        endpoints(&key.endpoints),
        or_dash(limit_args::shown(&key.limits)),
        ends(key),
        from(key.declared),
        or_dash(key.note.as_deref().map(shortened)),
    ]
}

pub(super) fn told(key: &KeyInfo) -> Vec<Fact> {
    let resources = match key.resources {
        troupe_core::key::ResourceScope::Own => "own",
        troupe_core::key::ResourceScope::All => "all",
    };
    vec![
        ("name", Some(key.name.clone())),
        ("id", Some(key.id.0.to_string())),
        ("prefix", Some(key.prefix.clone())),
        ("state", Some(key.state.clone())),
        ("owner", key.owner.as_deref().map(str::to_owned)),
        ("group", key.group.as_deref().map(str::to_owned)),
        ("tags", list(&key.tags)),
        ("note", key.note.clone()),
        ("priority", Some(key.priority.as_str().to_owned())),
        ("endpoints", Some(endpoints(&key.endpoints))),
        ("resources", Some(resources.to_owned())),
        ("limits", limit_args::shown(&key.limits)),
        ("accounts", list(&key.accounts)),
        ("account groups", list(&key.account_groups)),
        ("account tags", list(&key.account_tags)),
        ("models", list(&key.models)),
        ("denied models", list(&key.deny_models)),
        ("addresses", list(&key.addresses)),
        ("expires", Some(ends(key))),
        ("after first use", key.expires_after_first_use.clone()),
        ("first used", key.first_used_at.map(moment)),
        ("captured until", key.capture_until.map(moment)),
        ("old secret", key.previous.as_ref().map(old_secret)),
        ("revoked", key.revoked_at.map(moment)),
        ("created", key.created_at.map(moment)),
        ("from", Some(from(key.declared))),
    ]
}

/// When it ends, as far as that is known.
fn ends(key: &KeyInfo) -> String {
    match (key.expires, &key.expires_after_first_use) {
        (Some(at), _) => moment(at),
        (None, Some(after)) => format!("{after} after first use"),
        (None, None) => "never".to_owned(),
    }
}

fn old_secret(old: &OldSecret) -> String {
    format!("{} works until {}", old.prefix, moment(old.until))
}

fn shortened(note: &str) -> String {
    let mut letters = note.chars();
    let mut head: String = letters.by_ref().take(NOTE_CHARS).collect();
    if letters.next().is_some() {
        head.push('…');
    }
    head
}

fn list(texts: &[String]) -> Option<String> {
    Some(texts.join(", ")).filter(|list| !list.is_empty())
}

fn endpoints(endpoints: &Endpoints) -> String {
    match endpoints {
        Endpoints::Word(word) => word.clone(),
        Endpoints::Paths(paths) => paths.join(","),
    }
}

pub(super) fn from(declared: bool) -> String {
    if declared { "configuration" } else { "store" }.to_owned()
}
