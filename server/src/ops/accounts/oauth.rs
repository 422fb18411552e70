//! The part of an account's settings that says how its tokens are got.

use troupe_core::account::{Grant, OauthSettings, TokenFormat};
use troupe_upstream::token::presets::preset;

use super::super::OpError;
use super::super::patch::Patch;
use super::plain::entries;
use super::settings::OauthChange;
use crate::account_rules::OauthFields;

/// `stands` with the change; what is not given anew is that of the preset, where one is named, else stays.
pub(super) fn changed(
    stands: Option<OauthSettings>,
    change: OauthChange,
) -> Result<OauthSettings, OpError> {
    match (stands, &change.preset) {
        (Some(stands), None) => Ok(onto(stands, change)),
        _ => made(change),
    }
}

fn onto(mut settings: OauthSettings, change: OauthChange) -> OauthSettings {
    if change.assertion_file.set().is_some() && change.grant.is_keep() {
        settings.grant = Grant::JwtBearer;
    }
    let grant = &mut settings.grant;
    change.grant.apply_or(grant, Grant::RefreshToken);
    let url = &mut settings.token_url;
    change.token_url.apply_or(url, String::new());
    change.authorize_url.apply(&mut settings.authorize_url);
    change.redirect_uri.apply(&mut settings.redirect_uri);
    change.client_id.apply(&mut settings.client_id);
    change.scopes.apply_or(&mut settings.scopes, Vec::new());
    entries(&mut settings.extra, change.extra);
    let format = &mut settings.format;
    change.format.apply_or(format, TokenFormat::default());
    change.assertion_file.apply(&mut settings.assertion_file);
    settings
}

fn made(change: OauthChange) -> Result<OauthSettings, OpError> {
    let mut extra = Default::default();
    entries(&mut extra, change.extra);
    let of_machines = |name: &String| preset(name).is_some_and(|p| p.authorize_url.is_none());
    let is_asserted =
        change.assertion_file.set().is_some() || change.preset.as_ref().is_some_and(of_machines);
    let usual = if is_asserted {
        Grant::JwtBearer
    } else {
        Grant::RefreshToken
    };
    let fields = OauthFields {
        preset: change.preset,
        grant: given(change.grant).or(Some(usual)),
        token_url: given(change.token_url),
        authorize_url: given(change.authorize_url),
        redirect_uri: given(change.redirect_uri),
        client_id: given(change.client_id),
        scopes: given(change.scopes),
        extra,
        format: given(change.format),
        assertion_file: given(change.assertion_file),
    };
    fields
        .resolve()
        .map_err(|fault| OpError::invalid(fault.to_string()))
}

fn given<T>(patch: Patch<T>) -> Option<T> {
    match patch {
        Patch::Set(value) => Some(value),
        Patch::Keep | Patch::Remove => None,
    }
}
