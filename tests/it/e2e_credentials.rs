//! The client's credential ends at the gateway; the account's begins there.

use crate::gateway::{FIRST, SECOND, Setup, Stage, message, request};

const BEARER: &str = "Bearer first-test-key-0123456789abcdef";

#[tokio::test]
async fn the_accounts_credential_takes_the_place_of_the_clients() {
    for (auth, expected) in [
        ("x-api-key", ("x-api-key", "upstream-key-0-0123456789")),
        (
            "bearer",
            ("authorization", "Bearer upstream-key-0-0123456789"),
        ),
    ] {
        let stage = Stage::start(Setup {
            account: format!(", auth: {auth}, headers: {{ x-vendor: one }}"),
            ..Setup::default()
        });
        let given: [&[(&str, &str)]; 6] = [
            &[("x-api-key", FIRST)],
            &[("authorization", BEARER)],
            &[("Authorization", "bearer  first-test-key-0123456789abcdef")],
            &[("authorization", BEARER), ("X-Api-Key", FIRST)],
            &[("connection", "x-api-key"), ("x-api-key", FIRST)],
            &[
                ("connection", "authorization, x-vendor"),
                ("authorization", BEARER),
            ],
        ];
        for headers in given {
            let answer = stage.call("POST", "/v1/messages", headers, message()).await;
            assert_eq!(answer.status, 200, "{headers:?}: {}", answer.text());
            let entry = stage.mock().journal().last().unwrap();
            let credentials: Vec<_> = ["x-api-key", "authorization"]
                .iter()
                .flat_map(|name| entry.headers_named(name).map(move |value| (*name, value)))
                .collect();
            assert_eq!(credentials, [expected], "{headers:?}");
            assert_eq!(entry.header("x-vendor"), Some("one"));
            let all: Vec<u8> = entry.headers.iter().flat_map(|(_, v)| v.to_vec()).collect();
            assert!(!String::from_utf8_lossy(&all).contains(FIRST));
        }
    }
}

#[tokio::test]
async fn a_wrong_credential_is_refused() {
    let stage = Stage::new();
    let second = format!("Bearer {SECOND}");
    let table: [&[(&str, &str)]; 7] = [
        &[],
        &[("x-api-key", "unknown-test-key-0123456789")],
        &[("authorization", "Bearer unknown-test-key-0123456789")],
        &[("authorization", "Basic Zmlyc3Q6Zmlyc3Q=")],
        &[("authorization", &second), ("x-api-key", FIRST)],
        &[("x-api-key", FIRST), ("x-api-key", SECOND)],
        &[("x-api-key", "")],
    ];
    for headers in table {
        for (method, target) in [
            ("POST", "/v1/messages"),
            ("GET", "/v1/models"),
            ("GET", "/v1/nowhere"),
            ("DELETE", "/v1/v1/messages"),
            ("GET", "/v1"),
        ] {
            let wire = request(method, target, headers, b"");
            let answer = stage.raw(&wire).await;
            assert_eq!(answer.status, 401, "{target} {headers:?}");
            assert_eq!(answer.error_type(), "authentication_error");
            assert_eq!(answer.header("x-should-retry"), Some("false"));
            let text = answer.text().to_lowercase();
            assert!(
                !text.contains("x-api-key") && !text.contains("test-key"),
                "{text}"
            );
        }
    }
    assert_eq!(stage.reached(), [0]);
}
