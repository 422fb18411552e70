//! What happens after the first event: cuts, errors and silence.

use std::time::{Duration, Instant};

use troupe_mock::{Framing, Scenario, Split};

use crate::gateway::{FIRST, Stage, message, request, stream};

const PING: &str = "event: ping\ndata: {\"type\": \"ping\"}\n\n";

fn named(name: &str) -> Scenario {
    Scenario::named(name).unwrap_or_else(|| panic!("a scenario {name}"))
}

/// However an upstream's stream is cut, the client sees whole events and an `error`, never an end.
#[tokio::test]
async fn a_cut_stream_ends_with_an_error() {
    let bytes = |truncate_after_bytes| Scenario {
        truncate_after_bytes: Some(truncate_after_bytes),
        ..Scenario::default()
    };
    let table = [
        ("ended early", named("early_end"), "api_error"),
        ("closed inside an event", named("truncate"), "api_error"),
        ("reset", named("reset"), "api_error"),
        ("silent", named("stall"), "timeout_error"),
        ("cut at a byte", bytes(700), "api_error"),
        (
            "cut in small pieces",
            Scenario {
                split: Split::Bytes(3),
                ..bytes(701)
            },
            "api_error",
        ),
        (
            "shorter than promised",
            Scenario {
                framing: Framing::ContentLength,
                ..bytes(702)
            },
            "api_error",
        ),
    ];
    for (name, scenario, kind) in table {
        let stage = Stage::of(2, "streaming: { idle_timeout: 400ms }");
        stage.script_all(&scenario);
        let answer = stage.post(stream()).await;
        assert_eq!((answer.status, answer.whole), (200, true), "{name}");
        let text = answer.text();
        let events: Vec<_> = text.split_terminator("\n\n").collect();
        let (last, before) = events.split_last().unwrap();
        let error = last
            .strip_prefix("event: error\ndata: ")
            .unwrap_or_else(|| panic!("{name}: {text}"));
        let error: serde_json::Value = serde_json::from_str(error).unwrap();
        assert_eq!(error["error"]["type"], kind, "{name}");
        assert!(
            before[0].starts_with("event: message_start"),
            "{name}: {text}"
        );
        for event in before {
            let (_, data) = event.split_once("\ndata: ").unwrap();
            assert!(
                serde_json::from_str::<serde_json::Value>(data).is_ok(),
                "{name}: {event}"
            );
        }
        assert!(
            !answer.events().contains(&"message_stop".to_owned()),
            "{name}"
        );
        assert_eq!(
            stage.reached().iter().sum::<usize>(),
            1,
            "{name} was repeated"
        );
        stage.until_metric("outcome=\"truncated\"} 1").await;
    }
}

/// An event that is too long to be held has begun already: only the connection can tell the cut.
#[tokio::test]
async fn a_cut_inside_a_very_long_event_closes_the_connection() {
    let stage = Stage::new();
    let start =
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\"}}\n\n";
    let long = format!("event: x\ndata: {}\n\n", "y".repeat(3 << 20));
    stage.mock().script([Scenario {
        truncate_after_bytes: Some(2 << 20),
        ..Scenario::raw_events([start.to_owned(), long])
    }]);
    let answer = stage.post(stream()).await;
    assert_eq!((answer.status, answer.whole), (200, false));
    assert!(answer.body.len() > 1 << 20 && !answer.text().contains("event: error"));
}

/// The upstream's own error is the client's, once, whether it comes alone or with the first events.
#[tokio::test]
async fn an_error_of_the_upstream_is_relayed_once() {
    for split in [Split::None, Split::Whole, Split::Bytes(1)] {
        for after_events in [0, 1, 4] {
            let stage = Stage::new();
            let mut scenario = named("mid_error");
            scenario.split = split;
            scenario.error.as_mut().unwrap().after_events = after_events;
            stage.mock().script([scenario]);
            let answer = stage.post(stream()).await;
            let events = answer.events();
            assert!(answer.whole);
            assert_eq!(events.len(), after_events + 1, "{split:?}: {events:?}");
            assert_eq!(events.last().unwrap(), "error");
            assert!(answer.text().contains("overloaded_error"));
            stage.until_metric("outcome=\"failed\"} 1").await;
        }
    }
}

/// A message that has ended is whole, however the connection ends after it.
#[tokio::test]
async fn a_fault_after_the_end_is_none() {
    let events = [
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\"}}\n\n",
        "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    ];
    let stage = Stage::configured("streaming: { idle_timeout: 400ms }");
    for scenario in [
        Scenario {
            reset_after_events: Some(2),
            ..Scenario::raw_events(events)
        },
        Scenario {
            stall_after_events: Some(2),
            ..Scenario::raw_events(events)
        },
    ] {
        stage.mock().script([scenario]);
        let answer = stage.post(stream()).await;
        assert_eq!((answer.whole, answer.text()), (true, events.concat()));
    }
    stage.until_metric("outcome=\"completed\"} 2").await;
}

#[tokio::test]
async fn a_cut_json_answer_closes_the_connection() {
    let chunked = Scenario {
        framing: Framing::Chunked,
        truncate_after_bytes: Some(20),
        ..Scenario::default()
    };
    for scenario in [named("short_body"), chunked] {
        let stage = Stage::of(2, "");
        stage.script_all(&scenario);
        let mut client = stage.client().await;
        client
            .send(&request(
                "POST",
                "/v1/messages",
                &[("x-api-key", FIRST)],
                message().as_bytes(),
            ))
            .await;
        let answer = client.answer().await;
        assert_eq!(
            (answer.status, answer.whole),
            (200, false),
            "{}",
            answer.text()
        );
        assert!(client.is_closed().await);
        assert_eq!(stage.reached().iter().sum::<usize>(), 1);
        stage.until_metric("outcome=\"truncated\"} 1").await;
    }
}

/// Silence is filled with pings: after the first event, between events, and nowhere else.
#[tokio::test]
async fn pings_stand_in_silence_between_events() {
    let stage = Stage::configured("streaming: { keepalive: 250ms }");
    // The second piece ends inside an event.
    let pieces = [
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\"}}\n\n",
        "event: odd\ndata: 1\n\nevent: content_bl",
        "ock_delta\ndata: {\"type\":\"x\"}\n\n",
        "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    ];
    stage.mock().script([Scenario {
        first_event_delay_ms: 700,
        event_delay_ms: 700,
        ..Scenario::raw_events(pieces)
    }]);
    let began = Instant::now();
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
    assert!(
        began.elapsed() >= Duration::from_millis(700),
        "a head before the first event"
    );
    client.rest(&mut answer).await;
    let text = answer.text();
    assert!(
        answer.whole && text.starts_with("event: message_start"),
        "{text}"
    );
    assert_eq!(text.replace(PING, ""), pieces.concat());
    for between in [
        "\"}}\n\nevent: ping",
        "data: 1\n\nevent: ping",
        "\"x\"}\n\nevent: ping",
    ] {
        assert!(text.contains(between), "no ping at {between:?}: {text}");
    }
}

/// The upstream's own ping is a first event, and is the client's.
#[tokio::test]
async fn a_ping_of_the_upstream_opens_the_answer() {
    let stage = Stage::configured("streaming: { first_event_timeout: 300ms }");
    let mut scenario = named("pings");
    scenario.event_delay_ms = 200;
    scenario.count = Some(1);
    stage.mock().script([scenario]);
    let answer = stage.post(stream()).await;
    assert_eq!(answer.events()[..3], ["ping", "ping", "message_start"]);
    assert_eq!(answer.events().last().unwrap(), "message_stop");
}
