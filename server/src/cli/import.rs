//! `troupe import`: reads another gateway's files or database, and has the gateway write what they hold.
//!
//! Invariant: no secret of the source is printed; the database's password is not taken from the arguments.

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use troupe_storage::foreign::litellm;
use url::Url;

use super::accounts::{chunks, warn_of_web};
use super::error::CliError;
use super::import_args::{CloveArgs, HowArgs, ImportCommand, LitellmArgs};
use super::progress::Progress;
use super::target::Target;
use super::{out, secret, source};
use crate::import::{ImportError, ImportPlan, clewdr, clove, litellm_database, litellm_yaml};
use crate::ops::import::{
    ApplyImport, ImportOutcome, ImportReport, ImportedItem, OauthDefaults, What, items,
};

/// Where the database's URL may stand besides a file.
const DATABASE_URL: &str = "LITELLM_DATABASE_URL";

pub(super) async fn run(config: Option<PathBuf>, command: ImportCommand) -> Result<(), CliError> {
    let (plan, how) = match command {
        ImportCommand::Clove(args) => (of_clove(&args)?, args.how),
        ImportCommand::Clewdr(args) => {
            let text = source::read_text(&args.file)?;
            (clewdr(&text).map_err(unreadable)?, args.how)
        }
        ImportCommand::Litellm(args) => (of_litellm(&args).await?, args.how),
    };
    apply(config, &plan, how).await
}

fn unreadable(error: ImportError) -> CliError {
    CliError::usage(error)
}

fn of_clove(args: &CloveArgs) -> Result<ImportPlan, CliError> {
    let accounts = source::read(&args.file)?;
    let settings = args.settings.as_deref().map(source::read).transpose()?;
    clove(&accounts, settings.as_deref()).map_err(unreadable)
}

async fn of_litellm(args: &LitellmArgs) -> Result<ImportPlan, CliError> {
    let environment = || {
        std::env::var(DATABASE_URL)
            .ok()
            .filter(|url| !url.is_empty())
    };
    match (&args.source, &args.database_url_file) {
        (Some(source), _) if is_database(source) => of_database(&without_password(source)?).await,
        (Some(file), _) => {
            let text = source::read_text(Path::new(file))?;
            litellm_yaml(&text, &theirs).map_err(unreadable)
        }
        (None, Some(file)) => of_database(&secret::from_file("database URL", file)?).await,
        (None, None) => match environment() {
            Some(url) => of_database(&url.into()).await,
            None => Err(CliError::usage(format!(
                "say what to import: config.yaml, postgres://… or --database-url-file F; or set {DATABASE_URL}"
            ))),
        },
    }
}

/// A variable that a file names. Not one of this gateway's own: a file could have its master key sent somewhere as an
/// account's key.
fn theirs(name: &str) -> Option<String> {
    let upper = name.to_ascii_uppercase();
    let own = upper.starts_with("TROUPE_") || upper == "ADMIN_PASSWORD";
    std::env::var(name).ok().filter(|_| !own)
}

fn is_database(source: &str) -> bool {
    source.starts_with("postgres://") || source.starts_with("postgresql://")
}

fn without_password(url: &str) -> Result<SecretString, CliError> {
    // What is no URL may hold a password all the same.
    let has_password = match Url::parse(url) {
        Ok(parsed) => {
            let in_query = |(name, _): (std::borrow::Cow<'_, str>, _)| name == "password";
            parsed.password().is_some() || parsed.query_pairs().any(in_query)
        }
        Err(_) => true,
    };
    if has_password {
        return Err(CliError::usage(format!(
            "a URL with a password is visible to every process of this machine; give it by {DATABASE_URL} or --database-url-file F"
        )));
    }
    Ok(url.into())
}

async fn of_database(url: &SecretString) -> Result<ImportPlan, CliError> {
    if !is_database(url.expose_secret().trim()) {
        return Err(CliError::usage(
            "the database's URL begins with postgres://",
        ));
    }
    let progress = Progress::of("reading", 0);
    let rows = litellm::read(url, &|at| progress.part(at.table, at.rows, at.of)).await;
    Ok(litellm_database(rows.map_err(CliError::failed)?))
}

async fn apply(config: Option<PathBuf>, plan: &ImportPlan, how: HowArgs) -> Result<(), CliError> {
    let defaults = OauthDefaults {
        preset: how.preset,
        token_url: how.token_url,
        client_id: how.client_id,
    };
    let (accounts, keys) = items(plan, &defaults);
    let target = Target::find(config)?;
    let progress = Progress::of("importing", accounts.len() + keys.len());
    let dry_run = how.dry_run;
    let mut report = ImportReport::default();
    let accounts = chunks(accounts).into_iter().map(|accounts| ApplyImport {
        accounts,
        keys: Vec::new(),
        dry_run,
    });
    let keys = chunks(keys).into_iter().map(|keys| ApplyImport {
        accounts: Vec::new(),
        keys,
        dry_run,
    });
    for part in accounts.chain(keys) {
        let done = target.run(part).await?;
        progress.step(done.items.len());
        report.items.extend(done.items);
    }
    drop(progress);
    warn_of_web(
        plan.accounts
            .iter()
            .any(|account| account.web_cookie.is_some()),
    );
    tell(plan, &report, dry_run, how.json)?;
    let refused = count(&report, What::Account, ImportOutcome::Refused)
        + count(&report, What::Key, ImportOutcome::Refused);
    match refused {
        0 => Ok(()),
        refused => Err(CliError::failed(format!(
            "{refused} of {} items were refused; the report says why",
            report.items.len()
        ))),
    }
}

fn tell(
    plan: &ImportPlan,
    report: &ImportReport,
    dry_run: bool,
    as_json: bool,
) -> Result<(), CliError> {
    if as_json {
        let notes = plan
            .notes
            .iter()
            .map(|note| json!({ "what": note.what, "taken": note.taken, "why": note.why }));
        return out::json(&json!({
            "dry_run": dry_run,
            "items": report.items,
            "notes": notes.collect::<Vec<_>>(),
        }));
    }
    for item in &report.items {
        out::line(line(item))?;
    }
    for note in &plan.notes {
        let came = if note.taken { "taken" } else { "not taken" };
        out::line(format!("{came}: {}: {}", note.what, note.why))?;
    }
    let would = if dry_run {
        " (nothing was written)"
    } else {
        ""
    };
    out::line(format!(
        "accounts: {}; keys: {}{would}",
        counts(report, What::Account),
        counts(report, What::Key)
    ))
}

fn line(item: &ImportedItem) -> String {
    let what = match item.what {
        What::Account => "account",
        What::Key => "key",
    };
    let outcome = word(item.outcome);
    let notes = item.notes.iter().map(|note| format!("; {note}"));
    format!(
        "{what} {} ({}): {outcome}{}",
        item.name,
        item.source_id,
        notes.collect::<String>()
    )
}

fn counts(report: &ImportReport, what: What) -> String {
    use ImportOutcome::{Added, Refused, Unchanged, Updated};
    let each = [Added, Updated, Unchanged, Refused]
        .map(|outcome| format!("{} {}", count(report, what, outcome), word(outcome)));
    each.join(", ")
}

fn count(report: &ImportReport, what: What, outcome: ImportOutcome) -> usize {
    let items = report.items.iter();
    items
        .filter(|item| item.what == what && item.outcome == outcome)
        .count()
}

fn word(outcome: ImportOutcome) -> &'static str {
    match outcome {
        ImportOutcome::Added => "added",
        ImportOutcome::Updated => "updated",
        ImportOutcome::Unchanged => "unchanged",
        ImportOutcome::Refused => "refused",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_does_not_come_by_the_arguments() {
        assert!(without_password("postgres://user@h/litellm?sslmode=require").is_ok());
        for url in [
            "postgres://user:hunter2@h/litellm",
            "postgresql://h/litellm?password=hunter2",
            "postgres://user:hunter2@[",
        ] {
            let error = without_password(url).map(drop).unwrap_err();
            assert_eq!(error.exit, 2);
            assert!(error.lines[0].contains(DATABASE_URL) && !error.lines[0].contains("hunter2"));
        }
    }
}
