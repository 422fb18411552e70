//! A whole account: its record, its secrets, and what the operator has said.

use secrecy::{ExposeSecret, SecretString};
use troupe_core::account::{AccountKind, AccountRecord, PreferredAuth, Secrets};

use super::oauth::OauthHolds;
use super::{Fault, WebConsent, address, headers, oauth, value, web};

/// Is this an account that can serve? `refresh_token` is one that a login or the file brings.
///
/// # Errors
/// The first fault, as a sentence.
pub fn check(
    record: &AccountRecord,
    secrets: &Secrets,
    refresh_token: Option<&SecretString>,
    consent: WebConsent,
) -> Result<(), String> {
    match faults(record, secrets, refresh_token, consent)
        .into_iter()
        .next()
    {
        Some(fault) => Err(fault.into()),
        None => Ok(()),
    }
}

/// Everything that is wrong with an account.
#[must_use]
pub fn faults(
    record: &AccountRecord,
    secrets: &Secrets,
    refresh_token: Option<&SecretString>,
    consent: WebConsent,
) -> Vec<Fault> {
    let mut faults = Vec::new();
    settings(record, &mut faults);
    credentials(record, secrets, refresh_token, consent, &mut faults);
    faults
}

fn settings(record: &AccountRecord, faults: &mut Vec<Fault>) {
    let mut told = |field: &'static str, checked: Result<(), String>| {
        faults.extend(checked.err().map(|why| Fault::new(field, why)));
    };
    told("name", value::name(&record.name));
    told("base_url", address::base_url(&record.base_url).map(drop));
    told("headers", headers::headers(&record.headers));
    told("models", value::model_names(&record.models));
    if let Some(concurrent) = record.concurrent {
        told("concurrent", value::concurrent(concurrent));
    }
    told("limits", value::account_limits(&record.limits));
    if let Some(group) = &record.group {
        told("group", value::label(group));
    }
    told("tags", value::labels(&record.tags));
    told("weight", value::weight(record.weight));
    told("allow_models", value::pattern_count(&record.rules.allow));
    told("deny_models", value::pattern_count(&record.rules.deny));
    if let Some(percent) = record.reserve_percent {
        told("reserve", value::reserve(percent));
    }
}

fn credentials(
    record: &AccountRecord,
    secrets: &Secrets,
    refresh_token: Option<&SecretString>,
    consent: WebConsent,
    faults: &mut Vec<Fault>,
) {
    let mut told = |field: &'static str, checked: Result<(), String>| {
        faults.extend(checked.err().map(|why| Fault::new(field, why)));
    };
    let one_word = |secret: &SecretString| headers::credential(secret.expose_secret());
    let given = [
        ("api_key", &secrets.api_key),
        ("oauth.client_secret", &secrets.client_secret),
    ];
    for (field, secret) in given {
        if let Some(secret) = secret {
            told(field, one_word(secret));
        }
    }
    if let Some(token) = refresh_token {
        told("oauth.refresh_token", one_word(token));
    }
    if let Some(proxy) = &secrets.reach.proxy {
        told("proxy", address::proxy(proxy));
    }
    if let Some(pem) = &secrets.reach.ca_pem {
        told("ca_file", address::ca_pem(pem));
    }
    told("", kind(record, secrets));
    told("preferred_auth", preferred(record, secrets));
    if record.web.is_some() || secrets.web_cookie.is_some() {
        let field = if record.web.is_some() { "web" } else { "kind" };
        told(field, consent.check());
        told("headers", headers::without_disguise(&record.headers));
    }
    match (&record.web, &secrets.web_cookie) {
        (Some(_), None) => told("web", Err("needs `cookie` or `cookie_file`".to_owned())),
        (_, Some(cookie)) => told("web.cookie", headers::cookie(cookie.expose_secret())),
        (None, None) => {}
    }
    if let Some(settings) = &record.web {
        faults.extend(web::settings(settings).err());
    }
    if let Some(settings) = &record.oauth {
        let holds = OauthHolds {
            client_secret: secrets.client_secret.is_some(),
            refresh_token: refresh_token.is_some(),
        };
        faults.extend(oauth::settings(settings, holds));
    }
}

/// The credential that the kind is named after.
fn kind(record: &AccountRecord, secrets: &Secrets) -> Result<(), String> {
    match record.kind {
        AccountKind::ApiKey if secrets.api_key.is_none() => {
            Err("needs `api_key` or `api_key_file`".to_owned())
        }
        AccountKind::Oauth if record.oauth.is_none() => {
            Err("of kind oauth needs `oauth` settings".to_owned())
        }
        AccountKind::WebSession if record.web.is_none() => {
            Err("of kind web_session needs `web` with its `cookie`".to_owned())
        }
        _ => Ok(()),
    }
}

/// What is preferred is there.
fn preferred(record: &AccountRecord, secrets: &Secrets) -> Result<(), String> {
    let (has, what) = match record.preferred_auth {
        PreferredAuth::Auto => return Ok(()),
        PreferredAuth::ApiKey => (secrets.api_key.is_some(), "`api_key`"),
        PreferredAuth::Oauth => (record.oauth.is_some(), "`oauth` settings"),
        PreferredAuth::Web => (record.web.is_some(), "`web`"),
    };
    if has {
        return Ok(());
    }
    Err(format!(
        "prefers what the account does not have: add {what}, or write `auto`"
    ))
}
