//! `troupe request list`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use troupe_core::log::{LogCursor, StatusFilter};
use troupe_core::record::{Outcome, Route};

use super::error::CliError;
use super::request_show::{HEADING, row};
use super::table::columns;
use super::{out, target};
use crate::ops::requests::{FoundRequests, SearchRequests};

/// A page of the store may be short: it is read on for so long, to fill what was asked for.
const READ_ON_FOR: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Of this key
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
    /// Served by this account, or tried on it
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// Of this model
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// Of keys with this owner
    #[arg(long, value_name = "PERSON")]
    owner: Option<String>,
    /// Of keys with this group
    #[arg(long, value_name = "TEAM")]
    group: Option<String>,
    /// With this status, or one of this class: 429, 4xx
    #[arg(long, value_name = "STATUS")]
    status: Option<StatusFilter>,
    /// How it ended: completed, refused, failed, truncated, cancelled
    #[arg(long, value_name = "OUTCOME", value_parser = outcome)]
    outcome: Option<Outcome>,
    /// The door it came through: messages, count_tokens, models, relay, other
    #[arg(long, value_name = "ROUTE", value_parser = route)]
    route: Option<Route>,
    /// Of this session, as `request show` tells it
    #[arg(long, value_name = "SESSION", value_parser = session)]
    session: Option<u64>,
    /// Only streams; `--stream=false`: none of them
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    stream: Option<bool>,
    /// With this id of the upstream's
    #[arg(long, value_name = "ID")]
    upstream_id: Option<String>,
    /// Whose error contains this
    #[arg(long, value_name = "TEXT")]
    error: Option<String>,
    /// That took at least so long: 5s
    #[arg(long, value_name = "TIME")]
    min_duration: Option<String>,
    /// That cost at least so many dollars: 0.10
    #[arg(long, value_name = "USD")]
    min_cost: Option<String>,
    /// That began since: a date, a time, or how long ago
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// That began before: a date (the whole of it), a time, or how long ago
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
    /// Probes and pages too, which are left out when they went well
    #[arg(long)]
    all: bool,
    /// So many, at most 1000
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// Read on where another list ended
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
    /// As JSON: the requests, and the cursor in `next`
    #[arg(long)]
    json: bool,
}

fn session(text: &str) -> Result<u64, &'static str> {
    let is_hex = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = is_hex.then(|| u64::from_str_radix(text, 16).ok()).flatten();
    number.ok_or("a session is 16 hexadecimal digits, as `request show` tells it")
}

fn outcome(text: &str) -> Result<Outcome, String> {
    let known = [
        Outcome::Completed,
        Outcome::Refused,
        Outcome::Failed,
        Outcome::Truncated,
        Outcome::Cancelled,
    ];
    one_of(text, &known, Outcome::as_str)
}

fn route(text: &str) -> Result<Route, String> {
    let known = [
        Route::Messages,
        Route::CountTokens,
        Route::Models,
        Route::Relay,
        Route::Other,
    ];
    one_of(text, &known, Route::as_str)
}

fn one_of<T: Copy>(text: &str, known: &[T], name: fn(T) -> &'static str) -> Result<T, String> {
    let found = known.iter().copied().find(|one| name(*one) == text);
    found.ok_or_else(|| {
        let names: Vec<_> = known.iter().map(|one| name(*one)).collect();
        format!("known are {}", names.join(", "))
    })
}

impl ListArgs {
    fn question(self) -> SearchRequests {
        SearchRequests {
            key: self.key,
            account: self.account,
            model: self.model,
            owner: self.owner,
            group: self.group,
            status: self.status,
            outcome: self.outcome,
            route: self.route,
            session: self.session,
            stream: self.stream,
            upstream_request_id: self.upstream_id,
            error: self.error,
            min_duration: self.min_duration,
            min_cost: self.min_cost,
            since: self.since,
            until: self.until,
            all: self.all,
            limit: Some(usize::from(self.limit)),
            cursor: self.cursor.map(LogCursor),
        }
    }
}

pub(super) async fn run(config: Option<PathBuf>, args: ListArgs) -> Result<(), CliError> {
    let json = args.json;
    let found = found(config, args.question()).await?;
    if found.unreadable > 0 {
        out::note(format!(
            "note: {} rows are damaged or of a newer version, and are left out",
            found.unreadable
        ));
    }
    if json {
        return out::json(&found);
    }
    if found.requests.is_empty() {
        out::note("no such requests; the log keeps them for request_log.retention");
    } else {
        let rows: Vec<_> = found.requests.iter().map(row).collect();
        out::line(columns(&HEADING, &rows))?;
    }
    if let Some(next) = found.next {
        out::note(format!("older ones: the same with --cursor {}", next.0));
    }
    Ok(())
}

/// Pages until there are as many as were asked for, no more, or the time is over.
async fn found(
    config: Option<PathBuf>,
    mut question: SearchRequests,
) -> Result<FoundRequests, CliError> {
    let began = Instant::now();
    let wanted = question.limit.unwrap_or(usize::MAX);
    let mut all = target::run(config.clone(), question.clone()).await?;
    while all.next.is_some() && all.requests.len() < wanted && began.elapsed() < READ_ON_FOR {
        question.limit = Some(wanted - all.requests.len());
        question.cursor = all.next.take();
        let more = target::run(config.clone(), question.clone()).await?;
        all.requests.extend(more.requests);
        all.unreadable += more.unreadable;
        all.next = more.next;
    }
    Ok(all)
}
