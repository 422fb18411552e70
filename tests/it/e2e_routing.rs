//! Which account serves, of those that could: the strategies.

use jiff::Timestamp;

use crate::gateway::{Client, Pool, api, counted, message, request, secret, stream};

/// A message that the upstream answers as told in the account's own header.
fn answering(name: &str, scenario: &str, more: &str) -> String {
    api(
        name,
        &format!(", headers: {{ x-mock-scenario: '{scenario}' }}{more}"),
    )
}

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

fn share(pool: &Pool, name: &str) -> usize {
    pool.asked().iter().filter(|asked| *asked == name).count()
}

#[tokio::test]
async fn round_robin_takes_turns() {
    let pool = Pool::serving(
        &[
            accounts(&[api("a", ""), api("b", ""), api("c", "")]),
            strategy("round_robin"),
        ]
        .concat(),
    );
    ask(&pool, 60).await;
    for (name, count) in shares(&pool) {
        assert!((17..=23).contains(&count), "{name}: {count}");
    }
}

#[tokio::test]
async fn weights_are_shares() {
    let list = [
        api("one", ", weight: 1"),
        api("two", ", weight: 2"),
        api("five", ", weight: 5"),
        api("never", ", weight: 0"),
    ];
    let pool = Pool::serving(&[accounts(&list), strategy("weighted")].concat());
    ask(&pool, 480).await;
    for (name, share_of, deviation) in [
        ("one", 60, 30),
        ("two", 120, 38),
        ("five", 300, 42),
        ("never", 0, 0),
    ] {
        let count = share(&pool, name);
        assert!(
            count.abs_diff(share_of) <= deviation,
            "{name}: {count} instead of {share_of}"
        );
    }
}

/// The lowest number until it is full, then the next.
#[tokio::test]
async fn priority_fills_first() {
    let list = [
        answering("second", r#"{"first_byte_delay_ms":300}"#, ", priority: 2"),
        answering(
            "first",
            r#"{"first_byte_delay_ms":300}"#,
            ", priority: 1, concurrent: 2",
        ),
    ];
    let pool = Pool::serving(&[accounts(&list), strategy("priority")].concat());
    ask(&pool, 2).await;
    assert_eq!(shares(&pool), [("first".to_owned(), 2)]);
    pool.mock.journal().clear();
    let answers = pool.burst(5, "any", &message()).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(
        shares(&pool),
        [("first".to_owned(), 2), ("second".to_owned(), 3)]
    );
}

/// By what the upstream tells of its windows, and by requests in flight.
#[tokio::test]
async fn the_least_utilized_serves() {
    let told = |used: &str| {
        let reset = Timestamp::now().as_second() + 3_600;
        format!(
            r#"{{"headers":[["anthropic-ratelimit-unified-5h-utilization","{used}"],["anthropic-ratelimit-unified-5h-reset","{reset}"]]}}"#
        )
    };
    let list = [
        answering("full", &told("0.9"), ""),
        answering("empty", &told("0.2"), ""),
    ];
    let pool = Pool::serving(&accounts(&list));
    ask(&pool, 2).await;
    pool.until("full", "seen", |account| {
        account["credentials"][0]["windows"][0]["used_ppm"] == 900_000
    });
    pool.until("empty", "seen", |account| {
        account["credentials"][0]["windows"][0]["used_ppm"] == 200_000
    });
    pool.mock.journal().clear();
    ask(&pool, 10).await;
    assert_eq!(shares(&pool), [("empty".to_owned(), 10)]);

    let pool = Pool::serving(&accounts(&[api("a", ""), api("b", "")]));
    let mut running = Vec::new();
    for _ in 0..8 {
        running.push(stalled(&pool).await);
    }
    assert_eq!(shares(&pool), [("a".to_owned(), 4), ("b".to_owned(), 4)]);
}

/// A stream that has begun and does not go on.
async fn stalled(pool: &Pool) -> Client {
    let secret = secret("any");
    let headers = [
        ("x-api-key", &*secret),
        ("content-type", "application/json"),
        ("x-mock-scenario", "stall"),
    ];
    let mut client = Client::connect(pool.address).await;
    client
        .send(&request(
            "POST",
            "/v1/messages",
            &headers,
            stream().as_bytes(),
        ))
        .await;
    let mut head = client.head().await;
    assert_eq!(head.status, 200);
    assert!(client.until(&mut head, "message_start").await);
    client
}
