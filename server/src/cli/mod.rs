//! The command line.
//!
//! Index. `args` (with `key_args`, `account_args`, `account_settings`, `request_args`, `import_args`): what can be typed. `out`: the only
//! writer to stdout and stderr, `progress` for long work. `error`: exit codes. `target`: a running gateway, or the store
//! of a stopped one. `keys`, `accounts` (with `account_show`, `account_test`, `explain`, `login` and its `redirect`),
//! `requests` (with `request_show`), `import`, `config`, `healthcheck`, `version`: a file per command. `secret`: secrets from stdin and files; `source`:
//! other programs' files. `store` (with `store_args`): backup, restore, migrate. `audit` (with `audit_args`): the trail, judged and written out. `usage_report` (with `usage_args` and `csv`): who spent what. `mistyped`: what was not understood.
//!
//! Invariant: exit 0 done, 1 failed, 2 usage, 64 configuration; an error is one line on stderr that says what to do
//! (a configuration's: one line each); no secret is taken from the arguments.

mod account_args;
mod account_settings;
mod account_show;
mod account_test;
mod accounts;
mod args;
mod audit;
mod audit_args;
mod config;
mod csv;
mod error;
mod explain;
mod healthcheck;
mod import;
mod import_args;
mod key_args;
mod key_limits;
mod key_show;
mod keys;
mod limit_args;
mod login;
mod mistyped;
mod out;
mod progress;
mod redirect;
mod request_args;
mod request_bodies;
mod request_list;
mod request_show;
mod requests;
mod secret;
mod source;
mod store;
mod store_args;
mod table;
mod target;
#[cfg(test)]
mod tests;
mod usage_args;
mod usage_report;
mod version;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Parser;

use self::args::{Cli, Command};
use self::error::CliError;
use crate::lifecycle::{self, ServeOptions};

/// Runs the command of `args` (the program's name first) and gives its exit code.
pub fn run(args: impl IntoIterator<Item = OsString>) -> u8 {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => return mistyped::report(&error),
    };
    match cli.command {
        Command::Serve(serve) => code(lifecycle::serve(ServeOptions {
            config: cli.config,
            bind: serve.bind,
            workers: serve.workers,
        })),
        Command::Demo(demo) => code(lifecycle::demo(demo.bind)),
        command => match short(cli.config, command) {
            Ok(()) => 0,
            Err(error) => out::error(&error),
        },
    }
}

fn code(code: i32) -> u8 {
    u8::try_from(code).unwrap_or(1)
}

/// Every command that ends by itself.
fn short(config: Option<PathBuf>, command: Command) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::failed(format!("the runtime does not start: {error}")))?;
    runtime.block_on(async {
        match command {
            Command::Config(command) => config::run(config, command),
            Command::Key(command) => keys::run(config, *command).await,
            Command::Account(command) => accounts::run(config, command).await,
            Command::Request(command) => requests::run(config, command).await,
            Command::Usage(args) => usage_report::run(config, *args).await,
            Command::Store(command) => store::run(config, command).await,
            Command::Audit(command) => audit::run(config, *command).await,
            Command::Import(command) => import::run(config, command).await,
            Command::Healthcheck(args) => healthcheck::run(config, args).await,
            Command::Version(args) => version::run(args),
            Command::Serve(_) | Command::Demo(_) => Ok(()),
        }
    })
}
