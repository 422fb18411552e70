//! Clients that leave, and clients that do not read.

use std::time::{Duration, Instant};

use troupe_mock::Scenario;

use crate::gateway::{FIRST, Setup, Stage, message, request, stream};

/// The contract says 100 ms; a loaded machine may take longer to tell.
const CANCELLED_WITHIN: Duration = Duration::from_secs(1);

fn named(name: &str) -> Scenario {
    Scenario::named(name).unwrap_or_else(|| panic!("a scenario {name}"))
}

/// A client that leaves takes its upstream request with it, before the head and in mid-stream.
#[tokio::test]
async fn a_client_that_leaves_ends_its_upstream_request() {
    let stage = Stage::new();
    for (name, ask, is_open) in [
        ("stall_before_head", message(), false),
        ("stall_before_head", stream(), false),
        ("stall_after_head", stream(), false),
        ("endless", stream(), true),
        ("stall", stream(), true),
    ] {
        stage.mock().journal().clear();
        stage.mock().script([named(name)]);
        let mut client = stage.client().await;
        client
            .send(&request(
                "POST",
                "/v1/messages",
                &[("x-api-key", FIRST)],
                ask.as_bytes(),
            ))
            .await;
        if is_open {
            let mut answer = client.head().await;
            assert!(client.until(&mut answer, "content_block_start").await);
        } else {
            stage
                .mock()
                .journal()
                .wait_for_entry(|_| true)
                .await
                .unwrap();
        }
        let left = Instant::now();
        drop(client);
        let entry = stage
            .mock()
            .journal()
            .wait_for_entry(|entry| entry.is_over())
            .await
            .unwrap();
        let after = entry
            .aborted_at
            .expect("the client went away")
            .duration_since(left);
        assert!(
            after < CANCELLED_WITHIN,
            "{name}: cancelled after {after:?}"
        );
    }
    stage.until_metric("outcome=\"cancelled\"} ").await;
    stage.until_metric("troupe_streams_open 0").await;
}

/// A client that does not read holds up its upstream, not the gateway's memory; then gets it all.
#[tokio::test]
async fn a_slow_reader_costs_no_memory() {
    let stage = Stage::configured("streaming: { keepalive: 300ms }");
    stage.mock().script([Scenario {
        text_bytes: Some(20 << 20),
        count: Some(1_000),
        ..Scenario::default()
    }]);
    let before = stage.memory_kib().await;
    let mut client = stage.client().await;
    client
        .send(&request(
            "POST",
            "/v1/messages",
            &[("x-api-key", FIRST)],
            stream().as_bytes(),
        ))
        .await;
    let mut answer = client.head().await;
    assert!(client.until(&mut answer, "message_start").await);
    let mut sent = (0, Instant::now());
    // The upstream is held up when nothing more was written to it for a while.
    while sent.1.elapsed() < Duration::from_millis(800) {
        let now = stage.mock().journal().last().unwrap().events_sent;
        if now != sent.0 {
            sent = (now, Instant::now());
        }
        tokio::task::yield_now().await;
        stage.get("/healthz").await;
    }
    assert!(sent.0 < 900, "the upstream was read to its end");
    let grown = stage.memory_kib().await.saturating_sub(before);
    assert!(grown < 8 * 1024, "{grown} KiB for one slow reader");
    client.rest(&mut answer).await;
    assert!(answer.whole && answer.body.len() > 20 << 20);
    assert_eq!(answer.events().last().unwrap(), "message_stop");
}

/// The account is free when its upstream has ended, whether or not the client has read everything.
#[tokio::test]
async fn a_slow_reader_does_not_hold_the_account() {
    let stage = Stage::start(Setup {
        account: ", concurrent: 1".to_owned(),
        ..Setup::default()
    });
    stage.mock().script([Scenario {
        text_bytes: Some(200 << 10),
        ..Scenario::default()
    }]);
    let mut client = stage.client().await;
    client
        .send(&request(
            "POST",
            "/v1/messages",
            &[("x-api-key", FIRST)],
            stream().as_bytes(),
        ))
        .await;
    let finished = |entry: &troupe_mock::Entry| entry.finished_at_ms.is_some();
    stage
        .mock()
        .journal()
        .wait_for_entry(finished)
        .await
        .unwrap();
    let end = Instant::now() + Duration::from_secs(10);
    while stage.post(message()).await.status != 200 {
        assert!(Instant::now() < end, "the account is still held");
    }
    assert_eq!(
        client.answer().await.events().last().unwrap(),
        "message_stop"
    );
}
