//! What the mock answers when nothing goes wrong.

use serde_json::{Value, json};
use troupe_mock::{Answer, Mock, MockConfig, Scenario};

use crate::client::{ask, call, mock, request, stream};

#[tokio::test]
async fn json_and_stream_carry_the_same_message() {
    let server = mock().await;
    let json = call(&server, &ask(json!({}))).await;
    assert_eq!((json.status, json.complete), (200, true));
    for header in [
        "request-id: req_mock",
        "anthropic-organization-id: ",
        "-unified-5h-status: ",
    ] {
        assert!(json.head.contains(header), "{header}");
    }
    let message = json.json();
    let text = message["content"][0]["text"].as_str().unwrap().to_owned();
    assert!(text.contains("scripted answer") && text.contains("Hello"));
    assert_eq!(message["stop_reason"], "end_turn");

    let stream = call(&server, &stream()).await;
    assert!(stream.complete && stream.head.contains("text/event-stream"));
    let events = stream.events();
    assert_eq!(
        events[..3],
        ["message_start", "content_block_start", "ping"]
    );
    assert_eq!(events.last().unwrap(), "message_stop");
    let deltas = stream.text();
    let deltas = deltas.lines().filter_map(|line| {
        let data: Value = serde_json::from_str(line.strip_prefix("data: ")?).unwrap();
        Some(data["delta"]["text"].as_str()?.to_owned())
    });
    assert_eq!(deltas.collect::<String>(), text);
}

#[tokio::test]
async fn the_journal_keeps_the_bytes_and_the_order_of_headers() {
    let server = mock().await;
    let body = "{\"model\":\"m\", \"max_tokens\":5,\"x\":\"\\ud800\",\"messages\":[1] }";
    let text = request(
        "POST",
        "/v1/messages?a=b",
        "X-B: 1\r\nx-a:  2 \r\nX-B: 3\r\n",
        body,
    );
    assert_eq!(call(&server, &text).await.status, 200);
    let entry = server.journal().last().unwrap();
    assert_eq!((entry.path(), entry.query()), ("/v1/messages", Some("a=b")));
    assert_eq!(entry.body, body.as_bytes());
    let names: Vec<_> = entry.headers.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(
        names,
        ["host", "connection", "X-B", "x-a", "X-B", "content-length"]
    );
    assert_eq!(entry.headers_named("x-b").collect::<Vec<_>>(), ["1", "3"]);
    assert_eq!(entry.header("x-a"), Some("2"));
    assert_eq!(entry.status, Some(200));
}

#[tokio::test]
async fn connections_are_kept_and_chunked_bodies_are_read() {
    let server = mock().await;
    let body = "{\"model\":\"m\",\"max_tokens\":5,\"messages\":[1]}";
    let chunked = format!(
        "POST /v1/messages HTTP/1.1\r\nexpect: 100-continue\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{}\r\n{:x};x=y\r\n{}\r\n0\r\ntrailer: x\r\n\r\n",
        &body[..5],
        body.len() - 5,
        &body[5..]
    );
    let got = call(
        &server,
        &format!("{chunked}{}", request("GET", "/v1/models", "", "")),
    )
    .await;
    assert_eq!(got.status, 100);
    let entries = server.journal().entries();
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[0].body, body);
    assert_eq!(entries[0].connection, entries[1].connection);
}

#[tokio::test]
async fn refuses_what_the_service_would() {
    let config = MockConfig {
        require_keys: vec!["secret".into()],
        ..Default::default()
    };
    let server = Mock::start(config).await.unwrap();
    let with = |headers: &str, body: &str| request("POST", "/v1/messages", headers, body);
    let key = "x-api-key: secret\r\n";
    let good = "{\"model\":\"m\",\"max_tokens\":5,\"messages\":[1]}";
    for (text, status, kind) in [
        (with("", good), 401, "authentication_error"),
        (
            with("x-api-key: wrong\r\n", good),
            401,
            "authentication_error",
        ),
        (with(key, "{"), 400, "invalid_request_error"),
        (
            with(key, "{\"model\":\"m\",\"messages\":[1]}"),
            400,
            "invalid_request_error",
        ),
        (
            request("GET", "/v1/nothing", key, ""),
            404,
            "not_found_error",
        ),
        (
            request("GET", "/v1/messages", key, ""),
            405,
            "invalid_request_error",
        ),
        (
            with("x-api-key: secret\r\nx-mock-scenario: nonsense\r\n", good),
            400,
            "invalid_request_error",
        ),
    ] {
        let got = call(&server, &text).await;
        assert_eq!(
            (got.status, got.json()["error"]["type"].as_str()),
            (status, Some(kind))
        );
    }
    for headers in [key, "authorization: bearer secret\r\n"] {
        assert_eq!(call(&server, &with(headers, good)).await.status, 200);
    }
}

#[tokio::test]
async fn tools_thinking_and_the_token_limit_follow_the_request() {
    let server = mock().await;
    let tools = json!([{"name": "add", "input_schema": {"type": "object",
        "properties": {"a": {"type": "integer"}}}}]);
    let got = call(
        &server,
        &ask(json!({"tools": tools, "tool_choice": {"type": "any"}})),
    )
    .await;
    let message = got.json();
    assert_eq!(message["stop_reason"], "tool_use");
    assert_eq!(message["content"][0]["name"], "add");
    assert_eq!(message["content"][0]["input"], json!({"a": 7}));

    let thinking = json!({"thinking": {"type": "enabled", "budget_tokens": 1024}});
    let message = call(&server, &ask(thinking)).await.json();
    assert_eq!(message["content"][0]["type"], "thinking");
    let message = call(&server, &ask(json!({"max_tokens": 3}))).await.json();
    assert_eq!(message["stop_reason"], "max_tokens");
    assert_eq!(message["content"][0]["text"].as_str().unwrap().len(), 12);
    assert_eq!(message["usage"]["output_tokens"], 3);
}

#[tokio::test]
async fn every_way_to_name_a_scenario() {
    let server = mock().await;
    let text = |text: &str| json!({"messages": [{"role": "user", "content": [{"type": "text", "text": text}]}]});
    for (more, status) in [
        (json!({"model": "claude-mock:status_418"}), 418),
        (json!({"metadata": {"user_id": "mock:overloaded"}}), 529),
        (text("please [[mock:rate_limited]] now"), 429),
        (
            text(
                "[[mock:{\"name\":\"rate_limited\",\"status\":503,\"headers\":[[\"x\",\"]]\"]]}]]",
            ),
            503,
        ),
    ] {
        assert_eq!(call(&server, &ask(more)).await.status, status);
    }
    let body = "{\"model\":\"m\",\"max_tokens\":5,\"messages\":[1]}";
    let header = "x-mock-scenario: {\"status\": 402}\r\n";
    let named = request("POST", "/v1/messages", header, body);
    server.script([
        Scenario::status(403),
        Answer {
            path: Some("/v1/models".into()),
            ..Scenario::status(500)
        },
    ]);
    let models = request("GET", "/v1/models", "", "");
    for (request, status) in [(&models, 500), (&named, 403), (&named, 402), (&models, 200)] {
        assert_eq!(call(&server, request).await.status, status);
    }
}

#[tokio::test]
async fn resources_and_counts() {
    let server = mock().await;
    let created = call(&server, &request("POST", "/v1/files", "", "content"))
        .await
        .json();
    let id = created["id"].as_str().unwrap();
    assert!(id.starts_with("file_"));
    let path = format!("/v1/files/{id}");
    assert_eq!(
        call(&server, &request("GET", &path, "", "")).await.json(),
        created
    );
    let content = call(&server, &request("GET", &format!("{path}/content"), "", "")).await;
    assert_eq!(content.text(), "content");
    let batch = call(&server, &request("POST", "/v1/messages/batches", "", "{}"))
        .await
        .json();
    assert!(batch["id"].as_str().unwrap().starts_with("msgbatch_"));
    let list = call(&server, &request("GET", "/v1/files", "", ""))
        .await
        .json();
    assert_eq!(
        (list["data"].as_array().unwrap().len(), &list["first_id"]),
        (1, &created["id"])
    );
    assert_eq!(
        call(&server, &request("DELETE", &path, "", ""))
            .await
            .status,
        200
    );
    assert_eq!(
        call(&server, &request("GET", &path, "", "")).await.status,
        404
    );
    let body = "{\"model\":\"m\",\"messages\":[1]}";
    let count = call(
        &server,
        &request("POST", "/v1/messages/count_tokens", "", body),
    )
    .await;
    assert_eq!(count.json(), json!({"input_tokens": 7}));
    let page = call(&server, &request("GET", "/v1/models?limit=2", "", ""))
        .await
        .json();
    assert_eq!(
        (page["data"].as_array().unwrap().len(), &page["has_more"]),
        (2, &json!(true))
    );
    let head = call(&server, &request("HEAD", "/api/hello", "", "")).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
}

#[tokio::test]
async fn scripts_and_journal_over_http() {
    let server = mock().await;
    let script = json!(["overloaded", {"name": "rate_limited", "message": "slowly"}]).to_string();
    let pushed = call(&server, &request("POST", "/__mock/script", "", &script)).await;
    assert_eq!(pushed.json(), json!({"scripted": 2}));
    assert_eq!(call(&server, &stream()).await.status, 529);
    let limited = call(&server, &stream()).await;
    assert_eq!(limited.json()["error"]["message"], "slowly");
    assert!(limited.head.contains("retry-after: 2\r\n"));
    let journal = call(&server, &request("GET", "/__mock/journal", "", ""))
        .await
        .json();
    let entries = journal["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[0]["scenario"], "overloaded");
    assert!(entries[1]["body"].as_str().unwrap().contains("Hello"));
    call(&server, &request("DELETE", "/__mock/journal", "", "")).await;
    assert!(server.journal().is_empty());
    let misspelt = request("POST", "/__mock/script", "", "{\"statuss\": 500}");
    assert_eq!(call(&server, &misspelt).await.status, 400);
}
