//! How the mock sends, breaks and stops.

use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use troupe_mock::{Answer, Events, Framing, MidError, Mock, MockConfig, Scenario, Split};

use crate::client::{ask, call, connect, mock, scripted, stream};

#[tokio::test]
async fn line_ends_splits_and_framings_keep_the_events() {
    let plain = scripted(Answer::default(), &stream()).await.0;
    for answer in [
        Answer {
            crlf: true,
            ..Default::default()
        },
        Scenario::named("cr").unwrap(),
        Answer {
            split: Split::Bytes(1),
            ..Default::default()
        },
        Answer {
            split: Split::Bytes(7),
            crlf: true,
            ..Default::default()
        },
        Answer {
            split: Split::Whole,
            ..Default::default()
        },
        Answer {
            framing: Framing::Close,
            ..Default::default()
        },
        Answer {
            framing: Framing::ContentLength,
            ..Default::default()
        },
    ] {
        let (got, entry) = scripted(answer.clone(), &stream()).await;
        assert!(got.complete, "{answer:?}");
        assert_eq!(got.events(), plain.events(), "{answer:?}");
        assert!(entry.finished_at_ms.is_some());
    }
    let unknown = scripted(Scenario::named("unknown").unwrap(), &stream())
        .await
        .0;
    assert!(unknown.text().contains("\\ud800") && unknown.text().contains("\n: a comment\n"));
    let raw = Scenario::raw_events(["event: x\ndata: 1\n\n", "data: 2\r\n\r\n"]);
    assert_eq!(
        scripted(raw, &stream()).await.0.text(),
        "event: x\ndata: 1\n\ndata: 2\r\n\r\n"
    );
    let tools = Answer {
        events: Some(Events::ParallelTools),
        ..Default::default()
    };
    let tools = scripted(tools, &stream()).await.0;
    assert_eq!(
        tools
            .events()
            .iter()
            .filter(|name| *name == "content_block_start")
            .count(),
        3
    );
    assert_eq!(tools.text().matches("{\"type\":\"tool_use\"").count(), 2);
}

#[tokio::test]
async fn faults() {
    let error = MidError {
        after_events: 4,
        kind: "api_error".into(),
        message: "broken".into(),
    };
    let got = scripted(
        Answer {
            error: Some(error),
            ..Default::default()
        },
        &stream(),
    )
    .await
    .0;
    assert!(got.complete);
    assert_eq!(got.events().len(), 5);
    assert_eq!(got.events()[4], "error");

    let (got, entry) = scripted(Scenario::named("truncate").unwrap(), &stream()).await;
    assert!(!got.complete && !got.reset && !got.body.ends_with(b"\n\n"));
    assert_eq!(entry.events_sent, 4);
    let got = scripted(Scenario::named("early_end").unwrap(), &stream())
        .await
        .0;
    assert!(got.complete && got.events().len() == 4);
    let got = scripted(Scenario::named("reset").unwrap(), &stream())
        .await
        .0;
    assert!(got.reset && got.status == 200);
    let got = scripted(Scenario::named("reset_before_head").unwrap(), &stream())
        .await
        .0;
    assert!(got.reset && got.head.is_empty());
    let got = scripted(Scenario::named("close_before_head").unwrap(), &stream())
        .await
        .0;
    assert!(!got.reset && got.head.is_empty());
    let got = scripted(Scenario::named("short_body").unwrap(), &ask(json!({})))
        .await
        .0;
    assert!(!got.complete && got.body.len() == 20);
    let got = scripted(Scenario::named("not_http").unwrap(), &stream())
        .await
        .0;
    assert_eq!(got.head, "SSH-2.0-mock\r\n");
    let early = Answer {
        before_body: true,
        ..Scenario::status(413)
    };
    let unsent = "POST /v1/messages HTTP/1.1\r\ncontent-length: 1000000\r\n\r\n";
    assert_eq!(
        scripted(early, unsent).await.0.json()["error"]["type"],
        "request_too_large"
    );
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed_at_once() {
    for name in [
        "stall",
        "stall_before_head",
        "stall_after_head",
        "endless",
        "slow",
    ] {
        let server = mock().await;
        server.script([Scenario::named(name).unwrap()]);
        let mut client = connect(&server, &stream()).await;
        if name != "stall_before_head" {
            client.read_exact(&mut [0; 20]).await.unwrap();
        }
        let journal = server.journal();
        journal
            .wait_for(|entries| entries.len() == 1)
            .await
            .unwrap();
        assert_eq!(server.open_connections(), 1);
        let left = std::time::Instant::now();
        drop(client);
        let entry = journal
            .wait_for_entry(|entry| entry.aborted_at_ms.is_some())
            .await
            .unwrap();
        assert!(
            entry.aborted_at.unwrap() - left < Duration::from_secs(5),
            "{name}"
        );
        assert_eq!(entry.finished_at_ms, None);
        journal
            .wait_for_connections(|open| open == 0)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn the_journal_is_bounded_and_a_stopped_mock_frees_its_port() {
    let config = MockConfig {
        journal_entries: 2,
        ..Default::default()
    };
    let server = Mock::start_on_thread(config).unwrap();
    for _ in 0..4 {
        call(&server, &ask(json!({}))).await;
    }
    let ids: Vec<_> = server
        .journal()
        .entries()
        .iter()
        .map(|entry| entry.id)
        .collect();
    assert_eq!(ids, [3, 4]);
    let address = server.address();
    server.shutdown().await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[test]
fn scenarios_survive_their_json_form() {
    for name in [
        "default",
        "everything",
        "every_byte",
        "burst",
        "mid_error",
        "status_503",
        "cr",
    ] {
        let scenario = Scenario::named(name).unwrap();
        let text = serde_json::to_string(&scenario).unwrap();
        assert_eq!(Scenario::parse(&text), Ok(scenario));
    }
    assert_eq!(
        Scenario::parse("{\"split\":\"every_byte\"}").unwrap().split,
        Split::Bytes(1)
    );
    assert!(Scenario::parse("{\"split\":\"sideways\"}").is_err());
}
