//! The bytes of requests and of whole answers are the same on both sides of the gateway.

use std::io::Write;

use troupe_mock::Scenario;

use crate::gateway::{Account, Canned, Setup, Stage, message, stream};

const KIB: usize = 1024;

/// A Messages body with `more` members in front and a text of `bytes`.
fn body(more: &str, bytes: usize) -> String {
    let text = "lorem ipsum ".repeat(bytes / 12 + 1);
    format!(
        r#"{{{more}"model":"claude-sonnet-5","max_tokens":100,"messages":[{{"role":"user","content":"{}"}}]}}"#,
        &text[..bytes]
    )
}

/// What no parser may touch: each body reaches the upstream as it is.
fn bodies() -> Vec<(&'static str, String)> {
    let plain = message();
    vec![
        ("small", plain.clone()),
        ("1.2 KiB", body("", 1_228)),
        ("115 KiB", body("", 115 * KIB)),
        ("2 MiB", body("", 2 * KIB * KIB)),
        (
            "unknown fields",
            body(r#""next_month":{"a":[1,{"b":null}]},"x":0,"#, 10),
        ),
        (
            "duplicate keys",
            body(r#""x":1,"x":{"y":2,"y":3},"x":[],"#, 10),
        ),
        (
            "big numbers",
            body(
                r#""n":123456789012345678901234567890,"f":1.0,"e":-1E+400,"z":-0,"#,
                10,
            ),
        ),
        (
            "lone surrogates",
            body(r#""s":"\ud800","t":"x\udfff\u0000y","#, 10),
        ),
        ("escapes", body(r#""a":"\u0041\/\b\f","\u0062":"\"","#, 10)),
        ("non-ASCII", body(r#""s":"žluťoučký 漢字 🎭","#, 10)),
        (
            "white space",
            format!("\r\n\t {} \n\n", plain.replace(',', " ,\r\n\t\t")),
        ),
        (
            "escaped name of the model",
            plain.replace(r#""model""#, r#""m\u006fdel""#),
        ),
        (
            "the same model twice",
            body(r#""model":"claude-sonnet-5","#, 10),
        ),
        (
            "deep",
            body(
                &format!(r#""d":{}{},"#, "[".repeat(2_000), "]".repeat(2_000)),
                10,
            ),
        ),
    ]
}

#[tokio::test]
async fn a_request_goes_up_as_it_is() {
    let stage = Stage::new();
    for path in ["/v1/messages", "/v1/messages/count_tokens"] {
        for (name, body) in bodies() {
            let answer = stage.call("POST", path, &[], &body).await;
            assert_eq!(answer.status, 200, "{path} {name}: {}", answer.text());
            let entry = stage.mock().journal().last().unwrap();
            assert!(entry.body == body.as_bytes(), "{path} {name} was changed");
        }
    }
}

/// Chunked and in small pieces: the framing is the gateway's, the bytes are the client's.
#[tokio::test]
async fn the_framing_of_a_request_is_our_own() {
    let stage = Stage::new();
    let body = body("", 3 * KIB);
    let mut wire = crate::gateway::head(
        "POST",
        "/v1/messages",
        &[
            ("x-api-key", crate::gateway::FIRST),
            ("transfer-encoding", "chunked"),
        ],
    );
    for piece in body.as_bytes().chunks(700) {
        write!(wire, "{:x};note=1\r\n", piece.len()).unwrap();
        wire.extend_from_slice(piece);
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b"0\r\n\r\n");
    let mut client = stage.client().await;
    client.send_in_pieces(&wire, 100).await;
    assert_eq!(client.answer().await.status, 200);
    let entry = stage.mock().journal().last().unwrap();
    assert!(entry.body == body.as_bytes());
    assert_eq!(
        entry.header("content-length"),
        Some(&*body.len().to_string())
    );
    assert_eq!(entry.header("transfer-encoding"), None);
}

#[tokio::test]
async fn the_path_and_the_query_go_up_as_they_are() {
    let stage = Stage::new();
    let table = [
        ("/v1/messages?beta=true", "/v1/messages?beta=true"),
        (
            "/v1/messages?a=%2F%00&b=x+y&&c;d=",
            "/v1/messages?a=%2F%00&b=x+y&&c;d=",
        ),
        ("/v1/messages?", "/v1/messages?"),
        ("/v1/v1/messages?beta=true", "/v1/messages?beta=true"),
        ("/%76%31/messages?x=%20", "/v1/messages?x=%20"),
    ];
    for (sent, expected) in table {
        let answer = stage.call("POST", sent, &[], message()).await;
        assert_eq!(answer.status, 200, "{sent}: {}", answer.text());
        assert_eq!(stage.mock().journal().last().unwrap().target, expected);
    }
}

#[tokio::test]
async fn a_base_url_keeps_its_prefix() {
    let stage = Stage::new();
    let url = stage.mock().url();
    let behind = Stage::start(Setup {
        mocks: Some(0),
        accounts: vec![Account::at(format!("{url}/some/prefix/"))],
        ..Setup::default()
    });
    stage.mock().script([Scenario {
        path: Some("/some/prefix/v1/messages".into()),
        ..Scenario::text("hi")
    }]);
    behind
        .call("POST", "/v1/messages?beta=true", &[], message())
        .await;
    let entry = stage.mock().journal().last().unwrap();
    assert_eq!(entry.target, "/some/prefix/v1/messages?beta=true");
}

/// JSON answers come down as they are, with a length or without.
#[tokio::test]
async fn a_json_answer_comes_down_as_it_is() {
    use troupe_mock::Framing::{Auto, Chunked, ContentLength};
    let stage = Stage::new();
    let odd = "{ \"id\" : \"msg_1\",\r\n\t\"n\":12345678901234567890123,\"s\":\"\\ud800\",\"é\":1,\"é\":2 } \n";
    let long = format!("{{\"text\":\"{}\"}}", "y".repeat(3 * KIB * KIB));
    for framing in [Auto, Chunked, ContentLength] {
        for text in [odd, &long, "no JSON at all", "[]", ""] {
            stage.mock().script([Scenario {
                body: Some(text.to_owned()),
                framing,
                ..Scenario::default()
            }]);
            let answer = stage.post(message()).await;
            assert_eq!(answer.status, 200);
            assert!(
                answer.whole && answer.body == text.as_bytes(),
                "{framing:?}"
            );
        }
    }
    stage
        .until_metric("status=\"200\",outcome=\"completed\"} 15")
        .await;
}

#[tokio::test]
async fn a_stream_may_be_answered_with_json() {
    let stage = Stage::new();
    stage
        .mock()
        .script([Scenario::named("json_for_stream").unwrap()]);
    let answer = stage.post(stream()).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.json()["type"], "message");
}

#[tokio::test]
async fn an_alias_changes_the_value_of_the_model_alone() {
    let alias = "models: { aliases: { fast: claude-haiku-4-5 } }";
    let stage = Stage::configured(alias);
    let sent = r#"{ "x":1.0, "model" :  "fast" ,"x":2,"max_tokens":9,"messages":[{"role":"user","content":"fast \ud800"}]}"#;
    assert_eq!(stage.post(sent).await.status, 200);
    let expected = sent.replace(r#""fast" "#, r#""claude-haiku-4-5" "#);
    assert_eq!(
        stage.mock().journal().last().unwrap().body,
        expected.as_bytes()
    );

    let stage = Stage::start(Setup {
        sections: alias.to_owned(),
        account: ", models: { claude-haiku-4-5: vendor/haiku }".to_owned(),
        ..Setup::default()
    });
    for name in ["fast", "claude-haiku-4-5"] {
        assert_eq!(
            stage
                .post(sent.replace("\"fast\" ", &format!("\"{name}\" ")))
                .await
                .status,
            200
        );
        let expected = sent.replace(r#""fast" "#, r#""vendor/haiku" "#);
        assert_eq!(
            stage.mock().journal().last().unwrap().body,
            expected.as_bytes(),
            "{name}"
        );
    }
}

/// An answer that comes encoded although none was asked for is decoded, whatever its kind.
#[tokio::test]
async fn an_encoded_answer_is_decoded() {
    let events = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\"}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
    let json = "{\"type\":\"message\",\"content\":[]}";
    let table = [
        (200, "application/json", json, message()),
        (200, "text/event-stream", events, stream()),
        (400, "application/json", "{\"type\":\"error\"}", message()),
    ];
    for (status, kind, text, ask) in table {
        let mut coder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        coder.write_all(text.as_bytes()).unwrap();
        let packed = coder.finish().unwrap();
        let mut wire = format!(
            "HTTP/1.1 {status} Said\r\ncontent-type: {kind}\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
            packed.len()
        )
        .into_bytes();
        wire.extend_from_slice(&packed);
        let stage = Stage::start(Setup {
            mocks: Some(0),
            accounts: vec![Account::at(Canned::start(wire).url())],
            ..Setup::default()
        });
        let answer = stage.post(ask).await;
        assert_eq!(answer.status, status, "{kind}");
        assert_eq!(answer.header("content-encoding"), None);
        assert_eq!(answer.text(), text);
    }
}
