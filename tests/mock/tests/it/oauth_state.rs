//! What the API and the tests see of tokens.

use serde_json::{Value, json};
use troupe_mock::{FamilySeed, fingerprint};

use crate::client::{call, mock, request};
use crate::oauth::{FORM, JSON, models, refresh};

#[tokio::test]
async fn only_tokens_given_out_here_are_judged() {
    let server = mock().await;
    let oauth = server.oauth();
    let seed = |family: &str| FamilySeed {
        family: family.to_owned(),
        ..FamilySeed::default()
    };
    let (expired, revoked) = (oauth.seed(seed("a")), oauth.seed(seed("b")));
    for token in [
        &expired.access_token,
        &revoked.access_token,
        "a-foreign-one",
    ] {
        assert_eq!(models(&server, token).await, 200);
    }
    assert!(oauth.expire("a") && oauth.revoke("b") && !oauth.revoke("c"));
    for token in [&expired.access_token, &revoked.access_token] {
        let header = format!("authorization: bearer {token}\r\n");
        let got = call(&server, &request("POST", "/v1/messages", &header, "{}")).await;
        assert_eq!(
            (got.status, &got.json()["error"]["type"]),
            (401, &json!("authentication_error"))
        );
    }
    assert_eq!(models(&server, "a-foreign-one").await, 200);
    assert_eq!(
        refresh(&server, &expired.refresh_token, "any").await.status,
        200
    );
}

#[tokio::test]
async fn the_state_by_http_holds_hashes_only() {
    let server = mock().await;
    let seed = json!({"family": "f", "access_token": "at-1", "refresh_token": "rt-1", "expires_in_ms": 5_000, "client_id": "app"});
    let admin = |method: &str, path: &str, body: Value| {
        request(method, &format!("/__mock/{path}"), "", &body.to_string())
    };
    let seeded = call(&server, &admin("POST", "oauth", seed)).await.json();
    assert_eq!(
        seeded,
        json!({"access_token": "at-1", "refresh_token": "rt-1", "expires_in_ms": 5_000})
    );
    assert_eq!(refresh(&server, "rt-1", "app").await.status, 200);
    let config = call(
        &server,
        &admin("PUT", "oauth", json!({"access_life_ms": 1_500})),
    )
    .await;
    assert_eq!(config.status, 200);
    let got = call(&server, &request("GET", "/__mock/oauth", "", "")).await;
    let family = &got.json()["families"]["f"];
    assert_eq!(
        (
            &family["generation"],
            &family["spends"],
            &family["live_access_tokens"]
        ),
        (&json!(2), &json!(1), &json!(2))
    );
    assert!(!got.text().contains("at-1") && !got.text().contains("rt-1"));
    assert_eq!(
        call(
            &server,
            &admin("POST", "oauth/expire", json!({"family": "f"}))
        )
        .await
        .status,
        200
    );
    assert_eq!(server.oauth().family("f").unwrap().live_access_tokens, 0);
    assert_eq!(
        call(
            &server,
            &admin("POST", "oauth/revoke", json!({"family": "f"}))
        )
        .await
        .status,
        200
    );
    for (method, path, body) in [
        ("POST", "oauth/revoke", json!({"family": "g"})),
        ("POST", "oauth/expire", json!({"family": "g"})),
        ("POST", "oauth", json!({"famly": "f"})),
        ("PUT", "oauth", json!({"life": 1})),
    ] {
        assert_eq!(call(&server, &admin(method, path, body)).await.status, 400);
    }
    assert_eq!(
        call(&server, &admin("DELETE", "oauth", json!({})))
            .await
            .status,
        404
    );

    let entries = serde_json::to_string(&server.journal().entries()).unwrap();
    assert!(
        entries.contains(&fingerprint("rt-1")) && !entries.contains("rt-1"),
        "{entries}"
    );
    let form = "grant_type=refresh_token&refresh_token=rt-form&client_secret=hush&client_id=app";
    let basic = "authorization: Basic aHVzaDpodXNo\r\n";
    call(
        &server,
        &request("POST", "/oauth/token", &format!("{FORM}{basic}"), form),
    )
    .await;
    call(
        &server,
        &request("POST", "/oauth/token", JSON, "\"rt-odd\""),
    )
    .await;
    let entries = serde_json::to_string(&server.journal().entries()).unwrap();
    for secret in ["rt-form", "hush", "aHVzaDpodXNo", "rt-odd"] {
        assert!(!entries.contains(secret), "{secret}");
    }
    assert!(entries.contains("client_id=app"));
}
