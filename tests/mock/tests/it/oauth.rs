//! Logins, tokens and their families.

use serde_json::{Value, json};
use troupe_mock::{MockServer, OauthConfig, fingerprint};

use crate::client::{Got, call, mock, request};

pub(crate) const FORM: &str = "content-type: application/x-www-form-urlencoded\r\n";
pub(crate) const JSON: &str = "content-type: application/json\r\n";
// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

pub(crate) async fn token(server: &MockServer, body: &Value) -> Got {
    call(
        server,
        &request("POST", "/oauth/token", JSON, &body.to_string()),
    )
    .await
}

pub(crate) async fn refresh(server: &MockServer, token: &str, client_id: &str) -> Got {
    let body =
        json!({"grant_type": "refresh_token", "refresh_token": token, "client_id": client_id});
    self::token(server, &body).await
}

pub(crate) async fn models(server: &MockServer, token: &str) -> u16 {
    let header = format!("authorization: Bearer {token}\r\n");
    call(server, &request("GET", "/v1/models", &header, ""))
        .await
        .status
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap().to_owned()
}

async fn code(server: &MockServer, redirect_uri: &str, client_id: &str) -> Got {
    let query = format!(
        "response_type=code&client_id={client_id}&redirect_uri={redirect_uri}&scope=one+two&state=st%26ate\
         &code_challenge={CHALLENGE}&code_challenge_method=S256"
    );
    call(
        server,
        &request("GET", &format!("/oauth/authorize?{query}"), "", ""),
    )
    .await
}

fn location(got: &Got) -> String {
    let line = got
        .head
        .lines()
        .find_map(|line| line.strip_prefix("location: "));
    line.unwrap().to_owned()
}

#[tokio::test]
async fn a_login_by_redirect_and_the_life_of_its_tokens() {
    let server = mock().await;
    let got = code(&server, "https://app.example/cb?x=1", "app").await;
    assert_eq!(got.status, 302);
    let to = location(&got);
    let code = to
        .split("&code=")
        .nth(1)
        .unwrap()
        .split('&')
        .next()
        .unwrap();
    assert_eq!(
        to,
        format!("https://app.example/cb?x=1&code={code}&state=st%26ate")
    );
    let form = format!(
        "grant_type=authorization_code&code={code}&client_id=app&redirect_uri=https%3A%2F%2Fapp.example%2Fcb%3Fx%3D1&code_verifier={VERIFIER}"
    );
    let exchange = request("POST", "/oauth/token", FORM, &form);
    let tokens = call(&server, &exchange).await;
    assert_eq!(tokens.status, 200, "{}", tokens.text());
    assert!(tokens.head.contains("cache-control: no-store"));
    let tokens = tokens.json();
    assert_eq!(
        (&tokens["scope"], &tokens["expires_in"]),
        (&json!("one two"), &json!(3600))
    );
    assert!(tokens["organization"]["uuid"].is_string() && tokens["account"]["uuid"].is_string());
    assert_eq!(models(&server, &text(&tokens, "access_token")).await, 200);
    // A code serves once.
    assert_eq!(
        call(&server, &exchange).await.json()["error"],
        "invalid_grant"
    );

    let next = refresh(&server, &text(&tokens, "refresh_token"), "app")
        .await
        .json();
    assert_ne!(next["access_token"], tokens["access_token"]);
    assert_eq!(models(&server, &text(&next, "access_token")).await, 200);
    let reuse = refresh(&server, &text(&tokens, "refresh_token"), "app").await;
    assert_eq!(
        (reuse.status, &reuse.json()["error"]),
        (400, &json!("invalid_grant"))
    );
    for dead in [&tokens, &next] {
        assert_eq!(models(&server, &text(dead, "access_token")).await, 401);
    }
    let revoked = refresh(&server, &text(&next, "refresh_token"), "app").await;
    assert_eq!(revoked.json()["error"], "invalid_grant");
    let facts = server.oauth().families().remove(0);
    assert_eq!(
        (facts.generation, facts.spends, facts.reuse_attempts),
        (2, 3, 1)
    );
    assert!(facts.revoked && facts.live_access_tokens == 0 && facts.repeats_while_live == 1);
}

#[tokio::test]
async fn the_authorize_page() {
    let server = mock().await;
    for redirect_uri in [
        "urn:ietf:wg:oauth:2.0:oob",
        "https://mock.example/oauth/code/callback",
    ] {
        let got = code(&server, redirect_uri, "app").await;
        let shown = got.text();
        let (code, state) = shown.split_once('#').unwrap();
        assert_eq!((got.status, state), (200, "st&ate"));
        let body = |verifier: &str, state: &str| {
            json!({"grant_type": "authorization_code", "code": code, "state": state, "client_id": "app",
                "redirect_uri": redirect_uri, "code_verifier": verifier})
        };
        if redirect_uri.starts_with("urn") {
            assert_eq!(token(&server, &body(VERIFIER, state)).await.status, 200);
        } else {
            let wrong = token(&server, &body("wrong", state)).await.json();
            assert_eq!(wrong["error"], "invalid_grant");
            // The code is gone, as a guess must not be repeated.
            assert_eq!(token(&server, &body(VERIFIER, state)).await.status, 400);
        }
    }
    let denied = location(&code(&server, "https://app.example/cb", "app~denied").await);
    assert_eq!(
        denied,
        "https://app.example/cb?error=access_denied&state=st%26ate"
    );
    for (query, status) in [
        ("", 400),
        ("client_id=a", 400),
        ("client_id=a&redirect_uri=no", 400),
        ("client_id=a&redirect_uri=https%3A%2F%2Fx.example", 302),
        (
            "client_id=a&redirect_uri=https%3A%2F%2Fx.example&response_type=code",
            302,
        ),
        (
            "client_id=a&redirect_uri=https%3A%2F%2Fx.example&response_type=code&code_challenge_method=plain",
            302,
        ),
    ] {
        let got = call(
            &server,
            &request("GET", &format!("/oauth/authorize?{query}"), "", ""),
        )
        .await;
        assert_eq!(got.status, status, "{query}");
        assert!(
            status == 400 || location(&got).contains("error="),
            "{query}"
        );
    }
}

#[tokio::test]
async fn machines_are_known_by_assertion_or_secret() {
    let server = mock().await;
    server.oauth().configure(OauthConfig {
        access_life_ms: 90_000,
        clients: [
            ("app".to_owned(), "s e".to_owned()),
            ("open".to_owned(), String::new()),
        ]
        .into(),
        jwt_expected: [("federation_rule_id".to_owned(), "fdrl_1".to_owned())].into(),
    });
    let jwt = |rule: &str| {
        json!({"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": "a.b.c", "client_id": "open",
            "federation_rule_id": rule, "organization_id": "org-1", "service_account_id": "svac_1"})
    };
    let got = token(&server, &jwt("fdrl_1")).await.json();
    assert_eq!(got["expires_in"], 90);
    assert_eq!(got["organization"]["uuid"], "org-1");
    assert!(got.get("refresh_token").is_none());
    assert_eq!(models(&server, &text(&got, "access_token")).await, 200);
    assert_eq!(
        token(&server, &jwt("fdrl_2")).await.json()["error"],
        "invalid_grant"
    );
    assert_eq!(
        server.oauth().assertions(),
        [fingerprint("a.b.c"), fingerprint("a.b.c")]
    );
    assert_eq!(server.oauth().family("jwt:svac_1").unwrap().generation, 1);

    // `app:s+e` in Base64.
    for (headers, body, status, error) in [
        (
            "authorization: Basic YXBwOnMrZQ==\r\n",
            "grant_type=client_credentials",
            200,
            "",
        ),
        (
            "",
            "grant_type=client_credentials&client_id=app&client_secret=s+e",
            200,
            "",
        ),
        (
            "",
            "grant_type=client_credentials&client_id=app&client_secret=no",
            401,
            "invalid_client",
        ),
        (
            "",
            "grant_type=client_credentials&client_id=else&client_secret=s+e",
            401,
            "invalid_client",
        ),
        (
            "",
            "grant_type=client_credentials&client_id=open",
            401,
            "invalid_client",
        ),
        ("", "grant_type=client_credentials", 401, "invalid_client"),
        (
            "authorization: Basic YXBwOnMrZQ==\r\n",
            "grant_type=client_credentials&client_id=app",
            400,
            "invalid_request",
        ),
        (
            "authorization: Basic ?\r\n",
            "grant_type=client_credentials",
            400,
            "invalid_request",
        ),
        ("", "client_id=open", 400, "invalid_request"),
        (
            "",
            "client_id=open&grant_type=a&grant_type=b",
            400,
            "invalid_request",
        ),
        (
            "",
            "client_id=open&grant_type=password",
            400,
            "unsupported_grant_type",
        ),
        (
            "",
            "client_id=open&grant_type=refresh_token",
            400,
            "invalid_request",
        ),
        (
            "",
            "client_id=open&grant_type=refresh_token&refresh_token=x",
            400,
            "invalid_grant",
        ),
        (
            "",
            "client_id=open&grant_type=authorization_code&code=x",
            400,
            "invalid_grant",
        ),
    ] {
        let got = call(
            &server,
            &request("POST", "/oauth/token", &format!("{FORM}{headers}"), body),
        )
        .await;
        assert_eq!(got.status, status, "{body}");
        assert_eq!(
            got.json()["error"].as_str().unwrap_or_default(),
            error,
            "{body}"
        );
    }
    let got = call(&server, &request("POST", "/oauth/token", JSON, "[1]")).await;
    assert_eq!(got.json()["error"], "invalid_request");
    assert_eq!(
        call(&server, &request("GET", "/oauth/token", "", ""))
            .await
            .status,
        405
    );
}
