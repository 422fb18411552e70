//! What keeps an account from a request, or makes it another's: bindings, models, reserves and hours.

use jiff::{Timestamp, ToSpan, tz::TimeZone};
use serde_json::json;
use troupe_mock::Scenario;

use crate::gateway::{Answer, Pool, api, counted, keys, message};

fn accounts(list: &[String]) -> String {
    format!("accounts:\n{}", list.concat())
}

fn strategy(name: &str) -> String {
    format!("routing: {{ strategy: {name} }}\n")
}

async fn ask(pool: &Pool, times: usize) {
    for _ in 0..times {
        let answer = pool.ask("any", message()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

/// How many of the requests each account got.
fn shares(pool: &Pool) -> Vec<(String, usize)> {
    let asked = pool.asked();
    let counted = counted(&asked).into_iter();
    counted
        .map(|(name, count)| (name.to_owned(), count))
        .collect()
}

#[tokio::test]
async fn keys_are_bound_to_accounts_groups_and_tags() {
    let list = [
        api("a", ", group: red, tags: [x, y]"),
        api("b", ", group: blue, tags: [y]"),
        api("c", ""),
    ];
    let bound = [
        ("by-name", ", accounts: [c]"),
        ("by-group", ", account_groups: [red]"),
        ("by-tag", ", account_tags: [y]"),
        ("by-any", ", accounts: [c], account_groups: [blue]"),
        ("to-none", ", accounts: [gone]"),
        ("any", ""),
    ];
    let pool = Pool::serving(&[accounts(&list), strategy("round_robin"), keys(&bound)].concat());
    for (key, served) in [
        ("by-name", &["c"][..]),
        ("by-group", &["a"]),
        ("by-tag", &["a", "b"]),
        ("by-any", &["b", "c"]),
        ("any", &["a", "b", "c"]),
    ] {
        pool.mock.journal().clear();
        for _ in 0..12 {
            assert_eq!(pool.ask(key, message()).await.status, 200, "{key}");
        }
        let shares = shares(&pool);
        let names: Vec<_> = shares.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, served, "{key}");
        // Its faults do not lead anywhere else either.
        pool.script(std::iter::repeat_n(Scenario::status(529), 3));
        pool.mock.journal().clear();
        pool.ask(key, message()).await;
        pool.mock.clear_script();
        for name in ["a", "b", "c"] {
            pool.operate("account.enable", json!({"name": name}))
                .unwrap();
        }
        assert!(
            pool.asked().iter().all(|name| served.contains(&&**name)),
            "{key}: {:?}",
            pool.asked()
        );
    }
    refused(
        &pool.ask("to-none", message()).await,
        "not for this key",
        "false",
    );
}

fn refused(own: &Answer, why: &str, should_retry: &str) {
    assert_eq!(
        (own.status, &*own.error_type()),
        (503, "api_error"),
        "{}",
        own.text()
    );
    assert!(own.text().contains(why), "{}", own.text());
    assert_eq!(own.header("x-should-retry"), Some(should_retry), "{own:?}");
}

#[tokio::test]
async fn models_are_allowed_denied_and_renamed() {
    let list = [
        api("small", ", allow_models: [\"claude-haiku-*\"]"),
        api(
            "large",
            ", deny_models: [\"claude-haiku-*\"], models: { claude-sonnet-5: vendor/sonnet }",
        ),
    ];
    let aliases = "models: { aliases: { quick: claude-haiku-4-5 } }\n";
    let bound = [("any", ""), ("small", ", accounts: [small]")];
    let pool = Pool::serving(&[accounts(&list), aliases.to_owned(), keys(&bound)].concat());
    let asking = |model: &str| message().replace("claude-sonnet-5", model);
    for (model, account, upstream) in [
        ("claude-sonnet-5", "large", "vendor/sonnet"),
        ("claude-haiku-4-5", "small", "claude-haiku-4-5"),
        ("quick", "small", "claude-haiku-4-5"),
        ("claude-opus-5", "large", "claude-opus-5"),
    ] {
        for _ in 0..4 {
            let (answer, asked) = pool.tell("any", asking(model)).await;
            assert_eq!(answer.status, 200, "{model}: {}", answer.text());
            assert_eq!(asked, [account], "{model}");
            let body = pool.entries().pop().unwrap().body;
            // Everything else byte for byte.
            assert_eq!(String::from_utf8_lossy(&body), asking(upstream), "{model}");
        }
    }
    refused(
        &pool.ask("small", message()).await,
        "not for this model",
        "false",
    );
}

/// Each account gets the name that is its own, also when it takes over.
#[tokio::test]
async fn a_name_is_renamed_anew_for_the_next_account() {
    let list = [
        api("a", ", models: { claude-sonnet-5: a/sonnet }, priority: 1"),
        api(
            "b",
            ", models: { claude-sonnet-5: b/sonnet-with-a-longer-name }, priority: 2",
        ),
        api("c", ", priority: 3"),
    ];
    let pool = Pool::serving(&[accounts(&list), strategy("priority")].concat());
    pool.script([Scenario::status(429), Scenario::status(403)]);
    assert_eq!(pool.ask("any", message()).await.status, 200);
    let bodies = pool
        .entries()
        .into_iter()
        .map(|entry| String::from_utf8_lossy(&entry.body).into_owned());
    let renamed = |name: &str| message().replace("claude-sonnet-5", name);
    let wanted = [
        renamed("a/sonnet"),
        renamed("b/sonnet-with-a-longer-name"),
        message(),
    ];
    assert_eq!(bodies.collect::<Vec<_>>(), wanted);
}

/// At its reserve an account is left alone until the window is reset.
#[tokio::test]
async fn a_reserve_is_kept() {
    let told = |used: &str, in_s: i64| {
        let reset = Timestamp::now().as_second() + in_s;
        Scenario {
            headers: vec![
                (
                    "anthropic-ratelimit-unified-5h-utilization".into(),
                    used.into(),
                ),
                (
                    "anthropic-ratelimit-unified-5h-reset".into(),
                    reset.to_string(),
                ),
            ],
            ..Scenario::default()
        }
    };
    let list = [
        api("a", ", reserve: 80%, priority: 1"),
        api("b", ", priority: 2"),
    ];
    let bound = [("any", ""), ("only", ", accounts: [a]")];
    let pool = Pool::serving(&[accounts(&list), strategy("priority"), keys(&bound)].concat());
    let window = |wanted: u64| {
        move |account: &serde_json::Value| {
            account["credentials"][0]["windows"][0]["used_ppm"] == wanted
        }
    };
    pool.script([told("0.79", 3_600)]);
    assert_eq!(pool.ask("only", message()).await.status, 200);
    pool.until("a", "at 79 %", window(790_000));
    pool.script([told("0.8", 3_600)]);
    assert_eq!(pool.ask("only", message()).await.status, 200);
    pool.until("a", "at 80 %", window(800_000));
    let (answer, asked) = pool.tell("any", message()).await;
    assert_eq!((answer.status, asked), (200, vec!["b".to_owned()]));
    let own = pool.ask("only", message()).await;
    assert_eq!(
        (own.status, &*own.error_type()),
        (429, "rate_limit_error"),
        "{}",
        own.text()
    );
    let seconds: u64 = own.header("retry-after").unwrap().parse().unwrap();
    assert!((3_500..=3_600).contains(&seconds), "{seconds}");

    // The window is reset, and nobody has to say so.
    let pool = Pool::serving(&accounts(&[api("a", ", reserve: 80%")]));
    pool.script([told("0.99", 2)]);
    assert_eq!(pool.ask("any", message()).await.status, 200);
    pool.until("a", "at 99 %", window(990_000));
    let refused = pool.ask("any", message()).await;
    assert_eq!(refused.status, 429, "{}", refused.text());
    let back = crate::process::until(std::time::Duration::from_secs(10), || {
        pool.account("a")["credentials"][0]["windows"]
            .as_array()
            .is_some_and(Vec::is_empty)
    });
    assert!(back, "{:#}", pool.account("a"));
    assert_eq!(pool.ask("any", message()).await.status, 200);
}

#[tokio::test]
async fn an_account_has_its_hours() {
    let now = Timestamp::now().to_zoned(TimeZone::UTC);
    let at = |hours: i64| (&now + hours.hours()).strftime("%H:%M").to_string();
    let off = format!("{}-{}", at(2), at(3));
    let on = format!("{}-{}", at(-1), at(1));
    let list = [
        api("off", &format!(", schedule: \"{off}\", priority: 1")),
        api("on", &format!(", schedule: \"{on}\", priority: 2")),
    ];
    let bound = [("any", ""), ("off", ", accounts: [off]")];
    let pool = Pool::serving(&[accounts(&list), strategy("priority"), keys(&bound)].concat());
    ask(&pool, 5).await;
    assert_eq!(shares(&pool), [("on".to_owned(), 5)]);
    let own = pool.ask("off", message()).await;
    refused(&own, "off schedule", "false");
    let seconds: u64 = own.header("retry-after").unwrap().parse().unwrap();
    assert!((6_000..=7_200).contains(&seconds), "{seconds}");
}
