//! A request for people.

use troupe_core::record::{FailedAttempt, PassedOver};
use troupe_core::routing::{Choice, ChosenBy};

use super::table::{columns, facts, moment};
use crate::ops::requests::RequestInfo;

type Fact = (&'static str, Option<String>);

pub(super) const HEADING: [&str; 10] = [
    "ENDED", "ID", "KEY", "ACCOUNT", "MODEL", "STATUS", "OUTCOME", "TRIES", "TOKENS", "TOOK",
];

/// One line of a listing, as [`HEADING`] names its cells.
pub(super) fn row(request: &RequestInfo) -> Vec<String> {
    let dash = |text: Option<&str>| text.unwrap_or("-").to_owned();
    let row = &request.row;
    let ended_ms = row.at_ms.saturating_add(row.duration_us / 1_000);
    vec![
        at(ended_ms),
        row.id.to_string(),
        dash(request.key_name.as_deref()),
        dash(row.account_name.as_deref()),
        dash(row.model.as_deref()),
        row.status.to_string(),
        row.outcome.as_str().to_owned(),
        row.attempts.to_string(),
        format!("{}/{}", input(request), row.usage.output),
        milliseconds(row.duration_us),
    ]
}

/// Everything the log knows of it.
pub(super) fn told(request: &RequestInfo) -> String {
    let mut parts = vec![facts(&about(request))];
    if !request.row.failed.is_empty() {
        parts.push(columns(
            &["TRY", "ACCOUNT", "BY", "AFTER", "TOOK", "STATUS", "ERROR"],
            &request
                .row
                .failed
                .iter()
                .enumerate()
                .map(|(nth, attempt)| failed(nth, attempt))
                .collect::<Vec<_>>(),
        ));
    }
    if !request.row.passed_over.is_empty() {
        let over = request.row.passed_over.iter();
        parts.push(columns(
            &["PASSED OVER", "WHY", "UNTIL"],
            &over.map(passed_over).collect::<Vec<_>>(),
        ));
    }
    if request.row.passed_over_more > 0 {
        parts.push(format!("and {} more", request.row.passed_over_more));
    }
    parts.join("\n\n")
}

fn about(request: &RequestInfo) -> Vec<Fact> {
    let row = &request.row;
    let stream = if row.stream { ", stream" } else { "" };
    let named = |name: Option<&str>, id: Option<String>| match (name, id) {
        (Some(name), Some(id)) => Some(format!("{name} ({id})")),
        (name, id) => name.map(str::to_owned).or(id),
    };
    let auth = row.auth.map(|auth| format!(", by {}", auth.as_str()));
    let account = named(
        row.account_name.as_deref(),
        row.account.map(|id| id.0.to_string()),
    );
    vec![
        ("id", Some(row.id.to_string())),
        ("began", Some(at(row.at_ms))),
        ("door", Some(format!("{}{stream}", row.route.as_str()))),
        (
            "status",
            Some(format!("{}, {}", row.status, row.outcome.as_str())),
        ),
        ("error", row.error.clone()),
        (
            "key",
            named(
                request.key_name.as_deref(),
                row.key.map(|id| id.0.to_string()),
            ),
        ),
        ("owner", row.owner.as_deref().map(str::to_owned)),
        ("group", row.group.as_deref().map(str::to_owned)),
        (
            "session",
            row.session.map(|session| format!("{session:016x}")),
        ),
        ("model", row.model.as_deref().map(str::to_owned)),
        (
            "account",
            account.map(|account| account + &auth.unwrap_or_default()),
        ),
        ("why", row.choice.as_ref().map(why)),
        (
            "moved",
            row.moved_tokens.map(|tokens| {
                format!("from another account, which had {tokens} of the session's tokens cached")
            }),
        ),
        ("tries", Some(row.attempts.to_string())),
        (
            "upstream status",
            row.upstream_status.map(|s| s.to_string()),
        ),
        ("upstream id", row.upstream_request_id.clone()),
        ("timeline", Some(timeline(request))),
        ("tokens", Some(tokens(request))),
        ("cost", (row.cost_micro_usd > 0).then(|| cost(request))),
        (
            "charged",
            row.charged_micro_usd
                .map(|charged| format!("{}, by the multiplier of the key's group", usd(charged))),
        ),
    ]
}

/// With what makes it another price than the model's usual one.
fn cost(request: &RequestInfo) -> String {
    let row = &request.row;
    let mut told = usd(row.cost_micro_usd);
    if let Some(model) = &row.priced_as {
        told = format!("{told}, as {model}, which answered");
    }
    if row.unpriced {
        told.push_str(", as the dearest known model: the price of this one is unknown");
    }
    if let Some(tier) = row.service_tier {
        told = format!("{told}, in the {} tier", tier.as_str());
    }
    told
}

fn why(choice: &Choice) -> String {
    let strategy = choice.strategy.as_str();
    let of = choice.considered;
    let before = match choice.place {
        0 => String::new(),
        1 => ", after another one could not take it".to_owned(),
        place => format!(", after {place} others could not take it"),
    };
    match choice.by {
        ChosenBy::Affinity => "the session was served there before".to_owned(),
        ChosenBy::Bound => "it owns what the request names".to_owned(),
        ChosenBy::Only => format!("no other was a candidate{before}"),
        ChosenBy::Strategy => format!("{strategy} among {of} candidates{before}"),
    }
}

fn timeline(request: &RequestInfo) -> String {
    let row = &request.row;
    let first = row
        .first_event_us
        .map(|us| format!("first event after {}, ", milliseconds(us)));
    format!(
        "{}ended after {}; {} of it in the gateway before the answer",
        first.unwrap_or_default(),
        milliseconds(row.duration_us),
        milliseconds(row.gateway_us)
    )
}

fn tokens(request: &RequestInfo) -> String {
    let usage = request.row.usage;
    let estimated = if request.row.estimated {
        ", estimated"
    } else {
        ""
    };
    format!(
        "{} in, {} out, {} from cache, {} to cache{estimated}",
        usage.input,
        usage.output,
        usage.cache_read,
        usage.cache_write_5m.saturating_add(usage.cache_write_1h)
    )
}

/// All that went in, from the cache or not.
fn input(request: &RequestInfo) -> u64 {
    let usage = request.row.usage;
    [usage.cache_read, usage.cache_write_5m, usage.cache_write_1h]
        .into_iter()
        .fold(usage.input, u64::saturating_add)
}

fn failed(nth: usize, attempt: &FailedAttempt) -> Vec<String> {
    vec![
        (nth + 1).to_string(),
        attempt.account.to_string(),
        attempt.auth.as_str().to_owned(),
        milliseconds(attempt.began_us),
        milliseconds(attempt.took_us),
        attempt
            .status
            .map_or_else(|| "-".to_owned(), |status| status.to_string()),
        attempt.error.clone(),
    ]
}

fn passed_over(over: &PassedOver) -> Vec<String> {
    vec![
        over.account.to_string(),
        over.why.to_string(),
        over.until_ms.map_or_else(|| "-".to_owned(), at),
    ]
}

fn at(unix_ms: u64) -> String {
    let at = i64::try_from(unix_ms).ok();
    let at = at.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    at.map_or_else(|| "-".to_owned(), moment)
}

fn milliseconds(us: u64) -> String {
    format!("{}.{} ms", us / 1_000, us % 1_000 / 100)
}

fn usd(micro: u64) -> String {
    format!("{}.{:06} USD", micro / 1_000_000, micro % 1_000_000)
}

#[cfg(test)]
mod tests;
