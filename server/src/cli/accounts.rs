//! `troupe account …`.

use std::path::PathBuf;

use serde_json::Value;
use troupe_upstream::BaseUrl;

use super::account_args::{AccountCommand, AddArgs, BatchArgs, ShowArgs, UpdateArgs};
use super::account_settings::{unread, without};
use super::error::CliError;
use super::table::facts;
use super::target::{Target, run as carry_out};
use super::{account_show, account_test, explain, login, out, source};
use crate::ops::accounts::{
    AccountInfo, AddAccount, BatchAccounts, BatchOutcome, BatchResult, DisableAccount,
    EnableAccount, ExchangeAccount, ListAccounts, RefreshAccount, RemoveAccount, ShowAccount,
    UpdateAccount, WEB_TERMS,
};

pub(super) async fn run(config: Option<PathBuf>, command: AccountCommand) -> Result<(), CliError> {
    match command {
        AccountCommand::Add(args) => add(config, *args).await,
        AccountCommand::Update(args) => update(config, *args).await,
        AccountCommand::Batch(args) => batch(config, args).await,
        AccountCommand::Test(args) => account_test::run(config, args).await,
        AccountCommand::Explain(args) => explain::run(config, args).await,
        AccountCommand::Login(args) => login::run(config, args).await,
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
            out::line(account_show::table(&list.accounts))
        }
        AccountCommand::Show(args) => {
            let name = args.named.name;
            let account = carry_out(config, ShowAccount { name }).await?;
            if args.format.json {
                return out::json(&account);
            }
            out::line(facts(&account_show::told(&account)))
        }
        AccountCommand::Refresh(args) => refresh(config, args).await,
        AccountCommand::Exchange(args) => exchange(config, args).await,
        AccountCommand::Enable(named) => {
            let account = carry_out(config, EnableAccount { name: named.name }).await?;
            warn_of_web(account.web.is_some());
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
    if args.kind == "api_key" && !args.settings.brings_api_key() {
        return Err(CliError::usage(
            "an account of kind api_key needs its key: --api-key-stdin or --api-key-file F",
        ));
    }
    let settings = args.settings.read()?;
    let web = settings.brings_cookie();
    let operation = AddAccount {
        name: args.named.name,
        kind: args.kind,
        settings,
    };
    let account = carry_out(config, operation).await?;
    warn_of_web(web);
    warn_of_cleartext(&account);
    if args.format.json {
        return out::json(&account);
    }
    let next = if account.state == "needs_login" {
        "log in with `troupe account login"
    } else {
        "try it with `troupe account test"
    };
    out::line(format!("Added account {0}; {next} {0}`", account.name))
}

async fn update(config: Option<PathBuf>, args: UpdateArgs) -> Result<(), CliError> {
    let settings = without(args.settings.read()?, &args.unset)?;
    let web = settings.brings_cookie();
    let operation = UpdateAccount {
        name: args.named.name,
        kind: args.kind,
        settings,
    };
    let account = carry_out(config, operation).await?;
    warn_of_web(web);
    warn_of_cleartext(&account);
    if args.format.json {
        return out::json(&account);
    }
    out::line(facts(&account_show::told(&account)))
}

/// Told wherever a web session begins to be used.
pub(super) fn warn_of_web(web: bool) {
    if web {
        out::note(format!("warning: {WEB_TERMS}"));
    }
}

fn warn_of_cleartext(account: &AccountInfo) {
    if BaseUrl::parse(&account.base_url).is_ok_and(|base| base.is_cleartext_remote()) {
        out::note(format!(
            "warning: {} is plain http: key and prompts travel readable",
            account.base_url
        ));
    }
}

async fn refresh(config: Option<PathBuf>, args: ShowArgs) -> Result<(), CliError> {
    let name = args.named.name;
    let account = carry_out(config, RefreshAccount { name }).await?;
    if args.format.json {
        return out::json(&account);
    }
    let ends = account_show::token_ends(&account);
    out::line(format!(
        "Renewed the tokens of account {}; {ends}",
        account.name
    ))
}

async fn exchange(config: Option<PathBuf>, args: ShowArgs) -> Result<(), CliError> {
    let name = args.named.name;
    let done = carry_out(config, ExchangeAccount { name }).await?;
    warn_of_web(true);
    if args.format.json {
        return out::json(&done.account);
    }
    let ends = account_show::token_ends(&done.account);
    out::line(format!(
        "Account {} has tokens of its own; {ends}",
        done.account.name
    ))
}

/// A request to a running gateway may have 256 KiB.
const CHUNK_MAX_BYTES: usize = 128 << 10;
const CHUNK_MAX_ITEMS: usize = 100;

/// `items` in pieces that fit a request.
pub(super) fn chunks<T: serde::Serialize>(items: Vec<T>) -> Vec<Vec<T>> {
    let mut chunks: Vec<Vec<T>> = Vec::new();
    let mut bytes = 0;
    for item in items {
        let size = serde_json::to_vec(&item).map_or(0, |text| text.len());
        match chunks.last_mut() {
            Some(chunk) if bytes + size <= CHUNK_MAX_BYTES && chunk.len() < CHUNK_MAX_ITEMS => {
                bytes += size;
                chunk.push(item);
            }
            _ => {
                bytes = size;
                chunks.push(vec![item]);
            }
        }
    }
    chunks
}

async fn batch(config: Option<PathBuf>, args: BatchArgs) -> Result<(), CliError> {
    let accounts = read_batch(&source::read(&args.file)?)?;
    let web = accounts
        .iter()
        .any(|account| account.settings.brings_cookie());
    let target = Target::find(config)?;
    let mut all = BatchResult {
        results: Vec::new(),
    };
    for accounts in chunks(accounts) {
        all.results
            .extend(target.run(BatchAccounts { accounts }).await?.results);
    }
    warn_of_web(web);
    let count = |outcome: BatchOutcome| all.results.iter().filter(|r| r.outcome == outcome).count();
    if args.format.json {
        out::json(&all.results)?;
    } else {
        for item in &all.results {
            if let Some(why) = &item.why {
                out::line(format!("{}: refused: {why}", item.name))?;
            }
        }
        out::line(format!(
            "{} added, {} unchanged, {} refused",
            count(BatchOutcome::Added),
            count(BatchOutcome::Unchanged),
            count(BatchOutcome::Refused)
        ))?;
    }
    match count(BatchOutcome::Refused) {
        0 => Ok(()),
        refused => Err(CliError::failed(format!(
            "{refused} of {} accounts were refused; correct them and send the batch again",
            all.results.len()
        ))),
    }
}

/// A list, or an object with the list `accounts`; a field that is not known is an error, not passed over.
fn read_batch(bytes: &[u8]) -> Result<Vec<AddAccount>, CliError> {
    // The parser's own message may quote a secret.
    let file: Value = serde_json::from_slice(bytes).map_err(|error| {
        CliError::usage(format!("the file is no JSON: see line {}", error.line()))
    })?;
    let list = match &file {
        Value::Array(list) => list,
        Value::Object(object) => object
            .get("accounts")
            .and_then(Value::as_array)
            .ok_or_else(|| CliError::usage("the file has no list `accounts`"))?,
        _ => return Err(CliError::usage("the file is no list of accounts")),
    };
    let mut accounts = Vec::with_capacity(list.len());
    for (at, item) in list.iter().enumerate() {
        let account: AddAccount = serde_json::from_value(item.clone()).map_err(|_| {
            CliError::usage(format!(
                "account {}: a field is missing or of the wrong type",
                at + 1
            ))
        })?;
        let again = serde_json::to_value(&account).map_err(CliError::failed)?;
        if let Some(field) = unread("", item, &again) {
            return Err(CliError::usage(format!(
                "account {}: there is no field {field}",
                at + 1
            )));
        }
        accounts.push(account);
    }
    Ok(accounts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_read_strictly() {
        let read = |text: &str| read_batch(text.as_bytes());
        let two = read(
            r#"{"accounts":[{"name":"a","api_key":"s"},{"name":"b","kind":"oauth","oauth":{"token_url":"https://h","grant":"refresh_token"}}]}"#,
        );
        assert_eq!(two.unwrap().len(), 2);
        for (text, said) in [
            (
                r#"[{"name":"a","api_key":"hunter2","wieght":3}]"#,
                "account 1: there is no field wieght",
            ),
            (r#"[{"name":"a","web":{"cooky":"hunter2"}}]"#, "web.cooky"),
            (
                r#"[{"name":"a","api_key":["hunter2"]}]"#,
                "account 1: a field",
            ),
            ("{}", "no list `accounts`"),
            ("7", "no list"),
            ("hunter2", "no JSON"),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!(error.exit, 2);
            assert!(error.lines[0].contains(said), "{error:?}");
            assert!(!error.lines[0].contains("hunter2"), "{error:?}");
        }
    }

    #[test]
    fn chunks_fit_a_request() {
        let items: Vec<String> = (0..250).map(|n| n.to_string().repeat(1 << 10)).collect();
        let chunks = chunks(items.clone());
        assert_eq!(chunks.concat(), items);
        for chunk in &chunks {
            assert!(chunk.len() <= CHUNK_MAX_ITEMS);
            let bytes: usize = chunk.iter().map(|item| item.len() + 2).sum();
            assert!(bytes <= CHUNK_MAX_BYTES, "{bytes}");
        }
        assert!(super::chunks(Vec::<u8>::new()).is_empty());
    }
}
