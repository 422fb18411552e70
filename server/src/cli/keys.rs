//! `troupe key …`.

use std::path::PathBuf;

use secrecy::ExposeSecret;
use serde::Serialize;

use super::error::CliError;
use super::key_args::{CreateArgs, KeyCommand, RotateArgs, SecretFormat, ShowArgs, UpdateArgs};
use super::table::{facts, moment};
use super::target::run as carry_out;
use super::{key_limits, key_show, out, secret};
use crate::ops::keys::{
    CaptureKey, CreateKey, DisableKey, EnableKey, KeyWithSecret, ListKeys, RevokeKey, RotateKey,
    ShowKey, ShownKey, UpdateKey,
};

pub(super) async fn run(config: Option<PathBuf>, command: KeyCommand) -> Result<(), CliError> {
    match command {
        KeyCommand::Create(args) => create(config, args).await,
        KeyCommand::Rotate(args) => rotate(config, args).await,
        KeyCommand::Update(args) => update(config, args).await,
        KeyCommand::Show(args) => show(config, args).await,
        KeyCommand::Limits(args) => key_limits::run(config, args).await,
        KeyCommand::List(args) => {
            let wanted = ListKeys {
                revoked: args.revoked,
                owner: args.owner,
                group: args.group,
                tag: args.tag,
            };
            list(config, wanted, args.format.json).await
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
        KeyCommand::Capture(args) => {
            let operation = CaptureKey {
                name: args.named.name,
                for_time: args.for_time,
            };
            let key = carry_out(config, operation).await?;
            out::line(match key.capture_until {
                Some(until) => format!(
                    "Capturing key {} until {}; see `troupe request show ID --bodies`",
                    key.name,
                    moment(until)
                ),
                None => format!("Not capturing key {}", key.name),
            })
        }
        KeyCommand::Revoke(named) => {
            let key = carry_out(config, RevokeKey { name: named.name }).await?;
            out::line(format!("Revoked key {} ({})", key.name, key.prefix))
        }
    }
}

async fn list(config: Option<PathBuf>, wanted: ListKeys, json: bool) -> Result<(), CliError> {
    let filtered = (&wanted.owner, &wanted.group, &wanted.tag) != (&None, &None, &None);
    let list = carry_out(config, wanted).await?;
    if json {
        return out::json(&list.keys);
    }
    if !list.keys.is_empty() {
        return out::line(key_show::table(&list.keys));
    }
    out::note(if filtered {
        "no key is like that; see `troupe key list`"
    } else {
        "no keys yet; make one with `troupe key create NAME`"
    });
    Ok(())
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
        grace: args.grace,
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
    out::line(facts(&key_show::told(&key)))
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
    let mut lines = key_show::told(&key);
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
        let old = key.previous.as_ref().map(|old| {
            let until = moment(old.until);
            format!(" The old secret ({}) works until {until}.", old.prefix)
        });
        format!(
            "{done} key {} ({}).{} Its secret, shown only this once:\n{secret}",
            key.name,
            key.prefix,
            old.unwrap_or_default()
        )
    };
    let lost = format!(
        "the secret of {0} is lost: `troupe key rotate {0}`",
        key.name
    );
    out::must_arrive(&text, &lost)
}
