//! The settings of an account that are neither secret nor of one kind of credential.

use std::collections::BTreeMap;

use troupe_core::account::{AccountRecord, AuthScheme, PreferredAuth};
use troupe_core::limit::LimitSet;

use super::super::patch::Patch;
use super::super::{OpError, limits, now_ms};
use super::settings::{AccountSettings, Entries};
use crate::account_rules::{address, headers, value};
use crate::config::accounts::DEFAULT_BASE_URL;

/// Reads what has a form of its own; what is left is checked with the whole.
pub(super) fn plain(record: &mut AccountRecord, settings: &AccountSettings) -> Result<(), OpError> {
    let settings = settings.clone();
    let said =
        |field: &'static str| move |why: String| OpError::invalid(format!("`{field}` {why}"));
    let base_url = settings.base_url.try_map(|text| address::base_url(&text));
    let base_url = base_url.map_err(said("base_url"))?;
    base_url.apply_or(&mut record.base_url, DEFAULT_BASE_URL.to_owned());
    settings
        .auth
        .apply_or(&mut record.auth, AuthScheme::default());
    entries(&mut record.headers, settings.headers);
    headers::without_credentials(&record.headers).map_err(said("headers"))?;
    entries(&mut record.models, settings.models);
    settings.concurrent.apply(&mut record.concurrent);
    match &settings.limits {
        Patch::Keep => {}
        Patch::Remove => record.limits = LimitSet::default(),
        Patch::Set(change) => {
            record.limits = limits::apply(std::mem::take(&mut record.limits), change, now_ms())?;
        }
    }
    let preferred = &mut record.preferred_auth;
    settings
        .preferred_auth
        .apply_or(preferred, PreferredAuth::default());
    settings.group.apply(&mut record.group);
    settings.tags.apply_or(&mut record.tags, Vec::new());
    settings.weight.apply_or(&mut record.weight, 1);
    settings.priority.apply_or(&mut record.priority, 0);
    let patterns = |texts: Vec<String>| value::patterns(&texts);
    let allow = settings.allow_models.try_map(patterns);
    let allow = allow.map_err(said("allow_models"))?;
    allow.apply_or(&mut record.rules.allow, Vec::new());
    let deny = settings.deny_models.try_map(patterns);
    let deny = deny.map_err(said("deny_models"))?;
    deny.apply_or(&mut record.rules.deny, Vec::new());
    let schedule = settings.schedule.try_map(|text| value::schedule(&text));
    let schedule = schedule.map_err(said("schedule"))?;
    schedule.apply(&mut record.schedule);
    let reserve = settings.reserve.try_map(|reserve| reserve.percent());
    let reserve = reserve.map_err(said("reserve"))?;
    reserve.apply(&mut record.reserve_percent);
    Ok(())
}

/// Changes entries one by one, or removes them all.
pub(super) fn entries(stand: &mut BTreeMap<String, String>, change: Patch<Entries>) {
    match change {
        Patch::Keep => {}
        Patch::Remove => stand.clear(),
        Patch::Set(changes) => {
            for (name, value) in changes {
                match value {
                    Some(value) => _ = stand.insert(name, value),
                    None => _ = stand.remove(&name),
                }
            }
        }
    }
}
