//! `troupe store`: backup, restore, migrate.
//!
//! Invariant: a file is checked to its last byte, and its master key compared, before a store is touched; what was opened is
//! closed before the command ends; no URL is printed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use troupe_storage::archive::{Archive, ArchiveError, Backup, Progress as Steps, Summary};
use troupe_storage::audit::{Entry, RESTORED};
use troupe_storage::{Backend, OpenError, Options};

use super::error::CliError;
use super::progress::Progress;
use super::store_args::{BackupArgs, MigrateArgs, PassphraseArgs, RestoreArgs, StoreCommand};
use super::table::columns;
use super::target::Target;
use super::{out, secret};
use crate::app::NODE;
use crate::ops::now_ms;
use crate::ops::open::master_keys;
use crate::ops::store::{BackUpStore, BackupEnd, BackupState, HeldRows, WatchBackup, held};

/// How often somebody who watches is told.
const TELL_EVERY: Duration = Duration::from_millis(100);
/// How often a running gateway is asked.
const ASK_EVERY: Duration = Duration::from_millis(300);
/// Connections to a PostgreSQL that is copied.
const CONNECTIONS: u32 = 4;

pub(super) async fn run(config: Option<PathBuf>, command: StoreCommand) -> Result<(), CliError> {
    match command {
        StoreCommand::Backup(args) => backup(config, args).await,
        StoreCommand::Restore(args) => restore(config, args).await,
        StoreCommand::Migrate(args) => migrate(config, args).await,
    }
}

fn passphrase(args: &PassphraseArgs) -> Result<Option<SecretString>, CliError> {
    match &args.passphrase_file {
        Some(file) => secret::from_file("passphrase", file).map(Some),
        None if args.passphrase_stdin => secret::from_stdin("passphrase").map(Some),
        None => Ok(None),
    }
}

async fn backup(config: Option<PathBuf>, args: BackupArgs) -> Result<(), CliError> {
    let path = std::path::absolute(&args.file).map_err(CliError::usage)?;
    let order = BackUpStore {
        path: path.clone(),
        replace: args.force,
        requests: !args.no_logs,
        bodies: !args.no_logs && !args.no_bodies,
        passphrase: passphrase(&args.passphrase)?,
    };
    let target = Target::find(config)?;
    let bar = Progress::of("backing up", 0);
    let begun = watched(&bar, target.run(order), || {
        let state = target.backups.state();
        (state.kind.unwrap_or_default(), state.rows)
    });
    let mut state: BackupState = begun.await?;
    let held = loop {
        match state.ended {
            Some(BackupEnd::Made(held)) => break held,
            Some(BackupEnd::Failed(error)) => return Err(error.into()),
            None => {}
        }
        bar.part(&state.kind.unwrap_or_default(), state.rows, state.rows);
        tokio::time::sleep(ASK_EVERY).await;
        state = target.run_on_running(WatchBackup {}).await?;
    };
    drop(bar);
    let note = format!(
        "{} is written. The master key is not in it: without secrets.key_file (or TROUPE_SECRETS__KEY) nothing sealed in it opens. Keep the key too, elsewhere.",
        path.display()
    );
    report(&held, args.json, &json!({ "file": path, "note": note }))
}

async fn restore(config: Option<PathBuf>, args: RestoreArgs) -> Result<(), CliError> {
    let word = passphrase(&args.passphrase)?;
    let target = Target::find(config)?;
    target.must_be_stopped().await?;
    let backup = Backup::check(&args.file, word).map_err(CliError::failed)?;
    fits(&target, &backup)?;
    let options = target.loaded().config.storage.options(target.cwd(), NODE);
    let store = open(options.open_to_fill().await)?;
    let bar = Progress::of("restoring", 0);
    let all = backup.summary().rows();
    let done = filled(&bar, all, &store, |archive, steps| async move {
        archive.restore(backup, steps).await
    });
    let done = done.await;
    drop(bar);
    let summary = closed(store, done).await?;
    told(&target, &options, &args.file).await;
    let note = "restored; every row was read back and compared";
    let more = json!({ "file": args.file, "note": note });
    report(&held(&summary), args.json, &more)
}

/// Nothing that is restored could be opened otherwise.
fn fits(target: &Target, backup: &Backup) -> Result<(), CliError> {
    let Some(wanted) = &backup.header().master_key_id else {
        return Ok(());
    };
    let keys = master_keys(&target.loaded().config, target.cwd());
    let keys = keys.map_err(CliError::configuration)?;
    if keys.has(wanted) {
        return Ok(());
    }
    Err(CliError::configuration(format!(
        "the backup is sealed under master key {wanted}, this configuration has {}; give secrets.key_file the key that was kept with the backup",
        keys.current.key_id()
    )))
}

/// The trail of the restored store begins with how it came to be.
async fn told(target: &Target, options: &Options, file: &Path) {
    let Ok(backend) = options.open().await else {
        return out::note("note: the restored store does not open; start the gateway to see why");
    };
    let audit = target.audit(&backend).await;
    let entry = Entry {
        after: Some(json!({ "file": file })),
        ..Entry::new(now_ms(), "cli", RESTORED, "store")
    };
    if let Err(error) = audit.tell(entry).await {
        out::note(format!(
            "note: the audit trail does not tell of it yet: {error}"
        ));
    }
    audit.close().await;
    if let Err(error) = backend.close().await {
        out::note(format!("note: the store did not close: {error}"));
    }
}

async fn migrate(config: Option<PathBuf>, args: MigrateArgs) -> Result<(), CliError> {
    let from = url(args.from, args.from_env.as_deref(), "--from")?;
    let to = url(args.to, args.to_env.as_deref(), "--to")?;
    if from.expose_secret() == to.expose_secret() {
        return Err(CliError::usage("--from and --to are one store"));
    }
    let target = Target::find(config)?;
    must_be_there(&from, target.cwd())?;
    let options = |url: SecretString| Options {
        url,
        base: target.cwd().to_owned(),
        dir: target.loaded().config.storage.dir.clone(),
        connections: CONNECTIONS,
        node: NODE.into(),
    };
    let source = open(options(from).open().await)?;
    let store = match open(options(to).open_to_fill().await) {
        Ok(store) => store,
        Err(error) => {
            let _ = source.close().await;
            return Err(error);
        }
    };
    let bar = Progress::of("copying", 0);
    let done = match source.archive() {
        None => Err(CliError::failed(ArchiveError::InMemory)),
        Some(from) => {
            filled(&bar, 0, &store, |to, steps| async move {
                from.copy_to(&to, steps).await
            })
            .await
        }
    };
    drop(bar);
    let done = closed(store, done).await;
    let summary = closed(source, done).await?;
    let note = "copied; every row was read back and compared. Give storage.url the new store before the gateway starts, and keep the old one until you trust it.";
    report(&held(&summary), args.json, &json!({ "note": note }))
}

/// Opening a store in a folder makes it: a misspelt source would be an empty one.
fn must_be_there(from: &SecretString, cwd: &Path) -> Result<(), CliError> {
    let Some(folder) = from.expose_secret().strip_prefix("sled:") else {
        return Ok(());
    };
    let folder = cwd.join(folder);
    if folder.join("store").is_dir() {
        return Ok(());
    }
    let folder = folder.display();
    Err(CliError::failed(format!("there is no store in {folder}")))
}

fn url(
    given: Option<String>,
    variable: Option<&str>,
    what: &str,
) -> Result<SecretString, CliError> {
    let url = match (given, variable) {
        (Some(url), _) => {
            let has_password = url::Url::parse(&url).is_ok_and(|url| url.password().is_some());
            if has_password {
                out::note(format!(
                    "note: a password in the arguments is visible to every process of this machine; {what}-env VAR reads it from a variable"
                ));
            }
            url
        }
        (None, Some(name)) => std::env::var(name)
            .map_err(|_| CliError::usage(format!("{what}-env: there is no variable {name}")))?,
        (None, None) => return Err(CliError::usage(format!("{what} is missing"))),
    };
    let known = ["sled:", "postgres://", "postgresql://"];
    if !known.iter().any(|kind| url.starts_with(kind)) {
        return Err(CliError::usage(format!(
            "{what}: a store is sled:FOLDER or postgres://…"
        )));
    }
    Ok(url.into())
}

fn open(opened: Result<Backend, OpenError>) -> Result<Backend, CliError> {
    opened.map_err(|error| match error {
        error @ OpenError::Url { .. } => CliError::configuration(error),
        error => CliError::failed(error),
    })
}

/// Lets `fill` work on a store, and shows how far it is.
async fn filled<F: Future<Output = Result<Summary, ArchiveError>>>(
    bar: &Progress,
    all: u64,
    store: &Backend,
    fill: impl FnOnce(Archive, Arc<Steps>) -> F,
) -> Result<Summary, CliError> {
    let Some(archive) = store.archive() else {
        return Err(CliError::failed(ArchiveError::InMemory));
    };
    let steps = Arc::new(Steps::default());
    let work = fill(archive, Arc::clone(&steps));
    let told = || {
        let kind = steps.kind().map_or("", |kind| kind.name());
        let rows = steps.rows().max(steps.checked());
        let doing = if steps.checked() > 0 {
            "comparing"
        } else {
            "copying"
        };
        (format!("{doing} {kind}"), rows.min(all.max(rows)))
    };
    watched(bar, work, told).await.map_err(CliError::failed)
}

/// Waits for `work`; every moment the bar shows what `told` tells.
async fn watched<T>(
    bar: &Progress,
    work: impl Future<Output = T>,
    told: impl Fn() -> (String, u64),
) -> T {
    let mut work = std::pin::pin!(work);
    let mut tick = tokio::time::interval(TELL_EVERY);
    loop {
        tokio::select! {
            done = &mut work => return done,
            _ = tick.tick() => {
                let (what, rows) = told();
                bar.part(&what, rows, rows);
            }
        }
    }
}

async fn closed<T>(backend: Backend, done: Result<T, CliError>) -> Result<T, CliError> {
    let closed = backend.close().await;
    let done = done?;
    closed.map_err(|error| CliError::failed(format!("the store did not close: {error}")))?;
    Ok(done)
}

fn report(held: &[HeldRows], as_json: bool, more: &serde_json::Value) -> Result<(), CliError> {
    if as_json {
        let mut told = more.clone();
        told["kinds"] = json!(held);
        return out::json(&told);
    }
    let rows: Vec<_> = held
        .iter()
        .map(|held| vec![held.kind.clone(), held.rows.to_string(), held.hash.clone()])
        .collect();
    out::line(columns(&["KIND", "ROWS", "HASH"], &rows))?;
    out::line(more["note"].as_str().unwrap_or_default())
}
