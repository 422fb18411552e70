//! Every status of an upstream with every combination of headers: which accounts are asked how often, what the client
//! gets, and how the account is afterwards.

mod rows;

use serde_json::{Value, json};
use troupe_mock::Scenario;

use crate::gateway::{Answer, Pool, credential, keys, message, stream};
use rows::{Row, Then, rows};

const NAMES: [&str; 3] = ["a", "b", "c"];

/// Three stored accounts: what is held against them can be forgotten between the rows.
fn pool() -> Pool {
    let pool = Pool::serving(&keys(&[("one", ", accounts: [a]"), ("three", "")]));
    for name in NAMES {
        let added = pool.operate(
            "account.add",
            json!({"name": name, "base_url": pool.mock.url(), "api_key": credential(name)}),
        );
        assert!(added.is_ok(), "{added:?}");
    }
    pool
}

/// All as new.
fn forget(pool: &Pool) {
    pool.mock.clear_script();
    pool.mock.journal().clear();
    for name in NAMES {
        if !is_untouched(&pool.account(name)) {
            pool.operate("account.enable", json!({"name": name}))
                .unwrap();
        }
    }
}

fn script(pool: &Pool, row: &Row, times: usize) {
    forget(pool);
    pool.script(std::iter::repeat_n(row.scenario(), times));
    // A credential that was refused is looked at: it is refused there as well.
    let probed = Scenario {
        path: Some("/v1/models".into()),
        ..Scenario::status(401)
    };
    pool.script(std::iter::repeat_n(
        probed,
        12 * usize::from(row.status == 401),
    ));
}

#[tokio::test]
async fn every_status_with_every_header() {
    let pool = pool();
    for (number, row) in rows().into_iter().enumerate() {
        for (place, ask) in [message(), stream()].into_iter().enumerate() {
            // These take pauses: every other one is asked as a stream.
            if row.then == (Then::Avoided { model: false }) && number % 2 != place {
                continue;
            }
            alone(&pool, &row, &ask).await;
            all_fail(&pool, &row, &ask).await;
            the_first_fails(&pool, &row, &ask).await;
        }
    }
}

async fn alone(pool: &Pool, row: &Row, ask: &str) {
    script(pool, row, 9);
    let (answer, asked) = pool.tell("one", ask).await;
    assert_eq!(asked.len(), row.sends_alone, "{}: {asked:?}", row.name);
    told(row, &answer);
    after(pool, row, "a");
}

async fn all_fail(pool: &Pool, row: &Row, ask: &str) {
    script(pool, row, 9);
    let (answer, mut asked) = pool.tell("three", ask).await;
    assert_eq!(asked.len(), row.sends, "{}: {asked:?}", row.name);
    told(row, &answer);
    for name in &asked {
        after(pool, row, name);
    }
    asked.sort_unstable();
    asked.dedup();
    assert_eq!(asked.len(), row.sends, "{}: one was asked twice", row.name);
}

async fn the_first_fails(pool: &Pool, row: &Row, ask: &str) {
    script(pool, row, 1);
    let (answer, asked) = pool.tell("three", ask).await;
    if row.sends == 1 {
        told(row, &answer);
        assert_eq!(asked.len(), 1, "{}: {asked:?}", row.name);
        return;
    }
    assert_eq!(answer.status, 200, "{}: {}", row.name, answer.text());
    assert_eq!(asked.len(), 2, "{}: {asked:?}", row.name);
    assert_ne!(asked[0], asked[1], "{}", row.name);
    after(pool, row, &asked[0]);
    assert!(is_untouched(&pool.account(&asked[1])), "{}", row.name);
    if row.then == Then::Untouched {
        return;
    }
    for _ in 0..3 {
        let (answer, others) = pool.tell("three", ask).await;
        assert_eq!(answer.status, 200, "{}", row.name);
        assert!(!others.contains(&asked[0]), "{}: {others:?}", row.name);
    }
}

/// What the client gets: the upstream's own words, or the gateway's.
fn told(row: &Row, answer: &Answer) {
    let name = &row.name;
    assert_eq!(answer.status, row.told, "{name}: {}", answer.text());
    for (header, _) in &answer.headers {
        assert!(
            !header.starts_with("anthropic-ratelimit"),
            "{name}: {header}"
        );
    }
    if row.told == row.status {
        assert_eq!(answer.text(), row.body(), "{name}");
        for header in ["retry-after", "x-should-retry"] {
            assert_eq!(
                answer.header(header),
                row.header(header),
                "{name}: {header}"
            );
        }
        assert!(
            answer.header("x-troupe-upstream-request-id").is_some(),
            "{name}"
        );
        return;
    }
    assert_eq!(answer.error_type(), "api_error", "{name}");
    let text = answer.text();
    assert!(
        !text.contains(rows::WORDS) && !text.contains("x-api-key"),
        "{name}: {text}"
    );
    assert!(
        row.told != 503 || text.contains("no account available"),
        "{name}: {text}"
    );
    let advice = answer
        .header("retry-after")
        .or(answer.header("x-should-retry"));
    assert!(row.told != 503 || advice.is_some(), "{name}");
}

fn is_untouched(account: &Value) -> bool {
    account["state"] == "active" && pauses(account).is_empty()
}

fn pauses(account: &Value) -> &[Value] {
    account["credentials"][0]["cooldowns"]
        .as_array()
        .expect("pauses")
}

/// Seconds until a pause ends.
fn lasts_s(pause: &Value) -> i64 {
    let until = pause["until"].as_str().expect("an end");
    rows::unix_s(until) - rows::now_s()
}

fn after(pool: &Pool, row: &Row, name: &str) {
    let account = pool.account(name);
    let (state, pauses) = (
        account["state"].as_str().unwrap_or_default(),
        pauses(&account),
    );
    let shown = format!("{} leaves {account:#}", row.name);
    match &row.then {
        Then::Untouched => assert!(is_untouched(&account), "{shown}"),
        Then::Is(word) => assert_eq!(state, *word, "{shown}"),
        Then::Avoided { model } => {
            assert_eq!((state, pauses.len()), ("active", 1), "{shown}");
            assert_eq!(pauses[0]["kind"], "avoided", "{shown}");
            assert_eq!(pauses[0]["model"].is_string(), *model, "{shown}");
            assert!(lasts_s(&pauses[0]) <= 300, "{shown}");
        }
        Then::Cools { model, seconds } => {
            let wanted = if *model { "active" } else { "cooling_down" };
            assert_eq!((state, pauses.len()), (wanted, 1), "{shown}");
            assert_eq!(pauses[0]["kind"], "throttled", "{shown}");
            assert_eq!(pauses[0]["model"].is_string(), *model, "{shown}");
            // Rounded, and some time has passed.
            let lasts = lasts_s(&pauses[0]);
            // Some rows name a moment, and were made at the start.
            let since_s = if *seconds > 60 { 30 } else { 5 };
            assert!(
                (seconds - since_s..=seconds + 1).contains(&lasts),
                "{lasts} s: {shown}"
            );
        }
    }
}

/// A cool-down of one model leaves the others alone.
#[tokio::test]
async fn a_model_cools_alone() {
    let pool = pool();
    let scoped = Scenario {
        headers: vec![
            ("retry-after".into(), "60".into()),
            (
                "anthropic-ratelimit-unified-status".into(),
                "allowed".into(),
            ),
            (
                "anthropic-ratelimit-unified-7d_opus-status".into(),
                "rejected".into(),
            ),
        ],
        ..Scenario::status(429)
    };
    pool.script([scoped]);
    assert_eq!(pool.ask("one", message()).await.status, 429);
    let other = message().replace("claude-sonnet-5", "claude-haiku-4-5");
    for _ in 0..3 {
        assert_eq!(pool.ask("one", &other).await.status, 200);
        let (own, asked) = pool.tell("one", message()).await;
        assert_eq!((own.status, asked.len()), (429, 0), "{}", own.text());
        assert_eq!(own.error_type(), "rate_limit_error");
    }
}

/// One client's odd betas are nobody else's fault.
#[tokio::test]
async fn a_403_for_betas_is_remembered_with_them() {
    let pool = pool();
    let odd = [("anthropic-beta", "odd-2020-01-01")];
    pool.script([Scenario::status(403)]);
    assert_eq!(pool.ask_with("one", &odd, message()).await.status, 503);
    let account = pool.account("a");
    let pauses = pauses(&account);
    assert_eq!(pauses[0]["some_betas"], true, "{account:#}");
    assert!(lasts_s(&pauses[0]) <= 60, "{account:#}");
    // Among three, this one is the second choice with these betas, and one of three without.
    for _ in 0..6 {
        let before = pool.entries().len();
        assert_eq!(pool.ask_with("three", &odd, message()).await.status, 200);
        assert!(!pool.asked()[before..].contains(&"a".to_owned()));
    }
    let before = pool.entries().len();
    for _ in 0..12 {
        assert_eq!(pool.ask("three", message()).await.status, 200);
    }
    assert!(pool.asked()[before..].contains(&"a".to_owned()));
}

/// After the first event nothing is sent again, whatever happens, and the account hears of it.
#[tokio::test]
async fn nothing_is_repeated_after_the_first_event() {
    let pool = pool();
    for name in ["mid_error", "truncate", "reset", "early_end", "short_body"] {
        forget(&pool);
        pool.script([Scenario::named(name).unwrap()]);
        let is_stream = name != "short_body";
        let (answer, asked) = pool
            .tell("three", if is_stream { stream() } else { message() })
            .await;
        assert_eq!((answer.status, asked.len()), (200, 1), "{name}: {asked:?}");
        if is_stream {
            let events = answer.events();
            assert_eq!(
                events.last().map(String::as_str),
                Some("error"),
                "{name}: {events:?}"
            );
            assert!(!events.contains(&"message_stop".to_owned()), "{name}");
        } else {
            assert!(!answer.whole, "{name}");
        }
        let is_told = |account: &Value| account["stats"]["last_error"]["status"] == 200;
        let stats = pool.until(&asked[0], "told", is_told)["stats"].take();
        let of = |kind: &str| stats[kind].as_u64().unwrap_or_default();
        assert!(
            of("unknown") + of("platform_faults") > 0,
            "{name}: {stats:#}"
        );
        assert_eq!(of("account_faults"), 0, "{name}: {stats:#}");
    }
}

/// A 429 without a header says nothing about how long, whatever an earlier answer said.
#[tokio::test]
async fn an_earlier_reset_is_not_used_again() {
    let pool = pool();
    let in_an_hour = rows::now_s() + 3_600;
    let told = |scenario: Scenario| Scenario {
        headers: vec![
            ("retry-after".into(), "1".into()),
            (
                "anthropic-ratelimit-unified-5h-utilization".into(),
                "0.5".into(),
            ),
            (
                "anthropic-ratelimit-unified-5h-reset".into(),
                in_an_hour.to_string(),
            ),
        ],
        ..scenario
    };
    pool.script([told(Scenario::default()), told(Scenario::status(429))]);
    assert_eq!(pool.ask("one", message()).await.status, 200);
    assert_eq!(pool.ask("one", message()).await.status, 429);
    pool.until_state("a", "active");
    pool.script([Scenario::status(429)]);
    assert_eq!(pool.ask("one", message()).await.status, 429);
    let account = pool.account("a");
    assert!(lasts_s(&pauses(&account)[0]) <= 30, "{account:#}");
}
