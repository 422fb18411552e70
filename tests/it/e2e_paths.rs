//! Paths and methods: what they lead to, with a key and without one.

use crate::gateway::{FIRST, Stage, message, request};

/// Target, status with a key, status without one. Nothing here goes up.
#[tokio::test]
async fn refused_paths() {
    let stage = Stage::new();
    let table = [
        ("/v1/../admin", 404, 401),
        ("/v1/%2e%2e/admin", 404, 401),
        ("/v1/..%2fadmin", 404, 401),
        ("/v1/%252e%252e/admin", 404, 401),
        ("/v1/./messages", 404, 401),
        ("/v1//messages", 404, 401),
        ("/v1/messages//x", 404, 401),
        ("/v1/files%2fx", 404, 401),
        ("/v1/files%2Fx", 404, 401),
        ("/v1/files%5cx", 404, 401),
        ("/v1/files%00", 404, 401),
        ("/v1/files%0a", 404, 401),
        ("/v1/files%3fx", 404, 401),
        ("/v1/files%", 404, 401),
        ("/v1/files%zz", 404, 401),
        ("/v1/files%ff", 404, 401),
        ("/v1/..;/admin", 404, 401),
        ("/v1", 404, 401),
        ("/v1/", 404, 401),
        ("/v1/organizations", 404, 401),
        ("/v1/organizations/x", 404, 401),
        ("/v1/organizations/x/api_keys?limit=1", 404, 401),
        ("/v1/%6frganizations/x", 404, 401),
        ("/v1/v1/organizations/x", 404, 401),
        ("/v1/oauth/token", 404, 401),
        ("/v1/messages/", 404, 401),
        ("/v1/models/", 404, 401),
        ("/v1/messages/count_tokens/", 404, 401),
        ("//v1/messages", 404, 404),
        ("/../v1/messages", 404, 404),
        ("/%2e%2e/v1/messages", 404, 404),
        ("/v2/messages", 404, 404),
        ("/V1/messages", 404, 404),
        ("/v1x", 404, 404),
        ("/nowhere", 404, 404),
        ("/%00", 404, 404),
        ("/admin/../v1/messages", 404, 404),
        ("/healthz/x", 404, 404),
    ];
    for (target, with_key, without) in table {
        for method in ["GET", "POST"] {
            let answer = stage.call(method, target, &[], "").await;
            let told = (answer.status, answer.error_type());
            assert_eq!(
                told,
                (with_key, "not_found_error".into()),
                "{method} {target}"
            );
            let answer = stage.raw(&request(method, target, &[], b"")).await;
            assert_eq!(answer.status, without, "{method} {target} without a key");
        }
    }
    assert_eq!(stage.reached(), [0]);
}

/// Methods that a path does not take, and the header that says which it takes.
#[tokio::test]
async fn wrong_methods() {
    let stage = Stage::new();
    let table = [
        ("GET", "/v1/messages", "POST"),
        ("HEAD", "/v1/messages", "POST"),
        ("OPTIONS", "/v1/messages", "POST"),
        ("DELETE", "/v1/messages?beta=true", "POST"),
        ("PATCH", "/v1/v1/messages", "POST"),
        ("TRACE", "/v1/messages", "POST"),
        ("BREW", "/v1/messages", "POST"),
        ("GET", "/v1/messages/count_tokens", "POST"),
        ("POST", "/v1/models", "GET, HEAD"),
        ("DELETE", "/v1/models/claude-sonnet-5", "GET, HEAD"),
        ("POST", "/", "GET, HEAD"),
        ("PUT", "/healthz", "GET, HEAD"),
        ("POST", "/readyz", "GET, HEAD"),
        ("POST", "/metrics", "GET, HEAD"),
        ("DELETE", "/api/hello", "GET, HEAD"),
    ];
    for (method, target, allow) in table {
        let mut client = stage.client().await;
        client
            .send(&request(method, target, &[("x-api-key", FIRST)], b""))
            .await;
        let answer = client.head().await;
        assert_eq!(answer.status, 405, "{method} {target}");
        assert_eq!(answer.header("allow"), Some(allow), "{method} {target}");
    }
    assert_eq!(stage.reached(), [0]);
}

/// CONNECT, TRACE and upgrades never become a request upstream, whatever the key may call.
#[tokio::test]
async fn tunnels_and_upgrades_are_never_relayed() {
    let stage = Stage::new();
    let key = ("x-api-key", FIRST);
    let upgrade = [key, ("connection", "upgrade"), ("upgrade", "websocket")];
    for (method, target, headers) in [
        ("CONNECT", "example.org:443", &[key][..]),
        ("CONNECT", "/v1/files", &[key]),
        ("TRACE", "/v1/files", &[key]),
        ("OPTIONS", "*", &[key]),
        ("GET", "/v1/realtime", &upgrade),
    ] {
        let answer = stage.raw(&request(method, target, headers, b"")).await;
        assert!(
            (400..500).contains(&answer.status),
            "{method} {target}: {}",
            answer.status
        );
    }
    assert_eq!(stage.reached(), [0]);
}

/// What answers without a credential.
#[tokio::test]
async fn open_doors() {
    let stage = Stage::new();
    for (method, target, status) in [
        ("HEAD", "/", 200),
        ("HEAD", "/api/hello", 200),
        ("GET", "/api/hello", 200),
        ("GET", "/", 302),
        ("GET", "/healthz", 200),
        ("HEAD", "/healthz", 200),
        ("GET", "/health", 200),
        ("GET", "/readyz", 200),
        ("GET", "/metrics", 200),
    ] {
        let mut client = stage.client().await;
        client.send(&request(method, target, &[], b"")).await;
        let mut answer = client.head().await;
        assert_eq!(answer.status, status, "{method} {target}");
        if method == "GET" {
            client.rest(&mut answer).await;
            let empty = matches!(target, "/" | "/api/hello");
            assert_eq!(answer.body.is_empty(), empty, "{target}");
        }
        // The connection carries the next request: nothing of a body followed a HEAD.
        client.send(&request("GET", "/healthz", &[], b"")).await;
        assert_eq!(client.answer().await.status, 200, "after {method} {target}");
    }
    let answer = stage.get("/").await;
    assert_eq!(answer.header("location"), Some("/admin"));
}

/// Metrics are for this machine, not for whom a proxy on it speaks for.
#[tokio::test]
async fn metrics_are_not_for_proxies() {
    let stage = Stage::new();
    for name in ["x-forwarded-for", "forwarded", "x-real-ip", "via"] {
        let wire = request("GET", "/metrics", &[(name, "203.0.113.9")], b"");
        let answer = stage.raw(&wire).await;
        assert_eq!(
            (answer.status, &*answer.error_type()),
            (403, "permission_error"),
            "{name}"
        );
    }
}

/// The absolute form names a host that means nothing here.
#[tokio::test]
async fn other_forms_of_a_target() {
    let stage = Stage::new();
    for (target, expected) in [
        (
            "http://elsewhere.test/v1/messages?beta=true",
            "/v1/messages?beta=true",
        ),
        ("/v1/v1/messages", "/v1/messages"),
        ("/v1/mess%61ges", "/v1/messages"),
    ] {
        let answer = stage.call("POST", target, &[], message()).await;
        assert_eq!(answer.status, 200, "{target}: {}", answer.text());
        assert_eq!(stage.mock().journal().last().unwrap().target, expected);
    }
}
