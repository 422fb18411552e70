//! What can be typed after `troupe account`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::account_settings::SettingsArgs;
use super::args::{Format, Named};

#[derive(Debug, Subcommand)]
pub(super) enum AccountCommand {
    /// Add an account; its secrets come from stdin or files
    #[command(
        after_help = "Examples:\n  troupe account add main --api-key-stdin < key.txt\n  troupe account add other --base-url https://llm.example.org --auth bearer --api-key-file key.txt\n  troupe account add me --kind oauth --oauth-preset claude_platform --oauth-client-id ID --oauth-redirect-uri http://localhost:7777/callback"
    )]
    Add(Box<AddArgs>),
    /// Change an account: what is given is replaced, the rest stays
    #[command(
        after_help = "Examples:\n  troupe account update main --api-key-file key.txt --weight 5\n  troupe account update main --unset schedule --unset oauth.client_id"
    )]
    Update(Box<UpdateArgs>),
    /// Add many accounts from a JSON file; what is there already with the same content stays
    #[command(
        after_help = "Example:\n  troupe account batch accounts.json\n\nThe file: [{\"name\": \"main\", \"kind\": \"api_key\", \"api_key\": \"…\", \"weight\": 2}, …]"
    )]
    Batch(BatchArgs),
    /// List accounts and how they are
    #[command(after_help = "Example:\n  troupe account list --json")]
    List(Format),
    /// Show an account: credentials, windows, pauses, statistics
    #[command(after_help = "Example:\n  troupe account show main")]
    Show(ShowArgs),
    /// Ask the upstream with the smallest real request, once for each credential: exit 0 if the first one works
    #[command(after_help = "Example:\n  troupe account test main")]
    Test(ShowArgs),
    /// Say which account a request would get now, and why not the others
    #[command(
        after_help = "Example:\n  troupe account explain --model claude-sonnet-5 --key ci --session s1"
    )]
    Explain(ExplainArgs),
    /// Log a person in: prints the page to open, and takes the code that comes back
    #[command(
        after_help = "Examples:\n  troupe account login me\n  troupe account login me --paste < code.txt"
    )]
    Login(LoginArgs),
    /// Renew an account's tokens now
    #[command(after_help = "Example:\n  troupe account refresh me")]
    Refresh(ShowArgs),
    /// Exchange an account's web session for tokens of its own
    #[command(after_help = "Example:\n  troupe account exchange me")]
    Exchange(ShowArgs),
    /// Let requests to an account again, and forget what was held against it
    #[command(after_help = "Example:\n  troupe account enable main")]
    Enable(Named),
    /// Keep new requests away from an account
    #[command(after_help = "Example:\n  troupe account disable main")]
    Disable(Named),
    /// Remove an account and its credentials
    #[command(after_help = "Example:\n  troupe account remove main")]
    Remove(Named),
}

#[derive(Debug, Args)]
pub(super) struct AddArgs {
    #[command(flatten)]
    pub named: Named,
    /// What it is made for: api_key, oauth or web_session; it may hold the others beside it
    #[arg(long, value_name = "KIND", default_value = "api_key")]
    pub kind: String,
    #[command(flatten)]
    pub settings: SettingsArgs,
    #[command(flatten)]
    pub format: Format,
}

#[derive(Debug, Args)]
pub(super) struct UpdateArgs {
    #[command(flatten)]
    pub named: Named,
    /// What it is made for from now on: api_key, oauth or web_session
    #[arg(long, value_name = "KIND")]
    pub kind: Option<String>,
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// Remove a setting, by its name in the configuration file (schedule, proxy, oauth.client_id, …). May be repeated
    #[arg(long, value_name = "FIELD")]
    pub unset: Vec<String>,
    #[command(flatten)]
    pub format: Format,
}

#[derive(Debug, Args)]
pub(super) struct BatchArgs {
    /// A JSON list of accounts, each with the fields of the configuration file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
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
pub(super) struct LoginArgs {
    #[command(flatten)]
    pub named: Named,
    /// Take the code from stdin, even where the page could send it here by itself
    #[arg(long)]
    pub paste: bool,
    #[command(flatten)]
    pub format: Format,
}

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// The model that is asked for
    #[arg(long, value_name = "M")]
    pub model: Option<String>,
    /// The key that asks
    #[arg(long, value_name = "NAME")]
    pub key: Option<String>,
    /// The client's session; needs --key
    #[arg(long, value_name = "ID", requires = "key")]
    pub session: Option<String>,
    #[command(flatten)]
    pub format: Format,
}
