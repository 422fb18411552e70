//! What can be typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::account_args::AccountCommand;
use super::audit_args::AuditCommand;
use super::import_args::ImportCommand;
use super::key_args::KeyCommand;
use super::request_args::RequestCommand;
use super::store_args::StoreCommand;
use super::usage_args::UsageArgs;

/// A gateway for the Claude Messages API: one endpoint in front of a pool of accounts.
#[derive(Debug, Parser)]
#[command(
    name = "troupe",
    version,
    after_help = "Examples:\n  troupe demo\n  troupe account add main --api-key-stdin < key.txt\n  troupe serve --bind 127.0.0.1:5200"
)]
pub(super) struct Cli {
    /// Configuration file [searched: $TROUPE_CONFIG, ./troupe.yaml, /etc/troupe/troupe.yaml]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the gateway until it is told to stop
    #[command(
        after_help = "Example:\n  troupe serve --config /etc/troupe/troupe.yaml --bind 0.0.0.0:5200"
    )]
    Serve(ServeArgs),
    /// Try it out: throw-away data, a scripted upstream, one key
    #[command(after_help = "Example:\n  troupe demo")]
    Demo(DemoArgs),
    /// Check or show the configuration
    #[command(subcommand, after_help = "Example:\n  troupe config check troupe.yaml")]
    Config(ConfigCommand),
    /// Upstream accounts, of a running or a stopped gateway
    #[command(subcommand, after_help = "Example:\n  troupe account list")]
    Account(AccountCommand),
    /// Keys of the gateway's clients, of a running or a stopped gateway
    #[command(
        subcommand,
        after_help = "Example:\n  troupe key create ci --expires 30d"
    )]
    Key(Box<KeyCommand>),
    /// Requests that have ended: which account served, why not the others, what they cost
    #[command(
        subcommand,
        after_help = "Example:\n  troupe request tail --status 4xx --follow"
    )]
    Request(RequestCommand),
    /// Who spent what: requests, tokens and cost by owner, group, key, account, model or day
    #[command(
        after_help = "Examples:\n  troupe usage\n  troupe usage --by owner --since 7d\n  troupe usage --by day --key ci --csv > ci.csv\n  troupe usage --by model --top 3 --sort tokens\n  troupe usage --by status --since 7d\n  troupe usage --by minute --account main --since 30m"
    )]
    Usage(Box<UsageArgs>),
    /// Who did what to what: judge the trail, write it out
    #[command(subcommand, after_help = "Example:\n  troupe audit verify")]
    Audit(Box<AuditCommand>),
    /// Back up, restore and move what the gateway keeps
    #[command(
        subcommand,
        after_help = "Example:\n  troupe store backup /backups/troupe-1"
    )]
    Store(StoreCommand),
    /// Take over accounts and keys of another gateway
    #[command(
        subcommand,
        after_help = "Example:\n  troupe import clove accounts.json --dry-run"
    )]
    Import(ImportCommand),
    /// Ask a running gateway whether it is well: exit 0 or 1
    #[command(
        after_help = "Examples:\n  troupe healthcheck\n  troupe healthcheck --ready\n  troupe healthcheck --url http://127.0.0.1:5200/readyz"
    )]
    Healthcheck(HealthcheckArgs),
    /// Print the version
    #[command(after_help = "Example:\n  troupe version --json")]
    Version(VersionArgs),
}

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Address and port for clients
    #[arg(long, value_name = "ADDR")]
    pub bind: Option<String>,
    /// Processes
    #[arg(long, value_name = "N")]
    pub workers: Option<u32>,
}

#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Address and port for clients [default: 127.0.0.1:5200, else a free port]
    #[arg(long, value_name = "ADDR")]
    pub bind: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Say everything that is wrong, each with file, line and key: exit 64 if anything is
    #[command(after_help = "Example:\n  troupe config check troupe.yaml")]
    Check(ConfigFile),
    /// Print the whole configuration with its defaults, secrets hidden
    #[command(after_help = "Example:\n  troupe config show")]
    Show(ConfigFile),
    /// Print the JSON schema of the configuration file
    #[command(after_help = "Example:\n  troupe config schema > troupe.schema.json")]
    Schema,
}

#[derive(Debug, Args)]
pub(super) struct ConfigFile {
    /// [default: as --config]
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct HealthcheckArgs {
    /// Ask whether it can serve (/readyz), not only whether it is alive (/healthz)
    #[arg(long)]
    pub ready: bool,
    /// Ask this URL, not the configured address
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct VersionArgs {
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// `--json` of listings.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Format {
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// The name of a key or an account.
#[derive(Debug, Args)]
pub(super) struct Named {
    #[arg(value_name = "NAME")]
    pub name: String,
}

/// `NAME=VALUE`, for headers, models and limits.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as NAME=VALUE".to_owned()),
    }
}
