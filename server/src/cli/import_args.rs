//! What can be typed after `troupe import`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(super) enum ImportCommand {
    /// Take over clove's accounts.json, and its config.json
    #[command(
        after_help = "Example:\n  troupe import clove data/accounts.json --settings data/config.json --dry-run"
    )]
    Clove(CloveArgs),
    /// Take over clewdr's clewdr.toml
    #[command(after_help = "Example:\n  troupe import clewdr clewdr.toml")]
    Clewdr(FileArgs),
    /// Take over LiteLLM's config.yaml, or its database, whose virtual keys go on working
    #[command(
        after_help = "Examples:\n  troupe import litellm config.yaml\n  LITELLM_DATABASE_URL=postgres://… troupe import litellm --dry-run"
    )]
    Litellm(LitellmArgs),
}

#[derive(Debug, Args)]
pub(super) struct CloveArgs {
    /// accounts.json of clove's data folder
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// config.json of the same folder, with its keys and its proxy
    #[arg(long, value_name = "FILE")]
    pub settings: Option<PathBuf>,
    #[command(flatten)]
    pub how: HowArgs,
}

#[derive(Debug, Args)]
pub(super) struct FileArgs {
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    #[command(flatten)]
    pub how: HowArgs,
}

#[derive(Debug, Args)]
pub(super) struct LitellmArgs {
    /// config.yaml, or postgres://… without a password
    #[arg(value_name = "FILE|URL")]
    pub source: Option<String>,
    /// Read the database's URL from a file
    #[arg(long, value_name = "F", conflicts_with = "source")]
    pub database_url_file: Option<PathBuf>,
    #[command(flatten)]
    pub how: HowArgs,
}

#[derive(Debug, Args)]
pub(super) struct HowArgs {
    /// Say what would be taken, and take nothing
    #[arg(long)]
    pub dry_run: bool,
    /// The report as JSON
    #[arg(long)]
    pub json: bool,
    /// The client that imported tokens belong to, where the source does not say
    #[arg(long, value_name = "ID")]
    pub client_id: Option<String>,
    /// The endpoint that renews imported tokens, where the source does not say
    #[arg(long, value_name = "URL")]
    pub token_url: Option<String>,
    /// A known provider, whose endpoints renew imported tokens
    #[arg(long, value_name = "NAME")]
    pub preset: Option<String>,
}
