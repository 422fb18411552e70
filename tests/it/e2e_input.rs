//! Bad input: each gets the status of the contract's table, none a 5xx, and nothing of it goes up.

use crate::gateway::{FIRST, PLAIN, Stage, head, message, request};

const KIB: usize = 1024;
const SMALL: &str = "server: { bind: \"BIND\", threads: 1, body_limit: 64KiB }";

/// A body and the field that the answer must name, if it is a field's fault.
fn bad_bodies() -> Vec<(Vec<u8>, &'static str)> {
    let good = message();
    let with = |from: &str, to: &str| good.replace(from, to).into_bytes();
    let model = r#""model":"claude-sonnet-5""#;
    vec![
        (b"{".to_vec(), ""),
        (b"null".to_vec(), ""),
        (b"[]".to_vec(), ""),
        (b"\"text\"".to_vec(), ""),
        (b"{}".to_vec(), "model"),
        (good.as_bytes()[..good.len() - 1].to_vec(), ""),
        (format!("{good}}}").into_bytes(), ""),
        (format!("{good}{good}").into_bytes(), ""),
        (b"{\"model\":\"\xff\xfe\"}".to_vec(), ""),
        (b"\x00\x01\x02\x03".to_vec(), ""),
        (b"model=claude&max_tokens=1".to_vec(), ""),
        ("[".repeat(500 * KIB).into_bytes(), ""),
        (r#"{"a":"#.repeat(100 * KIB).into_bytes(), ""),
        (with("100000000", "NaN"), ""),
        (with("\"Hello\"", "'Hello'"), ""),
        (with("\"Hello\"", "\"line\nbreak\""), ""),
        (with(model, r#""model":7"#), "model"),
        (with(model, r#""model":null"#), "model"),
        (with(model, r#""model":["claude"]"#), "model"),
        (with(model, r#""model":"\ud800""#), "model"),
        (with(model, r#""model":"a","model":"b""#), "model"),
        (with(model, r#""model":"a","stream":"yes""#), "stream"),
        (with(model, r#""model":"a","stream":1"#), "stream"),
        (with("100000000", "\"100\""), "max_tokens"),
        (with("100000000", "-1"), "max_tokens"),
        (with("100000000", "1.5"), "max_tokens"),
        (with("100000000", "99999999999999999999999"), "max_tokens"),
        (with(model, r#""model":"a","metadata":7"#), "metadata"),
        (
            with(model, r#""model":"a","metadata":{"user_id":7}"#),
            "metadata",
        ),
    ]
}

#[tokio::test]
async fn malformed_bodies() {
    let stage = Stage::new();
    let mut client = stage.client().await;
    for path in ["/v1/messages", "/v1/messages/count_tokens"] {
        for (body, field) in bad_bodies() {
            let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
            client
                .send(&request("POST", path, &[("x-api-key", FIRST)], &body))
                .await;
            let answer = client.answer().await;
            let told = (answer.status, answer.error_type());
            assert_eq!(told, (400, "invalid_request_error".into()), "{shown}");
            let text = answer.json()["error"]["message"].to_string();
            assert!(text.contains(field), "{shown}: {text} names no {field}");
        }
    }
    assert_eq!(stage.reached(), [0]);
    // The connection is as good as before.
    client
        .send(&request(
            "POST",
            "/v1/messages",
            &[("x-api-key", FIRST)],
            message().as_bytes(),
        ))
        .await;
    assert_eq!(client.answer().await.status, 200);
}

/// A client that announces more than it sends, and leaves.
#[tokio::test]
async fn truncated_bodies() {
    let stage = Stage::new();
    let good = request(
        "POST",
        "/v1/messages",
        &[("x-api-key", FIRST)],
        message().as_bytes(),
    );
    let chunked = [
        head(
            "POST",
            "/v1/messages",
            &[("x-api-key", FIRST), ("transfer-encoding", "chunked")],
        ),
        b"40\r\n{\"model\":".to_vec(),
    ]
    .concat();
    for wire in [&good[..good.len() - 9], &chunked] {
        let mut client = stage.client().await;
        client.send(wire).await;
        client.finish_sending().await;
        let answer = client.answer().await;
        assert!(matches!(answer.status, 0 | 400), "{}", answer.status);
    }
    assert_eq!(stage.post(message()).await.status, 200);
    assert_eq!(stage.reached(), [1]);
}

#[tokio::test]
async fn bodies_over_the_limit() {
    let stage = Stage::new();
    let body = vec![b' '; 33 << 20];
    let with_length = request("POST", "/v1/messages", &[("x-api-key", FIRST)], &body);
    let mut chunked = head(
        "POST",
        "/v1/messages",
        &[("x-api-key", FIRST), ("transfer-encoding", "chunked")],
    );
    for piece in body.chunks(1 << 20) {
        chunked.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        chunked.extend_from_slice(piece);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    for wire in [with_length, chunked] {
        let answer = stage.raw(&wire).await;
        assert_eq!(
            (answer.status, &*answer.error_type()),
            (413, "request_too_large")
        );
    }
    // One that is only announced is answered without it.
    let announced = head(
        "POST",
        "/v1/messages",
        &[("x-api-key", FIRST), ("content-length", "34603008")],
    );
    assert_eq!(stage.raw(&announced).await.status, 413);
    // An unknown key sends as much for nothing.
    let unknown = request(
        "POST",
        "/v1/messages",
        &[("x-api-key", "unknown-test-key-0123456789")],
        &body,
    );
    assert_eq!(stage.raw(&unknown).await.status, 401);
    assert_eq!(stage.reached(), [0]);
}

/// Credential before size before path and method before JSON.
#[tokio::test]
async fn the_order_of_checks() {
    let stage = Stage::configured(SMALL);
    let (large, bad) = (" ".repeat(65 * KIB), "{");
    let unknown = "unknown-test-key-0123456789";
    let table = [
        (unknown, "POST", "/v1/messages", &*large, 401),
        (unknown, "GET", "/v1/nowhere", &large, 401),
        (unknown, "GET", "/v1/messages", bad, 401),
        (FIRST, "POST", "/v1/messages", &large, 413),
        (FIRST, "PUT", "/v1/messages", &large, 413),
        (FIRST, "POST", "/v1/models", &large, 413),
        (FIRST, "POST", "/v1/oauth/x", &large, 413),
        (PLAIN, "POST", "/v1/files", &large, 413),
        (FIRST, "PUT", "/v1/messages", bad, 405),
        (FIRST, "POST", "/v1/oauth/x", bad, 404),
        (PLAIN, "POST", "/v1/files", bad, 400),
        (FIRST, "POST", "/v1/messages", bad, 400),
    ];
    for (key, method, target, body, status) in table {
        let answer = stage
            .call(method, target, &[("x-api-key", key)], body)
            .await;
        assert_eq!(
            answer.status,
            status,
            "{key} {method} {target}: {}",
            answer.text()
        );
    }
    assert_eq!(stage.reached(), [0]);
}

/// What the parser refuses has no envelope; what it lets pass is nobody's 5xx.
#[tokio::test]
async fn hostile_http() {
    let stage = Stage::new();
    let many = (0..500)
        .map(|n| format!("x-{n}: y\r\n"))
        .collect::<String>();
    let post = format!("POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: {FIRST}\r\n");
    let table = [
        ("a flood of headers", format!("{post}{many}\r\n")),
        (
            "a long header",
            format!("{post}x-long: {}\r\n\r\n", "y".repeat(300 * KIB)),
        ),
        (
            "a long target",
            format!(
                "GET /v1/{} HTTP/1.1\r\nhost: x\r\n\r\n",
                "y".repeat(300 * KIB)
            ),
        ),
        (
            "an HTTP/2 preface",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(),
        ),
        ("HTTP/0.9", "GET /\r\n\r\n".into()),
        ("HTTP/3.0", "GET / HTTP/3.0\r\nhost: x\r\n\r\n".into()),
        ("TLS", "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\r\n\r\n".into()),
        ("not HTTP", "\r\n\r\n\0\0\0\r\n\r\n".into()),
        (
            "a space in a name",
            "GET / HTTP/1.1\r\nho st: x\r\n\r\n".into(),
        ),
        ("a NUL", "GET / HTTP/1.1\r\nhost: x\r\na: \0\r\n\r\n".into()),
        (
            "two lengths",
            format!("{post}content-length: 2\r\ncontent-length: 3\r\n\r\n{{}}"),
        ),
        (
            "a negative length",
            format!("{post}content-length: -2\r\n\r\n{{}}"),
        ),
        (
            "an endless length",
            format!("{post}content-length: 99999999999999999999999\r\n\r\n"),
        ),
        (
            "both framings",
            format!("{post}content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
        ),
        (
            "no chunk",
            format!("{post}transfer-encoding: chunked\r\n\r\nxyz\r\n"),
        ),
        (
            "a huge chunk",
            format!("{post}transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n"),
        ),
        (
            "another coding",
            format!("{post}transfer-encoding: gzip\r\n\r\n"),
        ),
        (
            "an unknown expectation",
            format!("{post}expect: a-miracle\r\ncontent-length: 2\r\n\r\n{{}}"),
        ),
    ];
    for (name, wire) in table {
        let mut client = stage.client().await;
        client.send(wire.as_bytes()).await;
        client.finish_sending().await;
        let answer = client.answer().await;
        let refused = answer.status < 500 && !(200..400).contains(&answer.status);
        assert!(refused, "{name}: {} {}", answer.status, answer.text());
    }
    assert_eq!(stage.reached(), [0]);
    assert_eq!(stage.post(message()).await.status, 200);
}

/// A head that does not come to its end is not waited for.
#[tokio::test]
async fn a_slow_head() {
    let stage = Stage::new();
    let mut client = stage.client().await;
    client
        .send(b"POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api")
        .await;
    let answer = client.answer().await;
    assert_eq!(answer.status, 408);
    assert!(client.is_closed().await);
}

/// Bad requests leave nothing behind.
#[tokio::test]
async fn bad_requests_cost_no_memory() {
    let stage = Stage::configured(SMALL);
    let large = " ".repeat(65 * KIB);
    let mut before = 0;
    for round in 0..40 {
        if round == 10 {
            before = stage.memory_kib().await;
        }
        for (body, _) in bad_bodies().iter().take(7) {
            stage.post(body).await;
        }
        stage.post(&large).await;
        stage.get(&format!("/v1/{}", "x/".repeat(500))).await;
        stage.raw(&vec![b'x'; 200 * KIB]).await;
    }
    let grown = stage.memory_kib().await.saturating_sub(before);
    assert!(grown < 8 * 1024, "{grown} KiB for 300 bad requests");
}

/// Memory is counted for what has arrived: a client that only says how much it will send takes nobody's place.
#[tokio::test]
async fn a_declared_length_takes_no_memory() {
    const LIMIT: usize = 1024 * KIB;
    let stage = Stage::configured(
        "server: { bind: \"BIND\", threads: 1, body_limit: 1MiB, bodies_in_memory: 1MiB }",
    );
    let length = LIMIT.to_string();
    let mut idle = Vec::new();
    for _ in 0..8 {
        let headers = [("x-api-key", FIRST), ("content-length", &*length)];
        let mut client = stage.client().await;
        client.send(&head("POST", "/v1/messages", &headers)).await;
        client.send(b"{").await;
        idle.push(client);
    }
    assert_eq!(stage.post(message()).await.status, 200);
    let rest = message().replacen("Hello", &"x".repeat(LIMIT - message().len() + 5), 1);
    assert_eq!(stage.post(rest).await.status, 503, "beside eight others");
    drop(idle);
}
