//! What can be typed after `troupe key`.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::Number;
use troupe_core::key::ResourceScope;

use super::args::{Format, Named, pair};
use crate::ops::keys::{Endpoints, KeyRights};

#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// Make a key; its secret is printed once
    #[command(
        after_help = "Examples:\n  troupe key create ci --owner build@example.org --expires 30d --limit concurrent=8\n  KEY=$(troupe key create ci --quiet)\n  troupe key create ci --secret-stdin < secret.txt"
    )]
    Create(CreateArgs),
    /// List keys
    #[command(after_help = "Example:\n  troupe key list --json")]
    List(ListArgs),
    /// Show a key and what it has used
    #[command(after_help = "Example:\n  troupe key show ci")]
    Show(ShowArgs),
    /// Change what a key may do
    #[command(
        after_help = "Examples:\n  troupe key update ci --endpoints all --expires never\n  troupe key update ci --limit concurrent=none"
    )]
    Update(UpdateArgs),
    /// Give a key a new secret; the old one ends at once
    #[command(after_help = "Example:\n  troupe key rotate ci")]
    Rotate(RotateArgs),
    /// Refuse a key until it is enabled again
    #[command(after_help = "Example:\n  troupe key disable ci")]
    Disable(Named),
    /// Accept a disabled key again
    #[command(after_help = "Example:\n  troupe key enable ci")]
    Enable(Named),
    /// Refuse a key for good
    #[command(after_help = "Example:\n  troupe key revoke ci")]
    Revoke(Named),
}

#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    #[command(flatten)]
    pub named: Named,
    #[command(flatten)]
    pub rights: Rights,
    #[command(flatten)]
    pub secret: BroughtSecret,
    #[command(flatten)]
    pub print: SecretFormat,
}

#[derive(Debug, Args)]
pub(super) struct UpdateArgs {
    #[command(flatten)]
    pub named: Named,
    #[command(flatten)]
    pub rights: Rights,
    #[command(flatten)]
    pub format: Format,
}

#[derive(Debug, Args)]
pub(super) struct RotateArgs {
    #[command(flatten)]
    pub named: Named,
    #[command(flatten)]
    pub secret: BroughtSecret,
    #[command(flatten)]
    pub print: SecretFormat,
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Revoked ones too
    #[arg(long)]
    pub revoked: bool,
    #[command(flatten)]
    pub format: Format,
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    #[command(flatten)]
    pub named: Named,
    #[command(flatten)]
    pub format: Format,
}

#[derive(Debug, Args)]
pub(super) struct Rights {
    /// A limit, such as concurrent=8; `none` removes it. May be repeated
    #[arg(long = "limit", value_name = "NAME=N", value_parser = limit)]
    pub limits: Vec<(String, Option<Number>)>,
    /// Paths it may call besides its usual ones: `all`, `default`, or a list such as /v1/files,/v1/messages/batches
    #[arg(long, value_name = "all|P,…", value_parser = endpoints)]
    pub endpoints: Option<Endpoints>,
    /// Upstream files and batches it may reach: its own, or all of the accounts it uses
    #[arg(long, value_name = "own|all")]
    pub resources: Option<Resources>,
    /// An account that it may use; all, unless this or one of the next two is given. May be repeated; an empty one removes them all
    #[arg(long = "account", value_name = "NAME")]
    pub accounts: Option<Vec<String>>,
    /// A group of accounts that it may use. May be repeated
    #[arg(long = "account-group", value_name = "GROUP")]
    pub account_groups: Option<Vec<String>>,
    /// A tag of accounts that it may use. May be repeated
    #[arg(long = "account-tag", value_name = "TAG")]
    pub account_tags: Option<Vec<String>>,
    /// A model that it may ask for; `*` stands for any text. May be repeated
    #[arg(long = "model", value_name = "PATTERN")]
    pub models: Option<Vec<String>>,
    /// The person it belongs to
    #[arg(long, value_name = "PERSON")]
    pub owner: Option<String>,
    /// The team it belongs to
    #[arg(long, value_name = "TEAM")]
    pub group: Option<String>,
    /// When it ends: 30d, 2027-01-31, 2027-01-31T12:00:00Z, or `never`
    #[arg(long, value_name = "WHEN")]
    pub expires: Option<String>,
}

impl From<Rights> for KeyRights {
    fn from(rights: Rights) -> Self {
        // An empty one is how a list is emptied: `--account=`.
        let list = |given: Option<Vec<String>>| {
            given.map(|texts| texts.into_iter().filter(|text| !text.is_empty()).collect())
        };
        Self {
            owner: rights.owner,
            group: rights.group,
            endpoints: rights.endpoints,
            resources: rights.resources.map(Into::into),
            limits: rights.limits.into_iter().collect(),
            expires: rights.expires,
            accounts: list(rights.accounts),
            account_groups: list(rights.account_groups),
            account_tags: list(rights.account_tags),
            models: list(rights.models),
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct BroughtSecret {
    /// Read the secret from stdin (at least 20 characters) instead of making one
    #[arg(long)]
    pub secret_stdin: bool,
}

#[derive(Clone, Copy, Debug, Args)]
pub(super) struct SecretFormat {
    /// Print the secret and nothing else
    #[arg(long, short, conflicts_with = "json")]
    pub quiet: bool,
    /// Print {id, name, secret, prefix}
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Resources {
    Own,
    All,
}

impl From<Resources> for ResourceScope {
    fn from(resources: Resources) -> Self {
        match resources {
            Resources::Own => Self::Own,
            Resources::All => Self::All,
        }
    }
}

fn limit(text: &str) -> Result<(String, Option<Number>), String> {
    let (name, value) = pair(text)?;
    match value.as_str() {
        "none" | "null" => Ok((name, None)),
        number => match number.parse() {
            Ok(number) => Ok((name, Some(number))),
            Err(_) => Err(format!("write a number or `none` after `{name}=`")),
        },
    }
}

fn endpoints(text: &str) -> Result<Endpoints, String> {
    Ok(match text {
        "all" | "default" => Endpoints::Word(text.to_owned()),
        paths => Endpoints::Paths(paths.split(',').map(str::to_owned).collect()),
    })
}
