//! `troupe`: the command line decides what runs.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(troupe_server::cli::run(std::env::args_os()))
}
