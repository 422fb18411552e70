//! `troupe account …`.

use std::path::PathBuf;

use troupe_core::account::Health;
use troupe_upstream::BaseUrl;

use super::account_args::{AccountCommand, AddArgs, ShowArgs};
use super::error::{CliError, FAILED};
use super::keys::from;
use super::table::{columns, facts, moment};
use super::target::run as carry_out;
use super::{out, secret};
use crate::ops::accounts::{
    AccountInfo, AddAccount, DisableAccount, EnableAccount, ListAccounts, RemoveAccount,
    ShowAccount, SlotsInfo, TestAccount, TestResult,
};

pub(super) async fn run(config: Option<PathBuf>, command: AccountCommand) -> Result<(), CliError> {
    match command {
        AccountCommand::Add(args) => add(config, args).await,
        AccountCommand::Test(args) => test(config, args).await,
        AccountCommand::List(format) => {
            let list = carry_out(config, ListAccounts {}).await?;
            if format.json {
                return out::json(&list.accounts);
            }
            if list.accounts.is_empty() {
                out::note(
                    "no accounts yet; add one with `troupe account add NAME --api-key-stdin`",
                );
                return Ok(());
            }
            out::line(table(&list.accounts))
        }
        AccountCommand::Show(args) => {
            let account = carry_out(
                config,
                ShowAccount {
                    name: args.named.name,
                },
            )
            .await?;
            if args.format.json {
                return out::json(&account);
            }
            out::line(facts(&told(&account)))
        }
        AccountCommand::Enable(named) => {
            let account = carry_out(config, EnableAccount { name: named.name }).await?;
            out::line(format!(
                "Enabled account {}; it is {}",
                account.name, account.state
            ))
        }
        AccountCommand::Disable(named) => {
            let account = carry_out(config, DisableAccount { name: named.name }).await?;
            let again = format!("use it again with `troupe account enable {}`", account.name);
            out::line(format!("Disabled account {}; {again}", account.name))
        }
        AccountCommand::Remove(named) => {
            let removed = carry_out(config, RemoveAccount { name: named.name }).await?;
            out::line(format!(
                "Removed account {} and its credential",
                removed.name
            ))
        }
    }
}

async fn add(config: Option<PathBuf>, args: AddArgs) -> Result<(), CliError> {
    let api_key = match &args.api_key.api_key_file {
        Some(path) => secret::from_file("API key", path)?,
        None => secret::from_stdin("API key")?,
    };
    let operation = AddAccount {
        name: args.named.name,
        kind: args.kind,
        base_url: args.base_url,
        auth: args.auth.into(),
        api_key,
        headers: args.headers.into_iter().collect(),
        models: args.models.into_iter().collect(),
        concurrent: args.concurrent,
    };
    let account = carry_out(config, operation).await?;
    if BaseUrl::parse(&account.base_url).is_ok_and(|base| base.is_cleartext_remote()) {
        out::note(format!(
            "warning: {} is plain http: key and prompts travel readable",
            account.base_url
        ));
    }
    if args.format.json {
        return out::json(&account);
    }
    out::line(format!(
        "Added account {0}; try it with `troupe account test {0}`",
        account.name
    ))
}

async fn test(config: Option<PathBuf>, args: ShowArgs) -> Result<(), CliError> {
    let tested = carry_out(
        config,
        TestAccount {
            name: args.named.name,
        },
    )
    .await?;
    let name = &tested.name;
    let said = match &tested.result {
        TestResult::Ok { latency_ms } => {
            Ok(format!("{name}: the credential works ({latency_ms} ms)"))
        }
        TestResult::Rejected { status, message } => Err(format!(
            "{name}: the upstream refuses the credential ({status}: {message}); add the account again with a valid one"
        )),
        TestResult::Inconclusive { message } => Err(format!(
            "{name}: nothing found out about the credential ({message}); try again later"
        )),
    };
    if args.format.json {
        out::json(&tested)?;
    }
    match said {
        Ok(_) if args.format.json => Ok(()),
        Ok(said) => out::line(said),
        Err(_) if args.format.json => Err(CliError {
            exit: FAILED,
            lines: Vec::new(),
        }),
        Err(said) => Err(CliError::failed(said)),
    }
}

fn table(accounts: &[AccountInfo]) -> String {
    let heading = ["NAME", "KIND", "STATE", "IN USE", "BASE URL", "FROM"];
    let rows: Vec<_> = accounts
        .iter()
        .map(|account| {
            vec![
                account.name.clone(),
                account.kind.as_str().to_owned(),
                account.state.clone(),
                account.slots.map_or_else(|| "-".to_owned(), in_use),
                account.base_url.clone(),
                from(account.declared),
            ]
        })
        .collect();
    columns(&heading, &rows)
}

fn told(account: &AccountInfo) -> Vec<(&'static str, Option<String>)> {
    let reason = match &account.health {
        Health::OutOfService { reason, .. } => Some(reason.clone()),
        Health::Rejected { .. } => Some("the upstream does not accept the credential".to_owned()),
        Health::Active => None,
    };
    let pauses = account.cooldowns.iter().map(|pause| {
        let model = pause.model.as_deref().unwrap_or("every model");
        let until = pause
            .until
            .map(|at| format!(" until {}", moment(at)))
            .unwrap_or_default();
        format!("{model}: {}{until}", pause.kind)
    });
    let models = account
        .models
        .iter()
        .map(|(from, to)| format!("{from}={to}"));
    let list = |items: Vec<String>| Some(items.join(", ")).filter(|list| !list.is_empty());
    let auth = match account.auth {
        troupe_core::account::AuthScheme::XApiKey => "x-api-key",
        troupe_core::account::AuthScheme::Bearer => "bearer",
    };
    vec![
        ("name", Some(account.name.clone())),
        ("id", Some(account.id.0.to_string())),
        ("kind", Some(account.kind.as_str().to_owned())),
        ("state", Some(account.state.clone())),
        ("reason", reason),
        ("pauses", list(pauses.collect())),
        ("in use", account.slots.map(in_use)),
        (
            "concurrent",
            account.concurrent.map(|limit| limit.to_string()),
        ),
        ("base url", Some(account.base_url.clone())),
        ("auth", Some(auth.to_owned())),
        ("headers", list(account.headers.clone())),
        ("models", list(models.collect())),
        ("created", account.created_at.map(moment)),
        ("from", Some(from(account.declared))),
    ]
}

fn in_use(slots: SlotsInfo) -> String {
    match slots.limit {
        Some(limit) => format!("{}/{limit}", slots.in_use),
        None => slots.in_use.to_string(),
    }
}
