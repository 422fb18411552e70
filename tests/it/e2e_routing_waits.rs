//! Full accounts, recovering accounts and dead hosts: who waits, who goes ahead, who fails at once.

use std::time::{Duration, Instant};

use troupe_mock::Scenario;

use crate::gateway::{Client, Pool, api, counted, keys, message, request, secret};
use crate::process;

fn slow(ms: u64) -> String {
    format!(", headers: {{ x-mock-scenario: '{{\"first_byte_delay_ms\":{ms}}}' }}")
}

fn numbered(number: usize) -> String {
    message().replace("Hello", &format!("number {number}."))
}

/// No slot is used twice, nobody is refused while one comes free, and they go in the order in which they came.
#[tokio::test]
async fn a_full_account_is_waited_for_in_turn() {
    let accounts = format!(
        "accounts:\n{}",
        api("a", &format!(", concurrent: 2{}", slow(60)))
    );
    let pool = Pool::serving(&accounts);
    let secret = secret("any");
    let headers = [
        ("x-api-key", &*secret),
        ("content-type", "application/json"),
    ];
    let mut clients = Vec::new();
    for number in 0..12 {
        let mut client = Client::connect(pool.address).await;
        client
            .send(&request(
                "POST",
                "/v1/messages",
                &headers,
                numbered(number).as_bytes(),
            ))
            .await;
        clients.push(client);
    }
    for client in &mut clients {
        let answer = client.answer().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let entries = pool.entries();
    let in_flight = |at: u64| {
        let runs = |e: &&troupe_mock::Entry| {
            e.started_at_ms <= at && e.finished_at_ms.is_none_or(|end| end > at)
        };
        entries.iter().filter(runs).count()
    };
    assert!(
        entries
            .iter()
            .all(|entry| in_flight(entry.started_at_ms) <= 2)
    );
    let came: Vec<usize> = entries
        .iter()
        .map(|entry| {
            let text = String::from_utf8_lossy(&entry.body).into_owned();
            (0..12)
                .find(|n| text.contains(&format!("number {n}.")))
                .expect("a number")
        })
        .collect();
    let ahead = came
        .iter()
        .enumerate()
        .map(|(place, number)| place.abs_diff(*number))
        .max();
    assert!(ahead <= Some(1), "{came:?}");
}

/// Two accounts, one full: nobody waits for it.
#[tokio::test]
async fn nobody_waits_while_another_is_free() {
    let list = [
        api(
            "small",
            &format!(", concurrent: 1, priority: 1{}", slow(500)),
        ),
        api("large", ", priority: 2"),
    ];
    let pool = Pool::serving(&format!(
        "accounts:\n{}routing: {{ strategy: priority }}\n",
        list.concat()
    ));
    let answers = pool.burst(10, "any", &message()).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(counted(&pool.asked()), [("large", 9), ("small", 1)]);
}

/// The wait has an end.
#[tokio::test]
async fn a_full_account_is_waited_for_only_so_long() {
    let accounts = api(
        "a",
        ", concurrent: 1, headers: { x-mock-scenario: stall_before_head }",
    );
    let pool = Pool::serving(&format!(
        "accounts:\n{accounts}limits: {{ concurrency_queue: 200ms }}\n"
    ));
    let secret = secret("any");
    let headers = [
        ("x-api-key", &*secret),
        ("content-type", "application/json"),
    ];
    let mut holding = Client::connect(pool.address).await;
    holding
        .send(&request(
            "POST",
            "/v1/messages",
            &headers,
            message().as_bytes(),
        ))
        .await;
    pool.mock
        .journal()
        .wait_for(|entries| !entries.is_empty())
        .await
        .unwrap();
    let began = Instant::now();
    let own = pool.ask("any", message()).await;
    assert_eq!(
        (own.status, &*own.error_type()),
        (503, "api_error"),
        "{}",
        own.text()
    );
    assert!(own.text().contains("1 full"), "{}", own.text());
    assert_eq!(own.header("retry-after"), Some("1"));
    assert!(
        began.elapsed() >= Duration::from_millis(200),
        "{:?}",
        began.elapsed()
    );

    // Whoever holds it leaves: the one who waits is next.
    let mut waiting = Client::connect(pool.address).await;
    pool.mock.script([Scenario::default()]);
    waiting
        .send(&request(
            "POST",
            "/v1/messages",
            &headers,
            message().as_bytes(),
        ))
        .await;
    drop(holding);
    assert_eq!(waiting.answer().await.status, 200);
}

/// After a pause one request goes ahead; the others follow when it has been answered.
#[tokio::test]
async fn one_request_tries_an_account_that_rested() {
    let list = [
        api("a", &format!(", priority: 1{}", slow(700))),
        api("b", ", priority: 2"),
    ];
    let pool = Pool::serving(&format!(
        "accounts:\n{}routing: {{ strategy: priority }}\n",
        list.concat()
    ));
    let throttled = Scenario {
        headers: vec![("retry-after".into(), "1".into())],
        ..Scenario::status(429)
    };
    pool.script([throttled.clone()]);
    let (answer, asked) = pool.tell("any", message()).await;
    assert_eq!(
        (answer.status, asked),
        (200, vec!["a".to_owned(), "b".to_owned()])
    );
    pool.until_state("a", "active");

    pool.mock.journal().clear();
    let answers = pool.burst(20, "any", &message()).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(counted(&pool.asked()), [("a", 1), ("b", 19)]);
    let answers = pool.burst(5, "any", &message()).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(
        counted(&pool.asked()),
        [("a", 6), ("b", 19)],
        "its trial went well"
    );

    // A trial that fails is a pause again.
    pool.script([throttled.clone()]);
    assert_eq!(pool.ask("any", message()).await.status, 200);
    pool.until_state("a", "active");
    pool.script([throttled]);
    let (answer, asked) = pool.tell("any", message()).await;
    assert_eq!(
        (answer.status, asked),
        (200, vec!["a".to_owned(), "b".to_owned()])
    );
    assert_eq!(pool.account("a")["state"], "cooling_down");
}

/// An account alone that has rested serves everybody.
#[tokio::test]
async fn a_trial_keeps_nobody_waiting_for_nothing() {
    let pool = Pool::serving(&format!("accounts:\n{}", api("a", "")));
    pool.script([Scenario {
        headers: vec![("retry-after".into(), "1".into())],
        ..Scenario::status(429)
    }]);
    assert_eq!(pool.ask("any", message()).await.status, 429);
    pool.until_state("a", "active");
    let answers = pool.burst(30, "any", &message()).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
}

/// A host on which everything fails is left alone: requests fail at once, and it is tried again now and then.
#[tokio::test]
async fn a_dead_host_is_left_alone_until_it_recovers() {
    let pool = Pool::serving(&format!("accounts:\n{}{}", api("a", ""), api("b", "")));
    pool.script(std::iter::repeat_n(Scenario::status(500), 150));
    let mut last = pool.ask("any", message()).await;
    let end = Instant::now() + Duration::from_secs(20);
    while last.status == 500 && Instant::now() < end {
        // Many at once: they fail within the ten seconds that count.
        last = pool
            .burst(10, "any", &message())
            .await
            .pop()
            .expect("an answer");
    }
    assert_eq!(
        (last.status, &*last.error_type()),
        (503, "api_error"),
        "{}",
        last.text()
    );
    assert!(
        last.text().contains("down with its host"),
        "{}",
        last.text()
    );
    assert!(last.header("retry-after").is_some(), "{last:?}");
    let reached = pool.entries().len();
    assert!((100..=130).contains(&reached), "{reached}");
    pool.mock.clear_script();
    let began = Instant::now();
    let answers = pool.burst(50, "any", &message()).await;
    assert!(
        answers
            .iter()
            .all(|answer| answer.status == 503 || answer.status == 200)
    );
    let tried = pool.entries().len() - reached;
    assert!(
        tried <= 1 || began.elapsed() > Duration::from_secs(1),
        "{tried}"
    );

    let mut served = pool.ask("any", message()).await;
    while served.status != 200 && Instant::now() < end {
        served = pool.ask("any", message()).await;
    }
    assert_eq!(served.status, 200);
    assert!(
        pool.burst(20, "any", &message())
            .await
            .iter()
            .all(|answer| answer.status == 200)
    );
}

/// A dead host says nothing about another one. Its accounts have free slots, and those who wait for one that serves are
/// not woken by looking at them.
#[tokio::test]
async fn a_dead_host_is_no_other_hosts_business() {
    let nobody = process::free_address();
    let dead = |name: &str| {
        format!(
            "  - {{ name: {name}, kind: api_key, api_key: key-0123456789, base_url: \"http://{nobody}\", priority: 1, concurrent: 1 }}\n"
        )
    };
    let serving = format!(", priority: 2, concurrent: 1{}", slow(30));
    let accounts = [dead("dead"), dead("untried"), api("a", &serving)].concat();
    let bound = keys(&[("any", ""), ("dead", ", accounts: [dead]")]);
    let pool = Pool::serving(&format!(
        "accounts:\n{accounts}routing: {{ strategy: priority }}\nlimits: {{ concurrency_queue: 5s }}\n{bound}"
    ));
    let mut own = pool.ask("dead", message()).await;
    let end = Instant::now() + Duration::from_secs(20);
    while own.status == 502 && Instant::now() < end {
        own = pool
            .burst(10, "dead", &message())
            .await
            .pop()
            .expect("an answer");
    }
    assert_eq!(own.status, 503, "{}", own.text());
    let answers = pool.burst(20, "any", &message()).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
}
