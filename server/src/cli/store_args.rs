//! What can be typed after `troupe store`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(super) enum StoreCommand {
    /// Write everything that the store holds to a file; the gateway may run
    #[command(
        after_help = "Examples:\n  troupe store backup /backups/troupe-1\n  troupe store backup nightly --force --no-bodies --passphrase-file word.txt\n\nThe master key is not in the file: keep secrets.key_file too, elsewhere."
    )]
    Backup(BackupArgs),
    /// Fill the empty store of a stopped gateway from a backup; broken off, run it again
    #[command(after_help = "Example:\n  troupe store restore /backups/troupe-1")]
    Restore(RestoreArgs),
    /// Copy a store into an empty one, of another kind or in another place; broken off, run it again
    #[command(
        after_help = "Examples:\n  troupe store migrate --from sled:./data --to postgres://troupe@db/troupe\n  troupe store migrate --from-env OLD_URL --to sled:./data\n\nNo gateway may run on either. A password belongs into a variable, not into the arguments."
    )]
    Migrate(MigrateArgs),
}

#[derive(Debug, Args)]
pub(super) struct BackupArgs {
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Leave out the request log, and with it bodies
    #[arg(long)]
    pub no_logs: bool,
    /// Leave out bodies of requests
    #[arg(long)]
    pub no_bodies: bool,
    /// Replace the file if it is there
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub passphrase: PassphraseArgs,
    /// The report as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(super) struct RestoreArgs {
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    #[command(flatten)]
    pub passphrase: PassphraseArgs,
    /// The report as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(super) struct PassphraseArgs {
    /// Read the file's passphrase from stdin
    #[arg(long, conflicts_with = "passphrase_file")]
    pub passphrase_stdin: bool,
    /// Read the file's passphrase from another file
    #[arg(long, value_name = "F")]
    pub passphrase_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct MigrateArgs {
    /// sled:FOLDER or postgres://…
    #[arg(long, value_name = "URL", required_unless_present = "from_env")]
    pub from: Option<String>,
    /// The variable that holds the URL to copy from
    #[arg(long, value_name = "VAR", conflicts_with = "from")]
    pub from_env: Option<String>,
    /// sled:FOLDER or postgres://…, empty
    #[arg(long, value_name = "URL", required_unless_present = "to_env")]
    pub to: Option<String>,
    /// The variable that holds the URL to copy to
    #[arg(long, value_name = "VAR", conflicts_with = "to")]
    pub to_env: Option<String>,
    /// The report as JSON
    #[arg(long)]
    pub json: bool,
}
