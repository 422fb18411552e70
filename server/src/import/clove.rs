//! `clove`: `accounts.json`, one object per organisation, and `config.json`, what its admin page saved.
//!
//! Invariant: an account's tokens and cookie keep together; the account of a cookie in `config.json` that an account of
//! `accounts.json` holds already does not come twice.

mod settings;

use std::collections::HashSet;

use secrecy::ExposeSecret;
use troupe_core::account::PreferredAuth;

use self::settings::Settings;
use super::checks;
use super::error::ImportError;
use super::fields::Fields;
use super::names::{Names, digest, label, stored};
use super::notes::Notes;
use super::plan::{ImportPlan, ImportedAccount, ImportedOauth};
use super::read;
use super::tree::Tree;

const ACCOUNTS: &str = "accounts.json";

/// Reads what `clove` keeps in its data folder.
///
/// # Errors
/// One of the files is not readable at all.
pub fn clove(accounts_json: &[u8], config_json: Option<&[u8]>) -> Result<ImportPlan, ImportError> {
    let accounts = read::json(ACCOUNTS, accounts_json)?;
    let Tree::Map(accounts) = &accounts else {
        let reason = "is no object of accounts by organisation; give the accounts.json of clove's data folder";
        return Err(ImportError::new(ACCOUNTS, reason));
    };
    let config = config_json
        .map(|bytes| read::json(settings::CONFIG, bytes))
        .transpose()?;
    let notes = Notes::default();
    let mut plan = ImportPlan::default();
    let settings = match &config {
        Some(config) => Settings::read(config, &notes, &mut plan)?,
        None => {
            notes.left(
                settings::CONFIG,
                "not given: keys of clients and the proxy stand there; give it too, or import it later",
            );
            Settings::default()
        }
    };
    let mut names = Names::default();
    let mut cookies = HashSet::new();
    for (organization, account) in accounts {
        let place = format!("{ACCOUNTS}: {}", label(organization));
        let kind = format!("{ACCOUNTS}: []");
        if let Some(fields) = Fields::of(&place, &kind, account, &notes)
            && let Some(mut account) = read_account(organization, fields)
        {
            settings.apply(&mut account);
            let id = digest(&[organization]);
            let short: String = organization.chars().take(8).collect();
            account.name = names.give(&format!("clove-{short}"), &format!("clove-{id}"), &id);
            if let Some(cookie) = &account.web_cookie {
                cookies.insert(cookie.expose_secret().to_owned());
            }
            plan.accounts.push(account);
        }
    }
    for cookie in &settings.cookies {
        if !cookies.insert(cookie.expose_secret().to_owned()) {
            continue;
        }
        let id = digest(&[cookie.expose_secret()]);
        let mut account = ImportedAccount {
            name: names.give(&format!("clove-{id}"), "clove", &id),
            source_id: format!("clove:cookie:{id}"),
            web_cookie: Some(cookie.clone()),
            enabled: true,
            ..ImportedAccount::default()
        };
        settings.apply(&mut account);
        plan.accounts.push(account);
    }
    plan.notes = notes.finish();
    Ok(plan)
}

/// Without its name.
fn read_account(organization: &str, mut fields: Fields<'_, '_>) -> Option<ImportedAccount> {
    let organization = match fields.text("organization_uuid") {
        Some(own) if own != organization => {
            let why = "is filed under another organisation; its own field was believed";
            fields.notes.taken(fields.at("organization_uuid"), why);
            own
        }
        _ => organization,
    };
    let mut account = ImportedAccount {
        source_id: source_id(organization),
        organization: Some(stored(organization, "organization")),
        enabled: true,
        ..ImportedAccount::default()
    };
    if let Some(text) = fields.text("cookie_value") {
        match checks::session_cookie(text) {
            Ok(cookie) => account.web_cookie = Some(cookie),
            Err(why) => fields.notes.left(fields.at("cookie_value"), why),
        }
    }
    account.oauth = fields.inner("oauth_token").and_then(oauth);
    account.preferred_auth = preferred_auth(&mut fields);
    auth_type(&mut fields, &mut account);
    status(&mut fields, &mut account);
    let tags = fields.texts("capabilities").into_iter();
    account.tags = tags.map(|tag| stored(tag, "tag")).collect();
    // When it was last chosen means nothing to another pool.
    fields.pass(&["last_used"]);
    let place = fields.place().to_owned();
    let notes = fields.notes;
    fields.finish();
    if account.web_cookie.is_none() && account.oauth.is_none() {
        notes.left(
            place,
            "has neither a usable cookie nor a usable token; add the account anew",
        );
        return None;
    }
    Some(account)
}

fn source_id(organization: &str) -> String {
    let shown = label(organization);
    if shown == organization {
        format!("clove:{organization}")
    } else {
        format!("clove:{}", digest(&[organization]))
    }
}

fn oauth(mut fields: Fields<'_, '_>) -> Option<ImportedOauth> {
    let access_token = fields.secret("access_token");
    let refresh_token = fields.secret("refresh_token");
    let expires_at_ms = fields.number("expires_at").and_then(|seconds| {
        let at = checks::milliseconds(seconds);
        if at.is_none() {
            fields.notes.left(
                fields.at("expires_at"),
                "is no time; the token counts as one of unknown end",
            );
        }
        at
    });
    let Some(access_token) = access_token else {
        fields.notes.left(
            fields.at("access_token"),
            "is missing; log the account in again",
        );
        return None;
    };
    if refresh_token.is_some() {
        fields.notes.taken(
            "accounts.json: [].oauth_token.refresh_token",
            "is spent by its first use: stop clove before this gateway serves with it",
        );
    }
    fields.finish();
    Some(ImportedOauth {
        access_token,
        refresh_token,
        expires_at_ms,
        client_id: None,
        token_url: None,
    })
}

fn preferred_auth(fields: &mut Fields<'_, '_>) -> PreferredAuth {
    match fields.text("preferred_auth") {
        None | Some("auto") => PreferredAuth::Auto,
        Some("oauth") => PreferredAuth::Oauth,
        Some("web") => PreferredAuth::Web,
        Some(_) => {
            let why = "is a preference this version does not know; `auto` was taken";
            fields.notes.left(fields.at("preferred_auth"), why);
            PreferredAuth::Auto
        }
    }
}

/// Only what `auth_type` named was used by clove: a token beside `cookie_only` is one that the upstream had refused.
fn auth_type(fields: &mut Fields<'_, '_>, account: &mut ImportedAccount) {
    match fields.text("auth_type") {
        Some("cookie_only") if account.oauth.is_some() && account.web_cookie.is_some() => {
            account.oauth = None;
            let why = "left behind: clove had stopped using it (`cookie_only`)";
            fields.notes.left(fields.at("oauth_token"), why);
        }
        Some("oauth_only") if account.web_cookie.is_some() && account.oauth.is_some() => {
            account.web_cookie = None;
            let why = "left behind: clove did not use it (`oauth_only`)";
            fields.notes.left(fields.at("cookie_value"), why);
        }
        None | Some("cookie_only" | "oauth_only" | "both") => {}
        Some(_) => {
            let why = "is a kind this version does not know; what credentials there are were taken";
            fields.notes.left(fields.at("auth_type"), why);
        }
    }
}

fn status(fields: &mut Fields<'_, '_>, account: &mut ImportedAccount) {
    match fields.text("status") {
        None | Some("valid") => fields.pass(&["resets_at"]),
        Some("rate_limited") => {
            let why = "not carried over: a limit that still stands is learnt from the upstream's next answer";
            fields.leave(&["resets_at"], why);
        }
        Some("invalid") => {
            account.enabled = false;
            let why = "clove's upstream had refused it: taken switched off; try it with `troupe account test`, then `account enable`";
            fields.notes.taken(fields.at("status"), why);
        }
        Some(_) => {
            account.enabled = false;
            let why = "is a state this version does not know: taken switched off";
            fields.notes.taken(fields.at("status"), why);
        }
    }
}
