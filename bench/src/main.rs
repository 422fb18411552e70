//! `troupe-bench`: `run` measures, `mock` is the upstream alone, `load` is one load alone.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool; its report is its output"
)]

mod cli;

use std::process::ExitCode;

use clap::Parser;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::LocalSet;
use troupe_bench::error::{Doing, Error, Result};

use cli::Command;

fn main() -> ExitCode {
    let command = cli::Cli::parse().command;
    match start(command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("troupe-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start(command: Command) -> Result<ExitCode> {
    raise_file_limit()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .doing("start tokio")?;
    let done = LocalSet::new().block_on(&runtime, async {
        let (mut interrupted, mut ended) =
            (on(SignalKind::interrupt())?, on(SignalKind::terminate())?);
        // A signal drops the command, and with it every guard of a child process.
        tokio::select! {
            done = dispatch(command) => done,
            _ = interrupted.recv() => Err(Error::Child("interrupted".to_owned())),
            _ = ended.recv() => Err(Error::Child("terminated".to_owned())),
        }
    });
    // Not waiting for a thread that reads standard input or drives a fixed rate.
    runtime.shutdown_background();
    done
}

async fn dispatch(command: Command) -> Result<ExitCode> {
    match command {
        Command::Run(args) => {
            let (text, valid) = args.run(&|line| eprintln!("{line}")).await?;
            println!("{text}");
            Ok(if valid {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            })
        }
        Command::Mock(args) => args.run().await.map(|()| ExitCode::SUCCESS),
        Command::Load(args) => {
            println!("{}", args.run().await?);
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn on(kind: SignalKind) -> Result<tokio::signal::unix::Signal> {
    signal(kind).doing("listen for signals")
}

/// A thousand open streams are three thousand sockets; children inherit the limit.
fn raise_file_limit() -> Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).doing("read the file limit")?;
    setrlimit(Resource::RLIMIT_NOFILE, hard.min(65_536), hard).doing("raise the file limit")
}
