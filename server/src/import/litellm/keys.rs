//! A virtual key: known by its SHA-256, so that its user keeps it.
//!
//! Invariant: a key comes along with no more rights than it had, or its note says which restriction stays behind.

use std::collections::BTreeMap;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use troupe_storage::crypt::check_brought;

use super::super::fields::Fields;
use super::super::names::{Names, digest, hex, key_digest, sha256_of_hex, stored};
use super::super::plan::{ImportedKey, KeySecret};
use super::budget::Budget;
use super::models::Allowed;

/// The admin page's own sessions are keys of this team.
const DASHBOARD: &str = "litellm-dashboard";

/// A team, as far as its keys are concerned.
#[derive(Debug)]
pub(super) struct Team {
    pub group: String,
    pub allowed: Allowed,
    pub blocked: bool,
}

/// What keys refer to, by id.
#[derive(Debug, Default)]
pub(super) struct Context {
    pub teams: BTreeMap<String, Team>,
    /// How owners are called.
    pub owners: BTreeMap<String, String>,
    pub budgets: BTreeMap<String, Budget>,
    pub names: Names,
}

/// Restrictions of a key that have no counterpart: each is told with the key's name.
const RESTRICTIONS: [(&str, &str); 8] = [
    (
        "model_max_budget",
        "not carried over; set caps of single models with `troupe key update --limit MODEL:usd_per_day=N`",
    ),
    (
        "budget_limits",
        "only max_budget with budget_duration becomes a cap; set further ones with `troupe key update --limit`",
    ),
    (
        "access_group_ids",
        "groups of models do not exist here; set the key's models",
    ),
    (
        "object_permission_id",
        "permissions on tools and stores do not exist here",
    ),
    ("permissions", "has no counterpart here"),
    ("policies", "has no counterpart here"),
    ("project_id", "limits of the project do not exist here"),
    (
        "organization_id",
        "limits of the organisation do not exist here",
    ),
];

pub(super) fn read(mut fields: Fields<'_, '_>, context: &mut Context) -> Option<ImportedKey> {
    let token = fields.text("token").unwrap_or_default();
    let alias = fields.text("key_alias");
    // Shows the key's last characters; an alias, or part of the hash, names it as well.
    fields.pass(&["key_name"]);
    let id = digest(&[token]);
    fields.call(alias.unwrap_or(&id));
    let place = fields.place().to_owned();
    let notes = fields.notes;
    let team_id = fields.text("team_id");
    if team_id == Some(DASHBOARD) {
        notes.left(
            "LiteLLM_VerificationToken: sessions of the admin page",
            "are no keys of clients",
        );
        return None;
    }
    let secret = match sha256_of_hex(token) {
        Some(hash) => KeySecret::Sha256(hash),
        None if token.starts_with("sk-") && check_brought(token).is_ok() => {
            KeySecret::Plain(token.into())
        }
        None => {
            notes.left(place, "its token is no SHA-256; give its user a new key");
            return None;
        }
    };
    if let Some(why) = routes(&mut fields) {
        notes.left(place, why);
        return None;
    }
    let team = team_id.and_then(|id| context.teams.get(id));
    if team_id.is_some() && team.is_none() {
        notes.left(
            fields.at("team_id"),
            "names a team that is not there; the key has no group",
        );
    }
    let allowed = Allowed::of_key(&fields.texts("models"), team.map(|team| &team.allowed));
    let shared = fields
        .text("budget_id")
        .and_then(|id| context.budgets.get(id));
    let budget = Budget::read(&mut fields).or(shared.unwrap_or(&Budget::default()));
    let (limits, admits) = budget.into_limits(&place, notes);
    let blocked = fields.flag("blocked") == Some(true) || team.is_some_and(|team| team.blocked);
    if blocked {
        notes.taken(
            &place,
            "was blocked, itself or its team: taken switched off",
        );
    }
    let models = match allowed {
        Allowed::All => None,
        Allowed::Only(names) if names.is_empty() => {
            notes.taken(&place, "may use no model: taken switched off");
            Some(Vec::new())
        }
        Allowed::Only(names) => Some(names),
    };
    let usable = models.as_ref().is_none_or(|models| !models.is_empty());
    let expires_ms = fields.text("expires").and_then(|text| {
        let at = milliseconds(text);
        if at.is_none() {
            notes.left(fields.at("expires"), "is no time");
        }
        at
    });
    let owner = fields.text("user_id").map(|id| {
        let known = context.owners.get(id).cloned();
        known.unwrap_or_else(|| stored(id, "user"))
    });
    let group = team.map(|team| team.group.clone());
    rest(fields);
    let short: String = id.chars().take(8).collect();
    let source_id = match &secret {
        KeySecret::Sha256(hash) => digest(&[&hex(hash)]),
        KeySecret::Plain(_) => key_digest(token),
    };
    Some(ImportedKey {
        name: context
            .names
            .give(alias.unwrap_or_default(), &format!("litellm-{short}"), &id),
        source_id: format!("litellm:key:{source_id}"),
        secret,
        owner,
        group,
        expires_ms,
        enabled: admits && usable && !blocked,
        models: models.filter(|models| !models.is_empty()),
        limits,
    })
}

/// Why a key that was restricted to some routes is none for clients.
fn routes(fields: &mut Fields<'_, '_>) -> Option<&'static str> {
    let routes = fields.texts("allowed_routes");
    if routes.is_empty() {
        return None;
    }
    let of_clients = [
        "llm_api_routes",
        "anthropic_routes",
        "openai_routes",
        "*",
        "/*",
    ];
    let serves = |route: &&str| {
        of_clients.contains(route)
            || ["messages", "chat/completions"]
                .iter()
                .any(|end| route.ends_with(end))
    };
    if !routes.iter().any(serves) {
        return Some("was restricted to routes that do not serve models: not a key of clients");
    }
    let why =
        "not carried over: a key serves the usual endpoints, see `troupe key update --endpoints`";
    fields.notes.left(fields.at("allowed_routes"), why);
    None
}

/// What is told about every key.
fn rest(mut fields: Fields<'_, '_>) {
    for (name, why) in RESTRICTIONS {
        if fields.value(name).is_some() {
            fields.notes.left(fields.at(name), why);
        }
    }
    // Bare zeros and defaults of the schema say nothing.
    if fields.number("spend").is_some_and(|spend| spend > 0.0) {
        fields.notes.left(
            "LiteLLM_VerificationToken: [].spend",
            "not carried over: what keys have spent is counted anew",
        );
    }
    if fields.flag("auto_rotate") == Some(true) {
        fields.notes.left(
            fields.at("auto_rotate"),
            "keys are rotated with `troupe key rotate` here",
        );
    }
    fields.leave(
        &["aliases", "config", "router_settings"],
        "names of models and parameters are not set by key here; see `models` in troupe.yaml",
    );
    fields.leave(&["metadata"], "not carried over");
    fields.leave(
        &["allowed_cache_controls"],
        "caches are not controlled by key here",
    );
    fields.leave(&["agent_id"], "has no counterpart here");
    fields.finish();
}

/// RFC 3339, or without an offset: LiteLLM stores UTC.
fn milliseconds(text: &str) -> Option<u64> {
    let at = text.parse::<Timestamp>().ok().or_else(|| {
        let civil: DateTime = text.parse().ok()?;
        let zoned: Zoned = civil.to_zoned(TimeZone::UTC).ok()?;
        Some(zoned.timestamp())
    });
    u64::try_from(at?.as_millisecond()).ok()
}
