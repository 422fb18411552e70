//! What is asked, and how long it takes.

use std::error::Error;

use troupe_core::log::{LogFilter, LogSearch};
use troupe_core::port::Stores;
use troupe_core::record::{Outcome, Route};
use troupe_core::usage::{Grain, Named, SeriesOf, SeriesQuery, UsageBy, UsageFilter, UsageQuery};
use troupe_core::{AccountId, KeyId};

use super::rows::Span;
use super::{TIMES, Taken, tail};

/// Pages that are turned of one search.
const TURNED: usize = 60;

fn filters() -> Vec<(&'static str, LogFilter)> {
    let any = LogFilter::default;
    let keys = |names: &[&str]| names.iter().map(|name| KeyId::declared(name)).collect();
    vec![
        ("everything", any()),
        (
            "key, frequent",
            LogFilter {
                keys: keys(&["key 0"]),
                ..any()
            },
        ),
        (
            "key, rare",
            LogFilter {
                keys: keys(&["rare"]),
                ..any()
            },
        ),
        (
            "keys, five",
            LogFilter {
                keys: keys(&["key 1", "key 2", "key 30", "rare", "none"]),
                ..any()
            },
        ),
        (
            "account, frequent",
            LogFilter {
                account: Some("account 3".into()),
                ..any()
            },
        ),
        (
            "account, rare",
            LogFilter {
                account: Some("rare".into()),
                ..any()
            },
        ),
        (
            "owner, frequent",
            LogFilter {
                owner: Some("owner 0".into()),
                ..any()
            },
        ),
        (
            "owner, rare",
            LogFilter {
                owner: Some("rare".into()),
                ..any()
            },
        ),
        (
            "group, rare",
            LogFilter {
                group: Some("rare".into()),
                ..any()
            },
        ),
        (
            "model, frequent",
            LogFilter {
                model: Some("claude-model-1".into()),
                ..any()
            },
        ),
        (
            "model, rare",
            LogFilter {
                model: Some("rare".into()),
                ..any()
            },
        ),
        (
            "model, none",
            LogFilter {
                model: Some("none".into()),
                ..any()
            },
        ),
        (
            "session, rare",
            LogFilter {
                session: Some(1),
                ..any()
            },
        ),
        (
            "route, frequent",
            LogFilter {
                route: Some(Route::CountTokens),
                ..any()
            },
        ),
        (
            "route, rare",
            LogFilter {
                route: Some(Route::Relay),
                ..any()
            },
        ),
        (
            "outcome, frequent",
            LogFilter {
                outcome: Some(Outcome::Completed),
                ..any()
            },
        ),
        (
            "outcome, rare",
            LogFilter {
                outcome: Some(Outcome::Truncated),
                ..any()
            },
        ),
        (
            "status 200",
            LogFilter {
                status: "200".parse().ok(),
                ..any()
            },
        ),
        (
            "status 429",
            LogFilter {
                status: "429".parse().ok(),
                ..any()
            },
        ),
        (
            "status 413, rare",
            LogFilter {
                status: "413".parse().ok(),
                ..any()
            },
        ),
        (
            "status 4xx",
            LogFilter {
                status: "4xx".parse().ok(),
                ..any()
            },
        ),
        (
            "status 3xx, none",
            LogFilter {
                status: "3xx".parse().ok(),
                ..any()
            },
        ),
        (
            "not streamed",
            LogFilter {
                stream: Some(false),
                ..any()
            },
        ),
        (
            "no probes",
            LogFilter {
                api_only: true,
                ..any()
            },
        ),
        (
            "upstream's id",
            LogFilter {
                upstream_request_id: Some("rare".into()),
                ..any()
            },
        ),
        (
            "error contains, rare",
            LogFilter {
                error: Some("rar".into()),
                ..any()
            },
        ),
        (
            "error contains, none",
            LogFilter {
                error: Some("none".into()),
                ..any()
            },
        ),
        (
            "cost at least, rare",
            LogFilter {
                min_cost_micro_usd: Some(8_000_000),
                ..any()
            },
        ),
        (
            "duration at least, rare",
            LogFilter {
                min_duration_us: Some(800_000_000),
                ..any()
            },
        ),
        (
            "key and status, frequent",
            LogFilter {
                keys: keys(&["key 0"]),
                status: "429".parse().ok(),
                ..any()
            },
        ),
        // key 1 is of owner 0 and asks for model 1.
        (
            "key and model, never together",
            LogFilter {
                keys: keys(&["key 1"]),
                model: Some("claude-model-2".into()),
                ..any()
            },
        ),
        (
            "owner and model, never together",
            LogFilter {
                owner: Some("owner 0".into()),
                model: Some("claude-model-7".into()),
                ..any()
            },
        ),
        (
            "model and cost, never together",
            LogFilter {
                model: Some("claude-model-1".into()),
                min_cost_micro_usd: Some(8_000_000),
                ..any()
            },
        ),
    ]
}

pub async fn pages(stores: &Stores, span: &Span) -> Result<(), Box<dyn Error>> {
    for (name, filter) in filters() {
        let asked = LogSearch {
            filter,
            limit: 50,
            ..LogSearch::default()
        };
        let (mut first, mut found) = (Taken::default(), 0);
        for _ in 0..TIMES {
            let page = first.time(stores.log.search(asked.clone())).await?;
            found = page.rows.len();
        }
        first.tell(name, found);
        turn(stores, asked).await?;
    }
    let deep = LogSearch {
        to_ms: Some((span.from_ms + span.to_ms) / 2),
        limit: 50,
        ..LogSearch::default()
    };
    let (mut taken, mut found) = (Taken::default(), 0);
    for _ in 0..TIMES {
        found = taken
            .time(stores.log.search(deep.clone()))
            .await?
            .rows
            .len();
    }
    taken.tell("a page deep inside", found);
    let (mut by_id, mut last) = (Taken::default(), Taken::default());
    for n in 0..TIMES as u64 {
        let id = span.row(n * span.rows / TIMES as u64).id;
        found = usize::from(by_id.time(stores.log.find(id)).await?.is_some());
        last.time(stores.log.tail(tail())).await?;
    }
    by_id.tell("a row by its id", found);
    last.tell("the last rows written", 50);
    Ok(())
}

/// Page after page, as far as somebody would go who looks for something.
async fn turn(stores: &Stores, mut asked: LogSearch) -> Result<(), Box<dyn Error>> {
    let (mut taken, mut found) = (Taken::default(), 0);
    for _ in 0..TURNED {
        let page = taken.time(stores.log.search(asked.clone())).await?;
        found += page.rows.len();
        asked.after = page.next;
        if asked.after.is_none() {
            break;
        }
    }
    let pages = taken.0.len();
    let end = if asked.after.is_none() {
        "the end"
    } else {
        "more"
    };
    taken.tell(&format!("    {pages} pages, then {end}"), found);
    Ok(())
}

pub async fn usage(stores: &Stores, span: &Span) -> Result<(), Box<dyn Error>> {
    let day = |ms: u64| Grain::Day.point(ms);
    let report = |by, filter| UsageQuery {
        by,
        from_day: day(span.from_ms),
        to_day: day(span.to_ms),
        filter,
    };
    let any = UsageFilter::default;
    let key = |name: &str| UsageFilter {
        key: Some(Named {
            name: name.into(),
            ids: vec![KeyId::declared(name)],
        }),
        ..any()
    };
    let owner = UsageFilter {
        owner: Some("owner 1".into()),
        ..any()
    };
    let account = UsageFilter {
        account: Some(Named {
            name: "account 3".into(),
            ids: vec![AccountId::declared("account 3")],
        }),
        ..any()
    };
    let model = UsageFilter {
        model: Some("claude-model-1".into()),
        ..any()
    };
    for (name, query) in [
        ("usage by key, of rows", report(UsageBy::Key, any())),
        ("usage by day, of rows", report(UsageBy::Day, any())),
        (
            "usage of a busy key by model",
            report(UsageBy::Model, key("key 1")),
        ),
        (
            "usage of a key by model",
            report(UsageBy::Model, key("key 150")),
        ),
        ("usage of an owner by key", report(UsageBy::Key, owner)),
        ("usage of an account by key", report(UsageBy::Key, account)),
        ("usage of a model by key", report(UsageBy::Key, model)),
    ] {
        let (mut taken, mut found) = (Taken::default(), 0);
        for _ in 0..TIMES {
            found = taken.time(stores.usage.query(query.clone())).await?.len();
        }
        taken.tell(name, found);
    }
    let series = |grain: Grain, of, values: Option<&str>| SeriesQuery {
        grain,
        of,
        from: grain.point(span.from_ms),
        to: grain.point(span.to_ms),
        values: values.map(|value| vec![value.into()]),
    };
    let id = KeyId::declared("key 1").0.to_string();
    for (name, query) in [
        (
            "series of all by hour",
            series(Grain::Hour, SeriesOf::All, None),
        ),
        (
            "series of all by minute",
            series(Grain::Minute, SeriesOf::All, None),
        ),
        (
            "series of a key by hour",
            series(Grain::Hour, SeriesOf::Key, Some(&id)),
        ),
        (
            "series of models by day",
            series(Grain::Day, SeriesOf::Model, None),
        ),
        (
            "series of keys by day",
            series(Grain::Day, SeriesOf::Key, None),
        ),
    ] {
        let (mut taken, mut found) = (Taken::default(), 0);
        for _ in 0..TIMES {
            found = taken.time(stores.usage.series(query.clone())).await?.len();
        }
        taken.tell(name, found);
    }
    Ok(())
}
