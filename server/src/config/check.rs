//! Rules between keys, which no single section can hold.
//!
//! Invariant: paths are those of the typed configuration; the loader maps them to the source.

use garde::Validate;

use super::Config;
use super::load::Redacted;
use super::tree::Path;

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
    for (index, account) in config.accounts.iter().enumerate() {
        let account_path = Path::of("accounts").index(index);
        if is_redacted(&account.api_key) {
            paths.push(account_path.key("api_key"));
        }
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
    for (index, account) in config.accounts.iter().enumerate() {
        let path = Path::of("accounts").index(index);
        let earlier = config.accounts.iter().take(index);
        if earlier.clone().any(|a| a.name == account.name) {
            faults.push((path.key("name"), "is used by another account".to_owned()));
        }
        if account.api_key.is_none() && account.api_key_file.is_none() {
            faults.push((path, "needs `api_key` or `api_key_file`".to_owned()));
        }
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
