//! `troupe account test`.

use std::path::PathBuf;
use troupe_core::account::Auth;

use super::account_args::ShowArgs;
use super::error::{CliError, FAILED};
use super::out;
use super::target::run as carry_out;
use crate::ops::accounts::{TestAccount, TestResult, TestedAccount};

pub(super) async fn run(config: Option<PathBuf>, args: ShowArgs) -> Result<(), CliError> {
    let name = args.named.name;
    let tested = carry_out(config, TestAccount { name }).await?;
    let works = matches!(tested.result, TestResult::Ok { .. });
    if args.format.json {
        out::json(&tested)?;
        return if works {
            Ok(())
        } else {
            Err(CliError {
                exit: FAILED,
                lines: Vec::new(),
            })
        };
    }
    if works {
        let lines: Vec<_> = each(&tested).collect();
        return out::line(lines.join("\n"));
    }
    // Those that work are told too: the account serves by them.
    let others = each(&tested).skip(1).map(|said| format!("; {said}"));
    let first = each(&tested).next().unwrap_or_default();
    Err(CliError::failed(format!(
        "{first}{}",
        others.collect::<String>()
    )))
}

fn each(tested: &TestedAccount) -> impl Iterator<Item = String> + '_ {
    tested.credentials.iter().map(|credential| {
        let name = &tested.name;
        let auth = match credential.auth {
            Auth::ApiKey => "API key",
            Auth::Oauth => "access token",
            Auth::Web => "web session",
        };
        match &credential.result {
            TestResult::Ok { latency_ms, said } => {
                format!("{name}: the {auth} works ({latency_ms} ms: {said})")
            }
            TestResult::Rejected { status, message } => format!(
                "{name}: the upstream refuses the {auth} ({status}: {message}); give a valid one with `troupe account update {name}`"
            ),
            TestResult::Challenged => format!(
                "{name}: the web surface asks for a person; visit it with a browser, then `troupe account enable {name}`"
            ),
            TestResult::Inconclusive { message } => format!(
                "{name}: nothing found out about the {auth} ({message}); try again later"
            ),
        }
    })
}
