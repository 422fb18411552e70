//! What can be typed after `troupe key`.

use clap::{Args, Subcommand, ValueEnum};
use troupe_core::key::{Priority, ResourceScope};

use super::args::{Format, Named};
use super::key_limits::LimitsArgs;
use super::limit_args::{LimitArg, limit, limits};
use crate::ops::keys::{Endpoints, KeyRights};

#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// Make a key; its secret is printed once
    #[command(
        after_help = "Examples:\n  troupe key create ci --owner build@example.org --expires 30d --limit requests_per_minute=100 --limit usd_per_month=12.50\n  KEY=$(troupe key create ci --quiet)\n  troupe key create ci --secret-stdin < secret.txt"
    )]
    Create(CreateArgs),
    /// List keys
    #[command(
        after_help = "Examples:\n  troupe key list --json\n  troupe key list --owner build@example.org --tag nightly"
    )]
    List(ListArgs),
    /// Show a key and what it has used
    #[command(after_help = "Example:\n  troupe key show ci")]
    Show(ShowArgs),
    /// Show the limits that a key has to keep, and how they stand
    #[command(
        after_help = "Examples:\n  troupe key limits ci --explain\n  troupe key limits ci --model claude-opus-5 --max-tokens 8000"
    )]
    Limits(LimitsArgs),
    /// Change what a key may do
    #[command(
        after_help = "Examples:\n  troupe key update ci --endpoints all --expires never\n  troupe key update ci --limit concurrent=none --limit usd_per_day=default\n  troupe key update ci --limit 'usd_per_day=5,on_limit=downgrade,model=claude-haiku-4-5'\n  troupe key update ci --address 10.0.0.0/8 --address 2001:db8::7\n  troupe key update ci --tag= --note="
    )]
    Update(UpdateArgs),
    /// Give a key a new secret; the old one ends at once, unless it is given time
    #[command(
        after_help = "Examples:\n  troupe key rotate ci\n  troupe key rotate ci --grace 24h --quiet"
    )]
    Rotate(RotateArgs),
    /// Refuse a key until it is enabled again
    #[command(after_help = "Example:\n  troupe key disable ci")]
    Disable(Named),
    /// Accept a disabled key again
    #[command(after_help = "Example:\n  troupe key enable ci")]
    Enable(Named),
    /// Keep the bodies of a key's requests for a while, whatever request_log.bodies says
    #[command(
        after_help = "Examples:\n  troupe key capture ci --for 1h\n  troupe key capture ci --off\n  troupe request show ID --bodies"
    )]
    Capture(CaptureArgs),
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
    /// How long the old secret still works, such as 24h
    #[arg(long, value_name = "TIME")]
    pub grace: Option<String>,
    #[command(flatten)]
    pub secret: BroughtSecret,
    #[command(flatten)]
    pub print: SecretFormat,
}

#[derive(Debug, Args)]
pub(super) struct CaptureArgs {
    #[command(flatten)]
    pub named: Named,
    /// So long from now, such as 1h; at most 24h
    #[arg(
        long = "for",
        value_name = "TIME",
        required_unless_present = "off",
        conflicts_with = "off"
    )]
    pub for_time: Option<String>,
    /// No longer
    #[arg(long)]
    pub off: bool,
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Revoked ones too
    #[arg(long)]
    pub revoked: bool,
    /// Those of this person
    #[arg(long, value_name = "PERSON")]
    pub owner: Option<String>,
    /// Those of this team
    #[arg(long, value_name = "TEAM")]
    pub group: Option<String>,
    /// Those with this tag
    #[arg(long, value_name = "TAG")]
    pub tag: Option<String>,
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
    /// A limit, such as requests_per_minute=100 or 'claude-opus-*:usd_per_day=5,cap=soft'; `none` is no limit whatever the default, `default` leaves it to that. May be repeated
    #[arg(long = "limit", value_name = "[MODELS:]NAME=N", value_parser = limit)]
    pub limits: Vec<LimitArg>,
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
    /// A model that it may not ask for, whatever else is permitted. May be repeated
    #[arg(long = "deny-model", value_name = "PATTERN")]
    pub deny_models: Option<Vec<String>>,
    /// An address or a network that its requests may come from; everywhere, unless given. May be repeated
    #[arg(long = "address", value_name = "CIDR")]
    pub addresses: Option<Vec<String>>,
    /// The person it belongs to
    #[arg(long, value_name = "PERSON")]
    pub owner: Option<String>,
    /// The team it belongs to
    #[arg(long, value_name = "TEAM")]
    pub group: Option<String>,
    /// A word to find it by. May be repeated
    #[arg(long = "tag", value_name = "TAG")]
    pub tags: Option<Vec<String>>,
    /// What its operators should know
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
    /// Its class where requests wait for each other
    #[arg(long, value_name = "low|normal|high")]
    pub priority: Option<Class>,
    /// When it ends: 30d, 2027-01-31, 2027-01-31T12:00:00Z, or `never`
    #[arg(long, value_name = "WHEN")]
    pub expires: Option<String>,
    /// How long after its first use it ends: 30d, or `never`
    #[arg(long, value_name = "TIME")]
    pub expires_after_first_use: Option<String>,
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
            limits: limits(rights.limits),
            expires: rights.expires,
            accounts: list(rights.accounts),
            account_groups: list(rights.account_groups),
            account_tags: list(rights.account_tags),
            models: list(rights.models),
            deny_models: list(rights.deny_models),
            addresses: list(rights.addresses),
            tags: list(rights.tags),
            note: rights.note,
            priority: rights.priority.map(Into::into),
            expires_after_first_use: rights.expires_after_first_use,
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Class {
    Low,
    Normal,
    High,
}

impl From<Class> for Priority {
    fn from(class: Class) -> Self {
        match class {
            Class::Low => Self::Low,
            Class::Normal => Self::Normal,
            Class::High => Self::High,
        }
    }
}

fn endpoints(text: &str) -> Result<Endpoints, String> {
    Ok(match text {
        "all" | "default" => Endpoints::Word(text.to_owned()),
        paths => Endpoints::Paths(paths.split(',').map(str::to_owned).collect()),
    })
}
