//! `troupe request …`.

use std::path::PathBuf;
use std::time::Duration;

use super::error::CliError;
use super::request_args::{RequestCommand, TailArgs};
use super::request_show::{HEADING, row, told};
use super::table::{Columns, columns};
use super::target::Target;
use super::{out, request_bodies, request_list, target};
use crate::ops::requests::{RequestInfo, RequestPage, ShowBodies, ShowRequest, TailRequests};

/// How often a running gateway is asked for what has ended since.
const ASK_EVERY: Duration = Duration::from_millis(500);
/// Requests that are taken at once when there are many.
const PAGE: usize = 1_000;

pub(super) async fn run(config: Option<PathBuf>, command: RequestCommand) -> Result<(), CliError> {
    match command {
        RequestCommand::Show(args) if args.bodies => {
            let shown = target::run(config, ShowBodies { id: args.id }).await?;
            request_bodies::tell(&shown, args.format.json)
        }
        RequestCommand::Show(args) => {
            let shown = target::run(config, ShowRequest { id: args.id }).await?;
            if args.format.json {
                return out::json(&shown);
            }
            out::line(told(&shown))
        }
        RequestCommand::List(args) => request_list::run(config, *args).await,
        RequestCommand::Tail(args) if args.follow => {
            tokio::select! {
                ended = follow(config, args) => ended,
                // Without a signal handler ctrl-C ends the program all the same.
                Ok(()) = tokio::signal::ctrl_c() => Ok(()),
            }
        }
        RequestCommand::Tail(args) => tail(config, args).await,
    }
}

fn question(args: &TailArgs) -> TailRequests {
    TailRequests {
        key: args.key.clone(),
        account: args.account.clone(),
        status: args.status,
        all: args.all,
        limit: Some(usize::from(args.lines)),
        after: None,
    }
}

async fn tail(config: Option<PathBuf>, args: TailArgs) -> Result<(), CliError> {
    let page = target::run(config, question(&args)).await?;
    warn(&page);
    if args.json {
        return out::json(&page.requests);
    }
    if page.requests.is_empty() {
        out::note("no such requests; the log keeps them for request_log.retention");
        return Ok(());
    }
    let rows: Vec<_> = page.requests.iter().map(row).collect();
    out::line(columns(&HEADING, &rows))
}

/// Ends when the reader goes away, or with an error when the gateway does.
async fn follow(config: Option<PathBuf>, args: TailArgs) -> Result<(), CliError> {
    let target = Target::find(config)?;
    let mut question = question(&args);
    let first = target.run_on_running(question.clone()).await?;
    warn(&first);
    let rows: Vec<_> = first.requests.iter().map(row).collect();
    let columns = Columns::of(&HEADING, &rows);
    if !args.json && !out::still_read(&columns.line(&HEADING.map(str::to_owned)))? {
        return Ok(());
    }
    let mut page = first;
    loop {
        if !tell(&page.requests, &columns, args.json)? {
            return Ok(());
        }
        if !page.cut || question.after.is_none() {
            tokio::time::sleep(ASK_EVERY).await;
        }
        question.after = Some(page.position);
        question.limit = Some(PAGE);
        page = target.run_on_running(question.clone()).await?;
    }
}

/// False when nobody reads any more.
fn tell(requests: &[RequestInfo], columns: &Columns, json: bool) -> Result<bool, CliError> {
    for request in requests {
        let line = if json {
            serde_json::to_string(request).map_err(CliError::failed)?
        } else {
            columns.line(&row(request))
        };
        if !out::still_read(&line)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn warn(page: &RequestPage) {
    if page.cut {
        out::note("note: only the newest part of the log was looked at; there may be older ones");
    }
    if page.unreadable > 0 {
        out::note(format!(
            "note: {} rows are damaged or of a newer version, and are left out",
            page.unreadable
        ));
    }
}
