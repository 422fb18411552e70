//! A hundred accounts that fail and recover at random, a thousand sessions: nobody is refused whom a healthy account could
//! have served, no healthy account idles while others queue, sessions stay at home, nothing leaks.
//! `TROUPE_SOAK_SECONDS` (20) says how long, `TROUPE_SOAK_SEED` which schedule.

mod crowd;
mod weather;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    gateway::{Pool, keys},
    process::until,
};
use crowd::Crowd;
use weather::Weather;

/// Without a limit: sessions are at home here.
const WIDE: usize = 70;
/// One request at a time each: requests queue here.
const TIGHT: usize = 30;
/// Sessions of each of the two keys.
const SESSIONS: [usize; 2] = [600, 400];
/// Requests at once of each of the two keys.
const CLIENTS: [usize; 2] = [16, 60];

fn number(name: &str, default: u64) -> u64 {
    let wanted = std::env::var(name).ok();
    wanted.and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn config() -> String {
    // Of a hundred accounts several fall ill between two requests: three attempts would not be enough for everybody.
    let mut text = "routing: { max_attempts: 8 }\naccounts:\n".to_owned();
    let names = weather::names();
    for name in &names {
        let (group, limit) = match name.starts_with('t') {
            true => ("tight", ", concurrent: 1"),
            false => ("wide", ""),
        };
        let key = crate::gateway::credential(name);
        // What it answers tells who answered.
        let answer = format!(
            "'{{\"text\":\"{name}\",\"first_byte_delay_ms\":{}}}'",
            weather::PACE_MS
        );
        text.push_str(&format!(
            "  - {{ name: {name}, kind: api_key, api_key: {key}, base_url: \"MOCK\", group: {group}{limit}, \
             headers: {{ x-mock-scenario: {answer} }} }}\n"
        ));
    }
    let binding = |group: &str| format!(", account_groups: [{group}]");
    text + &keys(&[("wide", &binding("wide")), ("tight", &binding("tight"))])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_fail_and_recover_and_nobody_notices() {
    let seconds = number("TROUPE_SOAK_SECONDS", 20);
    let seed = number("TROUPE_SOAK_SEED", 20_261_124);
    let pool = Arc::new(Pool::serving(&config()));
    let weather = Arc::new(Weather::new(seed));
    let crowd = Arc::new(Crowd::new(seed, SESSIONS));
    let end = Instant::now() + Duration::from_secs(seconds);
    let blowing = tokio::spawn(Weather::blow(Arc::clone(&weather), Arc::clone(&pool), end));
    let watching = tokio::spawn(weather::watch_for_idlers(
        Arc::clone(&weather),
        Arc::clone(&pool),
        Arc::clone(&crowd),
        end,
    ));
    let mut clients = tokio::task::JoinSet::new();
    for (kind, count) in CLIENTS.into_iter().enumerate() {
        for lane in 0..count {
            clients.spawn(Crowd::client(
                Arc::clone(&crowd),
                Arc::clone(&pool),
                Arc::clone(&weather),
                (kind, lane, count),
                end,
            ));
        }
    }
    clients.join_all().await;
    blowing.await.expect("the weather");
    let idlers = watching.await.expect("the watch");

    let told = crowd.told();
    println!(
        "seed {seed}, {seconds} s: {} illnesses, {} failures, {told:?}",
        weather.illnesses(),
        told.failures
    );
    assert_eq!(told.failures, 0, "seed {seed}: {:#?}", told.first_failures);
    assert!(idlers.is_empty(), "seed {seed}: {idlers:#?}");
    assert!(told.served > 10 * seconds, "{told:?}");
    assert!(told.at_home_of > 100, "{told:?}");
    let share = told.at_home as f64 / told.at_home_of as f64;
    assert!(share >= 0.99, "seed {seed}: {told:?}");
    weather.clear(&pool);
    nothing_is_left(&pool).await;
}

/// Every slot, stream and waiter is given back.
async fn nothing_is_left(pool: &Pool) {
    let mut said = String::new();
    let clean = until(Duration::from_secs(20), || {
        let listed = pool
            .operate("account.list", serde_json::json!({}))
            .expect("a list");
        let accounts = listed["accounts"].as_array().expect("accounts");
        let busy = accounts
            .iter()
            .filter(|account| account["slots"]["in_use"] != 0);
        let busy: Vec<_> = busy.map(|account| account["name"].clone()).collect();
        let metrics = crate::serve::Ask::get("/metrics").send(pool.address).body();
        let left = [
            "troupe_requests_waiting",
            "troupe_streams_open",
            "troupe_session_rows_unsaved",
        ]
        .iter()
        .filter(|name| !metrics.lines().any(|line| line == format!("{name} 0")))
        .collect::<Vec<_>>();
        said = format!("{busy:?} {left:?}");
        accounts.len() == WIDE + TIGHT && busy.is_empty() && left.is_empty()
    });
    assert!(clean, "left: {said}");
}
