//! `troupe account explain`.

use std::path::PathBuf;

use troupe_core::routing::Term;

use super::account_args::ExplainArgs;
use super::error::CliError;
use super::out;
use super::table::{columns, moment};
use super::target::run as carry_out;
use crate::ops::accounts::{ExplainRouting, ExplainedAccount, Explanation};

pub(super) async fn run(config: Option<PathBuf>, args: ExplainArgs) -> Result<(), CliError> {
    let operation = ExplainRouting {
        model: args.model,
        key: args.key,
        session: args.session,
    };
    let explained = carry_out(config, operation).await?;
    if args.format.json {
        return out::json(&explained);
    }
    out::line(told(&explained))
}

fn told(explained: &Explanation) -> String {
    let mut lines = vec![format!(
        "strategy {}, at most {} accounts for a request",
        explained.strategy.as_str(),
        explained.max_attempts
    )];
    if let Some(why) = &explained.refused {
        lines.push(format!("refused before any account: {why}"));
    }
    if let Some(account) = &explained.session_account {
        lines.push(format!("the session was served by {account}"));
    }
    let heading = ["PLACE", "ACCOUNT", "BY", "LOAD", "IN USE", "WHY"];
    let rows: Vec<_> = explained.accounts.iter().map(row).collect();
    lines.push(columns(&heading, &rows));
    lines.join("\n")
}

fn row(account: &ExplainedAccount) -> Vec<String> {
    let dash = || "-".to_owned();
    let terms = account.terms.as_ref();
    let until = account.until.map(|at| format!(" until {}", moment(at)));
    let why = match (&account.why_not, account.behind_by, account.place) {
        (Some(why), _, _) => format!("{why}{}", until.unwrap_or_default()),
        (None, None, _) => "first".to_owned(),
        (None, Some(term), place) => {
            let late = if place.is_none() {
                "; the request would give up before"
            } else {
                ""
            };
            format!("{}{late}", behind(term))
        }
    };
    vec![
        account
            .place
            .map_or_else(dash, |place| (place + 1).to_string()),
        account.name.clone(),
        account
            .auth
            .map_or_else(dash, |auth| auth.as_str().to_owned()),
        terms.map_or_else(dash, |terms| format!("{}%", terms.load_ppm / 10_000)),
        terms.map_or_else(dash, |terms| match terms.limit {
            Some(limit) => format!("{}/{limit}", terms.in_use),
            None => terms.in_use.to_string(),
        }),
        why,
    ]
}

fn behind(term: Term) -> &'static str {
    match term {
        Term::Full => "all its slots are taken",
        Term::Avoided => "a recent fault, or a second choice",
        Term::Affinity => "the session is at home before it",
        Term::Priority => "a higher priority number",
        Term::Load => "a fuller window or fuller slots",
        Term::Weight => "the draw by weight",
        Term::Turn => "equal; it is the other's turn",
    }
}
