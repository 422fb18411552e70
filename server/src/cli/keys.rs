//! `troupe key …`.

use std::path::PathBuf;

use secrecy::ExposeSecret;
use serde::Serialize;

use super::error::CliError;
use super::key_args::{CreateArgs, KeyCommand, RotateArgs, SecretFormat, ShowArgs, UpdateArgs};
use super::table::{columns, facts, moment};
use super::target::run as carry_out;
use super::{out, secret};
use crate::ops::keys::{
    CreateKey, DisableKey, EnableKey, Endpoints, KeyInfo, KeyWithSecret, ListKeys, RevokeKey,
    RotateKey, ShowKey, ShownKey, UpdateKey,
};

pub(super) async fn run(config: Option<PathBuf>, command: KeyCommand) -> Result<(), CliError> {
    match command {
        KeyCommand::Create(args) => create(config, args).await,
        KeyCommand::Rotate(args) => rotate(config, args).await,
        KeyCommand::Update(args) => update(config, args).await,
        KeyCommand::Show(args) => show(config, args).await,
        KeyCommand::List(args) => {
            let list = carry_out(
                config,
                ListKeys {
                    revoked: args.revoked,
                },
            )
            .await?;
            if args.format.json {
                return out::json(&list.keys);
            }
            if list.keys.is_empty() {
                out::note("no keys yet; make one with `troupe key create NAME`");
                return Ok(());
            }
            out::line(table(&list.keys))
        }
        KeyCommand::Disable(named) => {
            let key = carry_out(config, DisableKey { name: named.name }).await?;
            out::line(format!(
                "Disabled key {}; accept it again with `troupe key enable {0}`",
                key.name
            ))
        }
        KeyCommand::Enable(named) => {
            let key = carry_out(config, EnableKey { name: named.name }).await?;
            out::line(format!("Enabled key {}; it is {}", key.name, key.state))
        }
        KeyCommand::Revoke(named) => {
            let key = carry_out(config, RevokeKey { name: named.name }).await?;
            out::line(format!("Revoked key {} ({})", key.name, key.prefix))
        }
    }
}

async fn create(config: Option<PathBuf>, args: CreateArgs) -> Result<(), CliError> {
    let operation = CreateKey {
        name: args.named.name,
        secret: brought(args.secret.secret_stdin)?,
        rights: args.rights.into(),
    };
    let made = carry_out(config, operation).await?;
    tell_secret(&made, "Created", args.print)
}

async fn rotate(config: Option<PathBuf>, args: RotateArgs) -> Result<(), CliError> {
    let secret = brought(args.secret.secret_stdin)?;
    let operation = RotateKey {
        name: args.named.name,
        secret,
    };
    let made = carry_out(config, operation).await?;
    tell_secret(&made, "Rotated", args.print)
}

async fn update(config: Option<PathBuf>, args: UpdateArgs) -> Result<(), CliError> {
    let operation = UpdateKey {
        name: args.named.name,
        rights: args.rights.into(),
    };
    let key = carry_out(config, operation).await?;
    if args.format.json {
        return out::json(&key);
    }
    out::line(facts(&told(&key)))
}

async fn show(config: Option<PathBuf>, args: ShowArgs) -> Result<(), CliError> {
    let shown = carry_out(
        config,
        ShowKey {
            name: args.named.name,
        },
    )
    .await?;
    if args.format.json {
        return out::json(&shown);
    }
    let ShownKey {
        key,
        usage,
        in_flight,
    } = shown;
    let tokens = usage.tokens;
    let mut lines = told(&key);
    lines.extend([
        ("requests", Some(usage.requests.to_string())),
        (
            "tokens",
            Some(format!("{} in, {} out", tokens.input, tokens.output)),
        ),
        (
            "last used",
            Some(usage.last_used_at.map_or("never".into(), moment)),
        ),
        ("in flight", in_flight.map(|count| count.to_string())),
    ]);
    out::line(facts(&lines))
}

fn brought(stdin: bool) -> Result<Option<secrecy::SecretString>, CliError> {
    stdin.then(|| secret::from_stdin("secret")).transpose()
}

/// CONTRACT §2: in this order, and nothing else.
#[derive(Serialize)]
struct CreatedJson<'a> {
    id: String,
    name: &'a str,
    secret: &'a str,
    prefix: &'a str,
}

fn tell_secret(made: &KeyWithSecret, done: &str, print: SecretFormat) -> Result<(), CliError> {
    let (key, secret) = (&made.key, made.secret.expose_secret());
    let text = if print.json {
        out::to_json(&CreatedJson {
            id: key.id.0.to_string(),
            name: &key.name,
            secret,
            prefix: &key.prefix,
        })?
    } else if print.quiet {
        secret.to_owned()
    } else {
        format!(
            "{done} key {} ({}). Its secret, shown only this once:\n{secret}",
            key.name, key.prefix
        )
    };
    let lost = format!(
        "the secret of {0} is lost: `troupe key rotate {0}`",
        key.name
    );
    out::must_arrive(&text, &lost)
}

fn table(keys: &[KeyInfo]) -> String {
    let heading = [
        "NAME",
        "PREFIX",
        "STATE",
        "OWNER",
        "GROUP",
        "ENDPOINTS",
        "LIMITS",
        "EXPIRES",
        "FROM",
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
        endpoints(&key.endpoints),
        or_dash(limits(key)),
        key.expires.map_or_else(|| "never".to_owned(), moment),
        from(key.declared),
    ]
}

fn told(key: &KeyInfo) -> Vec<(&'static str, Option<String>)> {
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
        ("endpoints", Some(endpoints(&key.endpoints))),
        ("resources", Some(resources.to_owned())),
        ("limits", limits(key)),
        ("accounts", list(&key.accounts)),
        ("account groups", list(&key.account_groups)),
        ("account tags", list(&key.account_tags)),
        ("models", list(&key.models)),
        ("expires", Some(key.expires.map_or("never".into(), moment))),
        ("revoked", key.revoked_at.map(moment)),
        ("created", key.created_at.map(moment)),
        ("from", Some(from(key.declared))),
    ]
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

fn limits(key: &KeyInfo) -> Option<String> {
    key.limits
        .concurrent
        .map(|limit| format!("concurrent={limit}"))
}

pub(super) fn from(declared: bool) -> String {
    if declared { "configuration" } else { "store" }.to_owned()
}
