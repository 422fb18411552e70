//! `config.yaml`: deployments become accounts, the master key becomes a key.
//!
//! Invariant: every section is read or named.

use std::collections::BTreeMap;

use troupe_storage::crypt::check_brought;

use super::super::error::ImportError;
use super::super::fields::Fields;
use super::super::names::{key_digest, label};
use super::super::notes::Notes;
use super::super::plan::{ImportPlan, ImportedKey};
use super::super::read;
use super::super::tree::Tree;
use super::accounts::Accounts;
use super::deployment::{self, Lookup};

const SOURCE: &str = "config.yaml";
const PLACE: &str = "config.yaml: ";

/// Reads LiteLLM's `config.yaml`; `env` answers its `os.environ/NAME`.
///
/// # Errors
/// It is no YAML at all.
pub fn litellm_yaml(
    yaml: &str,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<ImportPlan, ImportError> {
    let tree = read::yaml(SOURCE, yaml)?;
    let notes = Notes::default();
    let Some(mut fields) = Fields::of(PLACE, PLACE, &tree, &notes) else {
        return Err(ImportError::new(SOURCE, "is no mapping of sections"));
    };
    let lookup = lookup(&mut fields, env);
    let mut accounts = Accounts::default();
    for (at, item) in fields.list("model_list").iter().enumerate() {
        let place = format!("{PLACE}model_list[{at}]");
        entry(
            &place,
            &format!("{PLACE}model_list[]"),
            item,
            &lookup,
            &mut accounts,
            &notes,
        );
    }
    router(&mut fields, &mut accounts);
    let keys = general(&mut fields, &lookup).into_iter().collect();
    if let Some(settings) = fields.inner("litellm_settings") {
        settings.finish_because(
            "a setting of LiteLLM's own; see troupe.yaml for what this gateway has of it",
        );
    }
    fields.leave(
        &["include"],
        "other files are not followed; import each of them",
    );
    fields.finish_because("a section of LiteLLM's own; nothing of it is carried over");
    Ok(ImportPlan {
        accounts: accounts.finish(),
        keys,
        notes: notes.finish(),
    })
}

fn lookup<'t>(fields: &mut Fields<'t, '_>, env: &'t dyn Fn(&str) -> Option<String>) -> Lookup<'t> {
    let mut lookup = Lookup {
        variables: BTreeMap::new(),
        env,
        credentials: BTreeMap::new(),
    };
    if let Some(Tree::Map(variables)) = fields.value("environment_variables") {
        let texts = variables
            .iter()
            .filter_map(|(name, value)| Some((name.as_str(), value.text()?)));
        // A variable that refers to itself says nothing.
        lookup.variables = texts
            .filter(|(_, value)| !value.starts_with("os.environ/"))
            .collect();
        let why = "used where this file refers to its variables; otherwise not carried over";
        fields.notes.taken(fields.at("environment_variables"), why);
    }
    for (at, item) in fields.list("credential_list").iter().enumerate() {
        let place = format!("{PLACE}credential_list[{at}]");
        let kind = format!("{PLACE}credential_list[]");
        let Some(mut item) = Fields::of(&place, &kind, item, fields.notes) else {
            continue;
        };
        match (
            item.text("credential_name"),
            item.value("credential_values"),
        ) {
            (Some(name), Some(values)) => {
                lookup.credentials.insert(name, values);
            }
            _ => item.notes.left(place, "has no name or no values"),
        }
        item.pass(&["credential_info"]);
        item.finish();
    }
    lookup
}

/// One entry of a model list, wherever that stands.
pub(super) fn entry<'t>(
    place: &str,
    kind: &str,
    item: &'t Tree,
    lookup: &Lookup<'t>,
    accounts: &mut Accounts,
    notes: &Notes,
) {
    let Some(mut fields) = Fields::of(place, kind, item, notes) else {
        return;
    };
    let Some(name) = fields.text("model_name") else {
        return notes.left(place, "has no model_name");
    };
    fields.call(name);
    let place = fields.place().to_owned();
    if fields.flag("blocked") == Some(true) {
        return notes.left(place, "was blocked in LiteLLM");
    }
    let Some(params) = fields.inner("litellm_params") else {
        return notes.left(place, "has no readable litellm_params");
    };
    if let Some(deployment) = deployment::read(name, params, lookup) {
        accounts.add(&place, deployment, notes);
        if let Some(mut info) = fields.inner("model_info") {
            // Its id, and what it tells of itself, come from the upstream here.
            info.pass(&[
                "id",
                "mode",
                "base_model",
                "db_model",
                "created_at",
                "updated_at",
                "created_by",
                "updated_by",
                "key",
            ]);
            info.leave(
                &["access_groups"],
                "groups of models do not exist here; keys that name one allow nothing by it",
            );
            info.finish_because(
                "what a model can do and costs is not carried over; see `models` in troupe.yaml",
            );
        }
        fields.pass(&["model_id"]);
        fields.finish();
    }
}

fn router(fields: &mut Fields<'_, '_>, accounts: &mut Accounts) {
    let Some(mut router) = fields.inner("router_settings") else {
        return;
    };
    if let Some(Tree::Map(aliases)) = router.value("model_group_alias") {
        for (alias, group) in aliases {
            // A text, or `{ model, hidden }`.
            let group = match group {
                Tree::Map(entries) => entries
                    .iter()
                    .find(|(name, _)| name == "model")
                    .and_then(|(_, model)| model.text()),
                other => other.text(),
            };
            if !group.is_some_and(|group| accounts.alias(alias, group)) {
                let what = format!("{}.{}", router.at("model_group_alias"), label(alias));
                let why = "stands for a model that no account of this import serves";
                router.notes.left(what, why);
            }
        }
    }
    router.leave(
        &["routing_strategy", "routing_strategy_args"],
        "set routing.strategy in troupe.yaml",
    );
    router.leave(
        &["num_retries", "max_retries", "retry_after", "retry_policy"],
        "set routing.max_attempts in troupe.yaml",
    );
    router.leave(
        &["timeout", "stream_timeout"],
        "set the timeouts of `streaming` in troupe.yaml",
    );
    router.leave(
        &["allowed_fails", "cooldown_time", "disable_cooldowns"],
        "pauses follow the upstream's own answers here",
    );
    router.leave(
        &[
            "fallbacks",
            "context_window_fallbacks",
            "content_policy_fallbacks",
            "default_fallbacks",
        ],
        "another model is never answered with in place of the one asked for",
    );
    router.leave(
        &[
            "redis_url",
            "redis_host",
            "redis_port",
            "redis_password",
            "redis_username",
            "redis_db",
        ],
        "a cluster is not available in this version",
    );
    router.finish_because("a setting of LiteLLM's router; see `routing` in troupe.yaml");
}

/// The master key, which is a client's key as well: where there is no database, the only one.
fn general(fields: &mut Fields<'_, '_>, lookup: &Lookup<'_>) -> Option<ImportedKey> {
    let at = format!("{PLACE}general_settings.master_key");
    let notes = fields.notes;
    let mut written = None;
    if let Some(mut general) = fields.inner("general_settings") {
        written = general.text("master_key");
        general.leave(&["database_url"], "keys and teams are in the database: import that too, with its URL in place of the file");
        general.finish_because(
            "a setting of LiteLLM's own; see troupe.yaml for what this gateway has of it",
        );
    }
    let key = match written {
        Some(written) => lookup.resolve(written).map(|key| key.into_owned()),
        None => Ok(lookup.variable("LITELLM_MASTER_KEY")?),
    };
    let checked = key.and_then(|key| match check_brought(&key) {
        Ok(()) => Ok(key),
        Err(error) => Err(format!(
            "cannot be a key here ({error}); give its users a new one"
        )),
    });
    match checked {
        Ok(key) => {
            notes.taken(at, "became a key of clients; it administers nothing here");
            let source_id = format!("litellm:key:{}", key_digest(&key));
            Some(ImportedKey::plain(
                "litellm-master".to_owned(),
                source_id,
                &key,
            ))
        }
        Err(why) => {
            notes.left(at, why);
            None
        }
    }
}
