//! The edge of a minute: exactly the limit in each window, a `retry-after` that is true, a queue that goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use tokio::task::JoinSet;

use super::{MODEL, asking, assert_throttled, message_of, now_ms, settled, until_ms, using};
use crate::gateway::{Answer, Client, Pool, api, keys};

const CONNECTIONS: usize = 64;
const MINUTE_MS: u64 = 60_000;

/// Offers `count` requests in all, or as many as go until `end`; what was refused.
async fn offer(pool: &Pool, key: &str, count: usize, end: u64) -> (usize, Vec<Answer>) {
    let bytes: Arc<[u8]> = message_of(key, &body(key)).into();
    let left = Arc::new(AtomicUsize::new(count));
    let mut running = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (bytes, left, address) = (Arc::clone(&bytes), Arc::clone(&left), pool.address);
        running.spawn(async move {
            let mut client = Client::connect(address).await;
            let (mut admitted, mut refused) = (0, Vec::new());
            let next =
                || left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
            while now_ms() < end && next().is_ok() {
                client.send(&bytes).await;
                let answer = client.answer().await;
                match answer.status {
                    200 => admitted += 1,
                    _ => refused.push(answer),
                }
            }
            (admitted, refused)
        });
    }
    let (mut admitted, mut refused) = (0, Vec::new());
    for (some, more) in running.join_all().await {
        admitted += some;
        refused.extend(more);
    }
    (admitted, refused)
}

/// Told apart in the upstream's journal by their texts.
fn body(key: &str) -> String {
    let mut scenario = using(10, 5);
    scenario["text"] = format!("for {key}").into();
    asking(MODEL, 20, &scenario)
}

/// Requests of a key that the upstream has seen before and after the edge, by the clock that windows are cut by.
fn seen(pool: &Pool, key: &str, edge_ms: u64) -> (usize, usize) {
    let text = format!("for {key}");
    let edge = SystemTime::UNIX_EPOCH + Duration::from_millis(edge_ms);
    let (mut before, mut after) = (0, 0);
    pool.mock.journal().each(|entry| {
        if String::from_utf8_lossy(&entry.body).contains(&text) {
            match entry.started_wall < edge {
                true => before += 1,
                false => after += 1,
            }
        }
    });
    (before, after)
}

fn assert_refused(refused: &[Answer], said: &str) {
    assert!(!refused.is_empty());
    for answer in refused {
        assert_throttled(answer, said);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_minute_ends_for_everybody_who_is_limited_by_it() {
    let pool = Pool::serving(&format!(
        "accounts:\n{}limits: {{ concurrency_queue: 25s }}\n{}",
        api("a", ""),
        keys(&[
            ("crowd", ", limits: { requests_per_minute: 1000 }"),
            ("steady", ", limits: { requests_per_minute: 200 }"),
            ("probe", ", limits: { requests_per_minute: 2 }"),
            (
                "queue",
                ", limits: { requests_per_minute: { limit: 2, on_limit: queue } }"
            ),
        ])
    ));
    let mut edge_ms = now_ms() / MINUTE_MS * MINUTE_MS + MINUTE_MS;
    // Enough of a minute for the first part.
    if edge_ms - now_ms() < 14_000 {
        until_ms(edge_ms).await;
        edge_ms += MINUTE_MS;
    }

    let (admitted, refused) = offer(&pool, "crowd", 3_000, u64::MAX).await;
    assert_eq!((admitted, refused.len()), (1_000, 2_000));
    assert_refused(&refused, "1000 requests per minute for key");

    until_ms(edge_ms - 10_000).await;
    let told = refused_probe(&pool).await;
    let queued = queue(&pool, edge_ms);
    let (crowd, steady) = (
        across(&pool, "crowd", 5_000, edge_ms),
        across(&pool, "steady", 900, edge_ms),
    );
    let (_, crowd, steady) = tokio::join!(queued, crowd, steady);
    assert!(
        now_ms() < edge_ms + MINUTE_MS - 3_000,
        "too slow to be sure of one window"
    );
    for (key, limit, refused) in [("crowd", 1_000, crowd), ("steady", 200, steady)] {
        assert_eq!(seen(&pool, key, edge_ms), (limit, limit), "{key}");
        assert_refused(&refused, "requests per minute for key");
        settled(&pool, key, "requests_per_minute", limit);
    }
    until_ms(told).await;
    assert_eq!(pool.ask("probe", body("probe")).await.status, 200);
}

/// From before the edge until after it.
async fn across(pool: &Pool, key: &str, count: usize, edge_ms: u64) -> Vec<Answer> {
    let first = match key {
        "crowd" => 0,
        // The window's whole limit well before its end.
        _ => offer(pool, key, 300, u64::MAX).await.0,
    };
    until_ms(edge_ms - 600).await;
    let (mut admitted, mut refused) = offer(pool, key, count, edge_ms + 4_000).await;
    // A slow machine may not have offered enough yet.
    let (more, others) = offer(pool, key, 1_300, u64::MAX).await;
    admitted += more + first;
    refused.extend(others);
    let limit = if key == "crowd" { 1_000 } else { 400 };
    assert_eq!(admitted, limit, "{key}");
    refused
}

/// When a refused request would fit, by its `retry-after`.
async fn refused_probe(pool: &Pool) -> u64 {
    for _ in 0..2 {
        assert_eq!(pool.ask("probe", body("probe")).await.status, 200);
    }
    let refused = pool.ask("probe", body("probe")).await;
    assert_throttled(&refused, "2 requests per minute for key");
    let after = refused
        .header("retry-after")
        .and_then(|text| text.parse::<u64>().ok());
    let after = after.expect("seconds");
    assert!((9..=12).contains(&after), "{after}");
    now_ms() + after * 1_000
}

/// Those whose window ends in time wait for it; the others hear when it ends.
async fn queue(pool: &Pool, edge_ms: u64) {
    for _ in 0..2 {
        assert_eq!(pool.ask("queue", body("queue")).await.status, 200);
    }
    let waiting = pool.burst(3, "queue", &body("queue")).await;
    let now = now_ms();
    assert!(now >= edge_ms, "{}", edge_ms - now);
    let admitted = waiting.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(admitted, 2);
    let late = waiting
        .iter()
        .find(|answer| answer.status != 200)
        .expect("one too many");
    assert_throttled(late, "2 requests per minute for key");
    let after: u64 = late
        .header("retry-after")
        .expect("one")
        .parse()
        .expect("seconds");
    assert!((50..=60).contains(&after), "{after}");
}
