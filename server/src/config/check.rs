//! Rules between keys, which no single section can hold.
//!
//! Invariant: paths are those of the typed configuration; the loader maps them to the source.

use garde::Validate;

use super::Config;
use super::load::Redacted;
use super::tree::Path;
use crate::account_rules::{faults as faults_of, web};

/// Every fault of a configuration that could be read.
pub(super) fn check(config: &Config, redacted: Redacted) -> Vec<(Path, String)> {
    let mut faults: Vec<(Path, String)> = match config.validate() {
        Ok(()) => Vec::new(),
        Err(report) => {
            let errors = report.into_inner().into_iter();
            let errors =
                errors.map(|(path, e)| (Path::parse(&path.to_string()), wording(e.message())));
            errors.collect()
        }
    };
    faults.extend(server(config));
    accounts(config, &mut faults);
    web_session(config, &mut faults);
    keys(config, &mut faults);
    if redacted == Redacted::Refuse {
        let redacted = redacted_paths(config).into_iter();
        let told = redacted.map(|path| {
            let message = "is a redacted secret (`***`); write the secret or `${VAR}`";
            (path, message.to_owned())
        });
        faults.extend(told);
    }
    faults
}

/// garde's words for a range, as what to do.
fn wording(message: &str) -> String {
    message
        .replace("lower than", "must be at least")
        .replace("greater than", "must be at most")
}

/// Secrets that are nothing but the mark which `show` writes.
pub(super) fn redacted_paths(config: &Config) -> Vec<Path> {
    let mut paths = Vec::new();
    let is_redacted = |s: &Option<super::Secret>| s.as_ref().is_some_and(|s| s.is_redacted());
    if is_redacted(&config.secrets.key) {
        paths.push(Path::of("secrets.key"));
    }
    if config.storage.url.is_redacted() {
        paths.push(Path::of("storage.url"));
    }
    for (index, account) in config.accounts.iter().enumerate() {
        let account_path = Path::of("accounts").index(index);
        let (oauth_path, web_path) = (account_path.key("oauth"), account_path.key("web"));
        let (oauth, web) = (account.oauth.as_ref(), account.web.as_ref());
        let secrets = [
            (account_path.key("api_key"), Some(&account.api_key)),
            (account_path.key("proxy"), Some(&account.proxy)),
            (
                oauth_path.key("client_secret"),
                oauth.map(|o| &o.client_secret),
            ),
            (
                oauth_path.key("refresh_token"),
                oauth.map(|o| &o.refresh_token),
            ),
            (web_path.key("cookie"), web.map(|w| &w.cookie)),
        ];
        let redacted = secrets
            .into_iter()
            .filter(|(_, secret)| secret.is_some_and(is_redacted));
        paths.extend(redacted.map(|(path, _)| path));
        let headers = account.headers.iter().filter(|(_, v)| v.is_redacted());
        paths.extend(headers.map(|(name, _)| account_path.key("headers").key(name)));
    }
    for (index, key) in config.keys.iter().enumerate() {
        if is_redacted(&key.secret) {
            paths.push(Path::of("keys").index(index).key("secret"));
        }
    }
    paths
}

fn server(config: &Config) -> Vec<(Path, String)> {
    let mut faults = Vec::new();
    if config.server.workers > 1 {
        let message = "more than one worker needs `cluster.redis_url` and a `postgres://` \
                       `storage.url`, which are not available in this version; use \
                       `server.threads`";
        faults.push((Path::of("server.workers"), message.to_owned()));
    }
    if config.server.body_limit > config.server.bodies_in_memory {
        let message = format!(
            "must not be larger than `server.bodies_in_memory` ({})",
            config.server.bodies_in_memory
        );
        faults.push((Path::of("server.body_limit"), message));
    }
    faults
}

fn accounts(config: &Config, faults: &mut Vec<(Path, String)>) {
    let consent = config.web_session.consent();
    for (index, account) in config.accounts.iter().enumerate() {
        let path = Path::of("accounts").index(index);
        let mut told = |field: &str, message: String| {
            let keys = field.split('.').filter(|key| !key.is_empty());
            let place = keys.fold(path.clone(), |place, key| place.key(key));
            faults.push((place, message));
        };
        if config
            .accounts
            .iter()
            .take(index)
            .any(|a| a.name == account.name)
        {
            told("name", "is used by another account".to_owned());
        }
        if account.allow_models.as_ref().is_some_and(Vec::is_empty) {
            told(
                "allow_models",
                "names no model; leave it out for every model".to_owned(),
            );
        }
        let of_oauth = account.oauth.iter().flat_map(|oauth| oauth.extra.keys());
        for (field, mut names) in [
            ("models", account.models.keys().collect::<Vec<_>>()),
            ("oauth.extra", of_oauth.collect()),
        ] {
            names.retain(|name| name.contains("${"));
            if !names.is_empty() {
                told(field, "variables are not expanded in keys".to_owned());
            }
        }
        let unresolved = account.oauth_settings().err();
        let is_unresolved = unresolved.is_some();
        if let Some(fault) = unresolved {
            told(fault.field, fault.message);
        }
        let token = account.refresh_token();
        let found = faults_of(
            &account.record(),
            &account.secrets(),
            token.as_ref(),
            consent,
        );
        for fault in found {
            // What only follows from settings that could not be made.
            if !is_unresolved || !["", "preferred_auth"].contains(&fault.field) {
                told(fault.field, fault.message);
            }
        }
    }
}

fn web_session(config: &Config, faults: &mut Vec<(Path, String)>) {
    if let Err(message) = web::consent_is_whole(config.web_session.consent()) {
        faults.push((Path::of("web_session.enabled"), message));
    }
}

fn keys(config: &Config, faults: &mut Vec<(Path, String)>) {
    for (index, key) in config.keys.iter().enumerate() {
        let path = Path::of("keys").index(index);
        let earlier = config.keys.iter().take(index);
        if earlier.clone().any(|k| k.name == key.name) {
            faults.push((path.key("name"), "is used by another key".to_owned()));
        }
        let same = |k: &super::Key| k.secret.is_some() && k.secret == key.secret;
        if let Some(other) = earlier.clone().find(|k| same(k))
            && !key.secret.as_ref().is_some_and(super::Secret::is_redacted)
        {
            let message = format!("is the same secret as that of key `{}`", other.name);
            faults.push((path.key("secret"), message));
        }
        if key.secret.is_none() && key.secret_file.is_none() {
            faults.push((path, "needs `secret` or `secret_file`".to_owned()));
        }
    }
}
