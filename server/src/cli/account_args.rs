//! What can be typed after `troupe account`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use troupe_core::account::AuthScheme;

use super::args::{Format, Named, pair};

#[derive(Debug, Subcommand)]
pub(super) enum AccountCommand {
    /// Add an account; its API key comes from stdin or a file
    #[command(
        after_help = "Examples:\n  troupe account add main --api-key-stdin < key.txt\n  troupe account add other --base-url https://llm.example.org --auth bearer --api-key-file key.txt"
    )]
    Add(AddArgs),
    /// List accounts and how they are
    #[command(after_help = "Example:\n  troupe account list --json")]
    List(Format),
    /// Show an account: health, pauses, requests in flight
    #[command(after_help = "Example:\n  troupe account show main")]
    Show(ShowArgs),
    /// Ask the upstream whether the credential works: exit 0 if it does
    #[command(after_help = "Example:\n  troupe account test main")]
    Test(ShowArgs),
    /// Let requests to an account again, and forget what was held against it
    #[command(after_help = "Example:\n  troupe account enable main")]
    Enable(Named),
    /// Keep new requests away from an account
    #[command(after_help = "Example:\n  troupe account disable main")]
    Disable(Named),
    /// Remove an account and its credential
    #[command(after_help = "Example:\n  troupe account remove main")]
    Remove(Named),
}

#[derive(Debug, Args)]
pub(super) struct AddArgs {
    #[command(flatten)]
    pub named: Named,
    /// Kind of credential: api_key
    #[arg(long, value_name = "KIND", default_value = "api_key")]
    pub kind: String,
    /// Any endpoint that speaks the Messages API [default: https://api.anthropic.com]
    #[arg(long, value_name = "URL")]
    pub base_url: Option<String>,
    /// The header that carries the API key
    #[arg(long, value_name = "SCHEME", default_value = "x-api-key")]
    pub auth: Auth,
    #[command(flatten)]
    pub api_key: ApiKey,
    /// A header for every request, not for secrets. May be repeated
    #[arg(long = "header", value_name = "NAME=VALUE", value_parser = pair)]
    pub headers: Vec<(String, String)>,
    /// A client's model name and this endpoint's. May be repeated
    #[arg(long = "model", value_name = "FROM=TO", value_parser = pair)]
    pub models: Vec<(String, String)>,
    /// Requests at the same time
    #[arg(long, value_name = "N")]
    pub concurrent: Option<u32>,
    #[command(flatten)]
    pub format: Format,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct ApiKey {
    /// Read the API key from stdin
    #[arg(long)]
    pub api_key_stdin: bool,
    /// Read the API key from a file
    #[arg(long, value_name = "F")]
    pub api_key_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    #[command(flatten)]
    pub named: Named,
    #[command(flatten)]
    pub format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Auth {
    #[value(name = "x-api-key")]
    XApiKey,
    Bearer,
}

impl From<Auth> for AuthScheme {
    fn from(auth: Auth) -> Self {
        match auth {
            Auth::XApiKey => Self::XApiKey,
            Auth::Bearer => Self::Bearer,
        }
    }
}
