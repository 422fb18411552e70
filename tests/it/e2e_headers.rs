//! Which headers pass the gateway, in either direction, and which are its own.

use troupe_mock::Scenario;

use crate::gateway::{FIRST, Stage, message, request, stream};

#[tokio::test]
async fn open_headers_go_up_byte_for_byte() {
    let stage = Stage::new();
    let sent = [
        ("anthropic-version", "2023-06-01"),
        ("anthropic-beta", "a-2024-01-01,b-2025-02-02, c"),
        ("anthropic-beta", "second-line"),
        ("Anthropic-Dangerous-Direct-Browser-Access", "true"),
        (
            "anthropic-next-month",
            "q=\"1;\t2\" \u{17e}lu\u{165}; A=b,,c",
        ),
        ("x-stainless-retry-count", "0"),
        ("x-claude-code-session-id", "s-1"),
        ("user-agent", "agent/1.0 (x)"),
        ("accept", "application/json"),
        ("content-type", "application/json; charset=utf-8"),
        ("idempotency-key", "k"),
        (
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ),
    ];
    assert_eq!(
        stage
            .call("POST", "/v1/messages", &sent, message())
            .await
            .status,
        200
    );
    let entry = stage.mock().journal().last().unwrap();
    for (name, _) in sent {
        let expected: Vec<_> = sent.iter().filter(|(n, _)| *n == name).collect();
        let got: Vec<_> = entry.headers_named(name).collect();
        let expected: Vec<_> = expected.iter().map(|(_, value)| *value).collect();
        assert_eq!(got, expected, "{name}");
    }
}

/// Each of these with its request; the value is looked for in everything that went up.
#[tokio::test]
async fn hostile_headers_never_go_up() {
    let stage = Stage::new();
    let table: &[(&[(&str, &str)], &str)] = &[
        (&[("cookie", "a=HOSTILE")], "cookie"),
        (&[("x-forwarded-for", "HOSTILE")], "x-forwarded-for"),
        (&[("x-forwarded-host", "HOSTILE")], "x-forwarded-host"),
        (
            &[("X-Forwarded-Anything", "HOSTILE")],
            "x-forwarded-anything",
        ),
        (&[("forwarded", "for=HOSTILE")], "forwarded"),
        (
            &[("proxy-authorization", "Basic HOSTILE")],
            "proxy-authorization",
        ),
        (&[("proxy-connection", "HOSTILE")], "proxy-connection"),
        (&[("x-troupe-key", "HOSTILE")], "x-troupe-key"),
        (&[("x-troupe-anything", "HOSTILE")], "x-troupe-anything"),
        (&[("te", "trailers, HOSTILE")], "te"),
        (&[("trailer", "HOSTILE")], "trailer"),
        (&[("keep-alive", "timeout=HOSTILE")], "keep-alive"),
        (&[("connection", "x-hop"), ("x-hop", "HOSTILE")], "x-hop"),
        (
            &[
                ("connection", "keep-alive, Anthropic-Version"),
                ("anthropic-version", "HOSTILE"),
            ],
            "anthropic-version",
        ),
        (
            &[("authorization", "Basic HOSTILE"), ("x-api-key", FIRST)],
            "authorization",
        ),
        (&[("accept-encoding", "gzip, br, HOSTILE")], "HOSTILE"),
    ];
    for (headers, name) in table {
        let answer = stage.call("POST", "/v1/messages", headers, message()).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        let entry = stage.mock().journal().last().unwrap();
        assert_eq!(entry.header(name), None, "{name}");
        for (found, value) in &entry.headers {
            let value = String::from_utf8_lossy(value);
            assert!(!value.contains("HOSTILE"), "{name} in {found:?}");
        }
        assert_eq!(
            entry.headers_named("accept-encoding").collect::<Vec<_>>(),
            ["identity"]
        );
    }
}

#[tokio::test]
async fn the_user_agent_is_the_clients_or_our_own() {
    let stage = Stage::new();
    for (headers, expected) in [
        (&[("user-agent", "curl/9")][..], "curl/9"),
        (&[], concat!("troupe/", env!("CARGO_PKG_VERSION"))),
    ] {
        stage.call("POST", "/v1/messages", headers, message()).await;
        let entry = stage.mock().journal().last().unwrap();
        assert_eq!(
            entry.headers_named("user-agent").collect::<Vec<_>>(),
            [expected]
        );
        let host = stage.mock().address().to_string();
        assert_eq!(entry.headers_named("host").collect::<Vec<_>>(), [&*host]);
    }
}

fn hostile() -> Vec<(String, String)> {
    let pairs = [
        ("set-cookie", "session=HOSTILE"),
        ("alt-svc", "h3=\":443\"; HOSTILE"),
        ("strict-transport-security", "max-age=1; HOSTILE"),
        ("anthropic-ratelimit-unified-5h-utilization", "HOSTILE"),
        ("anthropic-ratelimit-next-month", "HOSTILE"),
        ("connection", "x-hop"),
        ("x-hop", "HOSTILE"),
        ("proxy-authenticate", "HOSTILE"),
        ("keep-alive", "timeout=HOSTILE"),
        ("x-troupe-upstream-request-id", "HOSTILE"),
        ("server-timing", "HOSTILE"),
        ("x-kept", "kept"),
        ("anthropic-next-month", "kept"),
        ("x-should-retry", "true"),
    ];
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    pairs.into_iter().map(owned).collect()
}

/// The account's own headers never come down, whatever the answer.
#[tokio::test]
async fn the_accounts_headers_never_come_down() {
    for (status, ask) in [
        (None, message()),
        (None, stream()),
        (Some(400), message()),
        (Some(429), message()),
        (Some(529), stream()),
    ] {
        let stage = Stage::new();
        let scenario = Scenario {
            status,
            headers: hostile(),
            ..Scenario::default()
        };
        // An overload is tried again.
        stage.mock().script(std::iter::repeat_n(scenario, 3));
        let answer = stage.post(ask).await;
        assert_eq!(answer.status, status.unwrap_or(200));
        for (name, value) in &answer.headers {
            assert!(
                !value.contains("HOSTILE") && name != "x-hop",
                "{name}: {value}"
            );
            let never =
                name.starts_with("anthropic-ratelimit-") || name == "anthropic-organization-id";
            assert!(!never, "{name}: {value}");
        }
        for name in ["x-kept", "anthropic-next-month"] {
            assert_eq!(answer.header(name), Some("kept"), "{name} of {status:?}");
        }
        assert_eq!(answer.header("x-should-retry"), Some("true"));
        let theirs = answer.header("x-troupe-upstream-request-id").unwrap();
        assert!(theirs.starts_with("req_mock"), "{theirs}");
        assert_ne!(answer.header("request-id"), Some(theirs));
        let framings = ["content-length", "transfer-encoding"];
        assert_eq!(
            framings
                .iter()
                .filter_map(|name| answer.header(name))
                .count(),
            1
        );
    }
}

/// `request-id` and `server-timing` stand on every answer and are never the client's.
#[tokio::test]
async fn every_answer_is_marked_by_the_gateway() {
    let stage = Stage::new();
    let key = ("x-api-key", FIRST);
    let mut seen = Vec::new();
    for (method, target, headers, body, status) in [
        ("POST", "/v1/messages", &[key][..], message(), 200),
        ("POST", "/v1/messages", &[key], stream(), 200),
        ("POST", "/v1/messages", &[key], "{".to_owned(), 400),
        ("POST", "/v1/messages", &[], message(), 401),
        ("POST", "/v1/messages/count_tokens", &[key], message(), 200),
        ("GET", "/v1/messages", &[key], String::new(), 405),
        ("GET", "/v1/models", &[key], String::new(), 200),
        ("GET", "/v1/models/none", &[key], String::new(), 404),
        ("GET", "/v1/files", &[key], String::new(), 403),
        ("GET", "/v1/oauth/x", &[key], String::new(), 404),
        ("GET", "/nowhere", &[], String::new(), 404),
        ("GET", "/healthz", &[], String::new(), 200),
        ("GET", "/readyz", &[], String::new(), 200),
        ("GET", "/metrics", &[], String::new(), 200),
        ("GET", "/", &[], String::new(), 302),
        ("GET", "/api/hello", &[], String::new(), 200),
    ] {
        let mut all = headers.to_vec();
        all.extend([("request-id", "req_client"), ("x-request-id", "req_client")]);
        let answer = stage
            .raw(&request(method, target, &all, body.as_bytes()))
            .await;
        assert_eq!(answer.status, status, "{target}: {}", answer.text());
        let ids: Vec<_> = answer
            .headers
            .iter()
            .filter(|(name, _)| name == "request-id")
            .collect();
        assert_eq!(ids.len(), 1, "{target}");
        let id = ids[0].1.clone();
        assert!(
            id.starts_with("req_01") && !seen.contains(&id),
            "{target}: {id}"
        );
        if status >= 400 {
            assert_eq!(answer.json()["request_id"], *id, "{target}");
        }
        seen.push(id);
        let timing = answer.header("server-timing").unwrap_or_default();
        let parts: Vec<_> = timing
            .split(", ")
            .filter_map(|part| part.split_once(";dur="))
            .collect();
        assert_eq!(parts.len(), 2, "{target}: {timing}");
        assert!(
            parts.iter().all(|(_, ms)| ms.parse::<f64>().is_ok()),
            "{timing}"
        );
        assert_eq!((parts[0].0, parts[1].0), ("gateway", "upstream"));
    }
}

#[tokio::test]
async fn a_redirect_is_neither_followed_nor_relayed() {
    let elsewhere = Stage::new();
    for status in [301, 302, 307, 308] {
        let stage = Stage::new();
        let location = format!("{}/v1/messages", elsewhere.mock().url());
        stage.mock().script([Scenario {
            headers: vec![("location".into(), location)],
            ..Scenario::status(status)
        }]);
        let answer = stage.post(message()).await;
        assert_eq!((answer.status, &*answer.error_type()), (502, "api_error"));
        assert_eq!(answer.header("location"), None);
        assert_eq!((stage.reached(), elsewhere.reached()), (vec![1], vec![0]));
    }
}
