//! Each request's row says why its account, and why not the others.

use jiff::{Timestamp, ToSpan, tz::TimeZone};
use serde_json::{Value, json};
use troupe_mock::Scenario;

use crate::gateway::{Answer, Pool, api, keys, message};

fn accounts(list: &[String]) -> String {
    format!("accounts:\n{}", list.concat())
}

/// The row of the request that was answered so.
fn row(pool: &Pool, answer: &Answer) -> Value {
    let id = answer.header("request-id").expect("an id");
    let row = pool.operate("request.show", json!({"id": id}));
    row.unwrap_or_else(|why| panic!("{why}\n{}", pool.log()))
}

/// Who was passed over, and why.
fn passed(row: &Value) -> Vec<(&str, &str)> {
    let Some(passed) = row["passed_over"].as_array() else {
        return Vec::new();
    };
    passed
        .iter()
        .map(|over| {
            (
                over["account"].as_str().unwrap(),
                over["why"].as_str().unwrap(),
            )
        })
        .collect()
}

#[tokio::test]
async fn a_session_at_home_passes_nobody_over() {
    let pool = Pool::serving(&accounts(&[
        api("a", ""),
        api("b", ""),
        api("never", ", deny_models: [\"claude-*\"]"),
    ]));
    let session = [("x-claude-code-session-id", "s1")];
    let first = pool.ask_with("any", &session, message()).await;
    let first = row(&pool, &first);
    assert_eq!(first["choice"]["by"], "strategy", "{first}");
    assert_eq!(passed(&first), [("never", "not for this model")]);
    let second = pool.ask_with("any", &session, message()).await;
    let second = row(&pool, &second);
    assert_eq!(second["choice"]["by"], "affinity", "{second}");
    assert_eq!(second["account_name"], first["account_name"]);
    assert!(second.get("passed_over").is_none(), "{second}");
    assert_eq!(second["key_name"], "any");
}

#[tokio::test]
async fn whoever_could_serve_is_not_passed_over() {
    let pool = Pool::serving(&accounts(&[api("a", ""), api("b", ""), api("c", "")]));
    let answer = pool.ask("any", message()).await;
    let row = row(&pool, &answer);
    assert_eq!(row["choice"]["considered"], 3, "{row}");
    assert!(row.get("passed_over").is_none(), "{row}");
}

/// One of each reason that an operator or an upstream can give.
#[tokio::test]
async fn the_others_and_their_reasons() {
    let yesterday = Timestamp::now()
        .to_zoned(TimeZone::UTC)
        .checked_sub(1.day())
        .expect("a day");
    let day = yesterday.strftime("%a").to_string().to_lowercase();
    let mut pool = Pool::new(
        &[
            accounts(&[
                api("serves", ", priority: 9, tags: [in]"),
                api("slow", ", priority: 1, tags: [in]"),
                api("denies", ", deny_models: [\"claude-*\"], tags: [in]"),
                api(
                    "rests",
                    &format!(", schedule: \"{day} 00:00-00:01\", tags: [in]"),
                ),
                api("foreign", ""),
            ]),
            "routing: { strategy: priority }\n".to_owned(),
            keys(&[
                ("any", ", account_tags: [in]"),
                ("none", ", accounts: [gone]"),
            ]),
        ]
        .concat(),
    );
    pool.serve();
    let url = pool.mock.url();
    let added = pool.operate(
        "account.add",
        json!({"name": "stopped", "kind": "api_key", "base_url": url, "api_key": "key-of-stopped-0123456789abcdef", "tags": ["in"]}),
    );
    assert!(added.is_ok(), "{added:?}");
    let stopped = pool.operate("account.disable", json!({"name": "stopped"}));
    assert!(stopped.is_ok(), "{stopped:?}");
    pool.script([Scenario {
        headers: vec![("retry-after".into(), "600".into())],
        ..Scenario::status(429)
    }]);

    // The one that is first by its priority is tried, and throttled from then on.
    let answer = pool.ask("any", message()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let first = row(&pool, &answer);
    assert_eq!(first["account_name"], "serves");
    assert_eq!(first["failed"][0]["account"], "slow");
    assert_eq!(first["failed"][0]["status"], 429);
    assert!(first["failed"][0]["took_us"].as_u64() > Some(0), "{first}");
    assert_eq!(
        passed(&first),
        [
            ("denies", "not for this model"),
            ("foreign", "not for this key"),
            ("rests", "off schedule"),
            ("slow", "tried and failed"),
            ("stopped", "disabled"),
        ]
    );
    let answer = pool.ask("any", message()).await;
    let second = row(&pool, &answer);
    assert_eq!(second["choice"]["by"], "strategy", "{second}");
    let slow = &second["passed_over"][3];
    assert_eq!(
        (&slow["account"], &slow["why"]),
        (&json!("slow"), &json!("throttled"))
    );
    let until = slow["until_ms"].as_u64().expect("an end");
    let at = second["at_ms"].as_u64().expect("a time");
    assert!((1..=600_000).contains(&(until - at)), "{second}");
    assert!(
        second["passed_over"][2]["until_ms"].as_u64() > Some(at),
        "{second}"
    );

    // Nobody serves: everybody is named.
    let answer = pool.ask("none", message()).await;
    assert_eq!(answer.status, 503);
    let refused = row(&pool, &answer);
    let over = passed(&refused);
    assert_eq!(
        (over.len(), over[0].1),
        (6, "not for this key"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_full_account_is_passed_over() {
    let slow = ", headers: { x-mock-scenario: '{\"first_byte_delay_ms\":500}' }";
    let list = [
        api("a", &format!(", priority: 1, concurrent: 1{slow}")),
        api("b", &format!(", priority: 2{slow}")),
    ];
    let pool = Pool::serving(&(accounts(&list) + "routing: { strategy: priority }\n"));
    let answers = pool.burst(2, "any", &message()).await;
    let rows: Vec<_> = answers.iter().map(|answer| row(&pool, answer)).collect();
    let on_b = rows.iter().find(|row| row["account_name"] == "b");
    assert_eq!(passed(on_b.expect("one on b")), [("a", "full")]);
}

/// A row does not grow with the pool.
#[tokio::test]
async fn many_are_counted_and_not_named() {
    for count in [50, 90] {
        let list: Vec<_> = (0..count).map(|n| api(&format!("a{n:02}"), "")).collect();
        let only = keys(&[("any", ", accounts: [a07]")]);
        let pool = Pool::serving(&[accounts(&list), only].concat());
        let answer = pool.ask("any", message()).await;
        let row = row(&pool, &answer);
        assert_eq!(
            (&row["account_name"], &row["choice"]["by"]),
            (&json!("a07"), &json!("only"))
        );
        assert_eq!(passed(&row).len(), 32);
        assert_eq!(row["passed_over_more"], count - 1 - 32);
    }
}

#[tokio::test]
async fn a_model_of_a_megabyte_makes_no_row_of_a_megabyte() {
    let pool = Pool::serving(&accounts(&[api("a", "")]));
    let model = "m".repeat(1 << 20);
    let body =
        json!({"model": model, "max_tokens": 8, "messages": [{"role": "user", "content": "hi"}]});
    let answer = pool.ask("any", body.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let row = row(&pool, &answer);
    let kept = row["model"].as_str().expect("a model");
    assert!(kept.len() <= 256 && kept.ends_with('…'), "{}", kept.len());
    assert!(row.to_string().len() < 8 << 10, "{}", row.to_string().len());
    let asked = pool.entries().pop().expect("a request");
    assert!(asked.body.len() > 1 << 20, "the request goes on unchanged");
}
