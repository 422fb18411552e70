//! LiteLLM's database: virtual keys with their teams, users and shared budgets, and the models added by its page.
//!
//! Invariant: a row that is broken costs a note, not the import.

use std::collections::BTreeMap;

use troupe_storage::foreign::litellm::{LitellmRows, Row};

use super::super::fields::Fields;
use super::super::names::{label, stored};
use super::super::notes::Notes;
use super::super::plan::ImportPlan;
use super::super::read;
use super::super::tree::Tree;
use super::accounts::Accounts;
use super::budget::Budget;
use super::deployment::Lookup;
use super::keys::{self, Context, Team};
use super::models::Allowed;
use super::yaml;

const KEYS: &str = "LiteLLM_VerificationToken";
const TEAMS: &str = "LiteLLM_TeamTable";
const USERS: &str = "LiteLLM_UserTable";
const BUDGETS: &str = "LiteLLM_BudgetTable";
const MODELS: &str = "LiteLLM_ProxyModelTable";

/// Why limits of more than one key stay behind.
const SHARED: &str =
    "limits that its keys share stay behind; set them at `limits.groups` in troupe.yaml";

/// Makes a plan of what was read from LiteLLM's PostgreSQL.
#[must_use]
pub fn litellm_database(rows: LitellmRows) -> ImportPlan {
    let notes = Notes::default();
    let mut context = Context::default();
    each(BUDGETS, &rows.budgets, &notes, |mut fields| {
        if let Some(id) = fields.text("budget_id") {
            let budget = Budget::read(&mut fields);
            context.budgets.insert(id.to_owned(), budget);
        }
        fields.leave(
            &["soft_budget", "model_max_budget", "allowed_models"],
            "not carried over with the keys of this budget",
        );
        fields.finish();
    });
    each(TEAMS, &rows.teams, &notes, |fields| {
        team(fields, &mut context)
    });
    each(USERS, &rows.users, &notes, |fields| {
        user(fields, &mut context)
    });
    let mut plan = ImportPlan::default();
    each(KEYS, &rows.keys, &notes, |fields| {
        plan.keys.extend(keys::read(fields, &mut context));
    });
    plan.accounts = models(&rows.models, &notes);
    for left in rows.left {
        notes.left(left.what, left.why);
    }
    plan.notes = notes.finish();
    plan
}

/// Reads each row as its own document.
fn each<'n>(
    table: &'static str,
    rows: &[Row],
    notes: &'n Notes,
    mut read: impl FnMut(Fields<'_, 'n>),
) {
    for (at, row) in rows.iter().enumerate() {
        let place = format!("{table}: row {}", at + 1);
        match read::json(table, row.json().as_bytes()) {
            Ok(tree) => {
                let kind = format!("{table}: []");
                if let Some(fields) = Fields::of(&place, &kind, &tree, notes) {
                    read(fields);
                }
            }
            Err(error) => notes.left(place, error.reason),
        }
    }
}

fn team(mut fields: Fields<'_, '_>, context: &mut Context) {
    let Some(id) = fields.text("team_id") else {
        return;
    };
    let alias = fields.text("team_alias");
    fields.call(alias.unwrap_or(id));
    let mut group = stored(alias.unwrap_or(id), "team");
    if context.teams.values().any(|team| team.group == group) {
        // Two teams of one name have nothing in common.
        group = format!("{group} {}", stored(id, "team"));
    }
    shared_limits(&mut fields);
    let team = Team {
        group,
        allowed: Allowed::of(&fields.texts("models")),
        blocked: fields.flag("blocked") == Some(true),
    };
    context.teams.insert(id.to_owned(), team);
    fields.leave(
        &["admins", "members", "members_with_roles"],
        "who belongs to a team is not kept here; its keys have its name as group",
    );
    fields.leave(
        &[
            "soft_budget",
            "model_max_budget",
            "budget_limits",
            "organization_id",
            "object_permission_id",
        ],
        "not carried over with the team",
    );
    fields.leave(
        &["metadata", "router_settings", "model_id"],
        "not carried over with the team",
    );
    fields.pass(&["spend"]);
    fields.finish();
}

fn user(mut fields: Fields<'_, '_>, context: &mut Context) {
    let Some(id) = fields.text("user_id") else {
        return;
    };
    let email = fields.text("user_email");
    let alias = fields.text("user_alias");
    let name = stored(email.or(alias).unwrap_or(id), "user");
    fields.call(&name);
    context.owners.insert(id.to_owned(), name);
    shared_limits(&mut fields);
    if !fields.texts("models").is_empty() {
        fields.notes.left(
            fields.at("models"),
            "models of a user stay behind; set them on the keys",
        );
    }
    fields.leave(&["user_role"], "who may administer is not taken over");
    fields.leave(
        &[
            "soft_budget",
            "model_max_budget",
            "organization_id",
            "object_permission_id",
            "metadata",
        ],
        "not carried over with the user",
    );
    fields.pass(&["spend", "teams", "team_id"]);
    fields.finish();
}

fn shared_limits(fields: &mut Fields<'_, '_>) {
    if let Some(words) = Budget::read(fields).in_words() {
        fields
            .notes
            .left(fields.place(), format!("{words}: {SHARED}"));
    }
}

/// Models added by LiteLLM's page. Their parameters are encrypted in all but old versions.
fn models(rows: &[Row], notes: &Notes) -> Vec<super::super::plan::ImportedAccount> {
    let mut accounts = Accounts::default();
    let parsed = rows.iter().enumerate().filter_map(|(at, row)| {
        let place = format!("{MODELS}: row {}", at + 1);
        match read::json(MODELS, row.json().as_bytes()) {
            Ok(tree) => Some((place, tree)),
            Err(error) => {
                notes.left(place, error.reason);
                None
            }
        }
    });
    let parsed: Vec<(String, Tree)> = parsed.collect();
    let lookup = Lookup {
        variables: BTreeMap::new(),
        // The variables of LiteLLM's host are not those of this one.
        env: &|_| None,
        credentials: BTreeMap::new(),
    };
    for (place, tree) in &parsed {
        if is_encrypted(tree) {
            let name = text_of(tree, "model_name").unwrap_or_default();
            let why = "its parameters are encrypted under LiteLLM's salt or master key: add the account anew, with its API key";
            notes.left(format!("{place} ({})", label(name)), why);
            continue;
        }
        yaml::entry(
            place,
            &format!("{MODELS}: []"),
            tree,
            &lookup,
            &mut accounts,
            notes,
        );
    }
    accounts.finish()
}

/// LiteLLM encrypts each text by itself, the model's name among them: base64 without a provider before a slash.
fn is_encrypted(row: &Tree) -> bool {
    let params = member(row, "litellm_params");
    let Some(model) = params.and_then(|params| text_of(params, "model")) else {
        return false;
    };
    let base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=_-".contains(&byte);
    let sealed = model.len() >= 40 && model.bytes().all(base64) && !model.contains("claude");
    sealed || model.contains(":gcm:")
}

fn member<'t>(tree: &'t Tree, name: &str) -> Option<&'t Tree> {
    match tree {
        Tree::Map(entries) => entries
            .iter()
            .find(|(own, _)| own == name)
            .map(|(_, value)| value),
        _ => None,
    }
}

fn text_of<'t>(tree: &'t Tree, name: &str) -> Option<&'t str> {
    member(tree, name).and_then(Tree::text)
}
