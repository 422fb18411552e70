//! Uploads and downloads: streamed both ways, never held whole.

use std::time::{Duration, Instant};

use troupe_mock::Scenario;

use crate::gateway::{FIRST, Stage, head, request, stream};

/// An upload is passed on while it comes: it is larger than any body that is read whole.
#[tokio::test]
async fn an_upload_is_not_buffered() {
    const PIECE: usize = 1 << 20;
    const PIECES: usize = 40;
    let stage = Stage::new();
    let before = stage.memory_kib().await;
    let kind = "multipart/form-data; boundary=b";
    let length = (PIECE * PIECES).to_string();
    let mut client = stage.client().await;
    client
        .send(&head(
            "POST",
            "/v1/files?beta=true",
            &[
                ("x-api-key", FIRST),
                ("content-type", kind),
                ("content-length", &length),
            ],
        ))
        .await;
    let mut most = 0;
    for index in 0..PIECES {
        client.send(&vec![b'a' + (index % 26) as u8; PIECE]).await;
        most = most.max(stage.memory_kib().await);
    }
    let answer = client.answer().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["size_bytes"], PIECE * PIECES);
    let grown = most.saturating_sub(before);
    assert!(grown < 16 * 1024, "{grown} KiB for an upload of 40 MiB");
    let entry = stage.mock().journal().last().unwrap();
    assert_eq!(
        (entry.header("content-type"), entry.header("content-length")),
        (Some(kind), Some(&*length))
    );
    let pieces = entry.body.chunks(PIECE).enumerate();
    assert!(
        pieces
            .into_iter()
            .all(|(index, piece)| piece.iter().all(|b| *b == b'a' + (index % 26) as u8))
    );
}

/// An upload that breaks off never looks whole upstream; one that cannot be repeated is not.
#[tokio::test]
async fn a_broken_upload() {
    let stage = Stage::of(2, "");
    let mut client = stage.client().await;
    let headers = [
        ("x-api-key", FIRST),
        ("content-type", "application/octet-stream"),
        ("content-length", "1000"),
    ];
    client
        .send(&[head("POST", "/v1/files", &headers), vec![b'x'; 500]].concat())
        .await;
    let connected = |stage: &Stage| stage.at(0).open_connections() + stage.at(1).open_connections();
    let end = Instant::now() + Duration::from_secs(20);
    while connected(&stage) == 0 {
        assert!(Instant::now() < end, "the upload does not begin");
        tokio::task::yield_now().await;
    }
    drop(client);
    while connected(&stage) > 0 {
        assert!(Instant::now() < end, "the upload does not end");
        tokio::task::yield_now().await;
    }
    assert_eq!(stage.reached(), [0, 0]);

    let fault = Scenario {
        path: Some("/v1/files".into()),
        ..Scenario::status(529)
    };
    stage.script_all(&fault);
    let headers = [("content-type", "application/octet-stream")];
    let answer = stage.call("POST", "/v1/files", &headers, "x").await;
    assert_eq!(answer.status, 529);
    assert_eq!(stage.reached().iter().sum::<usize>(), 1);
}

/// A download comes as it is, of any kind and length, and in answer to `HEAD` without a body.
#[tokio::test]
async fn downloads() {
    let stage = Stage::new();
    let headers = [("content-type", "application/octet-stream")];
    let made = stage
        .call("POST", "/v1/files", &headers, "z".repeat(3 << 20))
        .await;
    let id = made.json()["id"].as_str().expect("an id").to_owned();
    let answer = stage.get(&format!("/v1/files/{id}/content")).await;
    assert_eq!(
        answer.header("content-type"),
        Some("application/octet-stream")
    );
    assert_eq!(answer.header("content-length"), Some("3145728"));
    assert!(answer.whole && answer.body == "z".repeat(3 << 20).as_bytes());
    let mut client = stage.client().await;
    let target = format!("/v1/files/{id}/content");
    client
        .send(&head("HEAD", &target, &[("x-api-key", FIRST)]))
        .await;
    assert_eq!(client.head().await.status, 404, "as its upstream says");
    client.send(&head("GET", "/healthz", &[])).await;
    assert_eq!(client.answer().await.status, 200);
}

/// HTTP/1.0 knows no chunks: an answer of unknown length ends with its connection.
#[tokio::test]
async fn an_old_client_gets_no_chunks() {
    let stage = Stage::new();
    let headers = [("x-api-key", FIRST), ("connection", "keep-alive")];
    let asked = request("POST", "/v1/messages", &headers, stream().as_bytes());
    let asked = String::from_utf8(asked).unwrap();
    let mut client = stage.client().await;
    client
        .send(asked.replacen("HTTP/1.1", "HTTP/1.0", 1).as_bytes())
        .await;
    let answer = client.answer().await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("transfer-encoding"), None);
    let text = answer.text();
    assert!(text.starts_with("event: message_start\n"), "{text}");
    assert!(
        text.ends_with("data: {\"type\":\"message_stop\"}\n\n"),
        "{text}"
    );
    assert!(client.is_closed().await);
}
