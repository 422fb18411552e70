//! What can be typed after `troupe request`.

use clap::{Args, Subcommand};
use troupe_core::log::StatusFilter;

use super::args::Format;
use super::request_list::ListArgs;

#[derive(Debug, Subcommand)]
pub(super) enum RequestCommand {
    /// Show a request: attempts, why its account and not the others, tokens, cost
    #[command(
        after_help = "Examples:\n  troupe request show req_01m86vrjtxe5g9c2vcarc9zhbn\n  troupe request show req_01m86vrjtxe5g9c2vcarc9zhbn --bodies"
    )]
    Show(ShowArgs),
    /// Look for requests, the newest first
    #[command(
        after_help = "Examples:\n  troupe request list --status 5xx --since 2h\n  troupe request list --key ci --min-cost 0.10 --since 2026-11-01 --until 2026-11-24\n  troupe request list --error 529 --min-duration 5s --limit 200 --json"
    )]
    List(Box<ListArgs>),
    /// List the last requests, the latest last
    #[command(
        after_help = "Examples:\n  troupe request tail -n 50\n  troupe request tail --key ci --status 4xx --follow"
    )]
    Tail(TailArgs),
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// From the header request-id of its answer
    #[arg(value_name = "ID")]
    pub id: String,
    /// What was asked and what was answered, as far as the log keeps it
    #[arg(long)]
    pub bodies: bool,
    #[command(flatten)]
    pub format: Format,
}

#[derive(Debug, Args)]
pub(super) struct TailArgs {
    /// Of this key
    #[arg(long, value_name = "NAME")]
    pub key: Option<String>,
    /// Served by this account, or tried on it
    #[arg(long, value_name = "NAME")]
    pub account: Option<String>,
    /// With this status, or one of this class: 429, 4xx
    #[arg(long, value_name = "STATUS")]
    pub status: Option<StatusFilter>,
    /// Probes and pages too, which are left out when they went well
    #[arg(long)]
    pub all: bool,
    /// So many, at most 1000
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub lines: u16,
    /// Go on as requests end, until ctrl-C; needs a running gateway
    #[arg(short, long)]
    pub follow: bool,
    /// As JSON; with --follow one request a line
    #[arg(long)]
    pub json: bool,
}
