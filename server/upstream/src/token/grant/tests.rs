use super::*;
use crate::token::EndpointUrl;

fn endpoint() -> TokenEndpoint {
    TokenEndpoint::new(EndpointUrl::parse("https://a.example/token").unwrap())
}

fn refresh() -> Grant {
    Grant::RefreshToken {
        refresh_token: "r+1".into(),
    }
}

fn code() -> Grant {
    Grant::AuthorizationCode {
        code: "c".into(),
        verifier: "v".into(),
        redirect_uri: "https://x.example/cb?a=b".into(),
        state: Some("s".into()),
    }
}

fn body(endpoint: &TokenEndpoint, grant: &Grant) -> String {
    String::from_utf8(encode(endpoint, grant).unwrap().body).unwrap()
}

#[test]
fn forms_of_all_grants() {
    let mut public = endpoint();
    public.client_id = Some("app".into());
    public.scope = vec!["one".into(), "two".into()];
    let jwt = Grant::JwtBearer {
        assertion: "a.b.c".into(),
    };
    for (grant, expected) in [
        (
            jwt,
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=a.b.c&scope=one+two&client_id=app",
        ),
        (
            refresh(),
            "grant_type=refresh_token&refresh_token=r%2B1&client_id=app",
        ),
        (
            code(),
            "grant_type=authorization_code&code=c&code_verifier=v&redirect_uri=https%3A%2F%2Fx.example%2Fcb%3Fa%3Db&state=s&client_id=app",
        ),
    ] {
        assert_eq!(body(&public, &grant), expected);
    }
    public.client_secret = Some("h&h".into());
    assert_eq!(
        body(&public, &Grant::ClientCredentials),
        "grant_type=client_credentials&scope=one+two&client_id=app&client_secret=h%26h"
    );
}

#[test]
fn json_carries_the_extra_fields() {
    let mut endpoint = endpoint();
    endpoint.format = BodyFormat::Json;
    endpoint
        .extra
        .insert("federation_rule_id".into(), "fdrl_1".into());
    let encoded = encode(&endpoint, &refresh()).unwrap();
    assert_eq!(encoded.content_type, "application/json");
    let value: serde_json::Value = serde_json::from_slice(&encoded.body).unwrap();
    assert_eq!(
        value,
        serde_json::json!({"grant_type": "refresh_token", "refresh_token": "r+1", "federation_rule_id": "fdrl_1"})
    );
}

#[test]
fn basic_is_form_encoded_first() {
    let mut endpoint = endpoint();
    endpoint.client_auth = ClientAuth::Basic;
    endpoint.client_id = Some("a:b".into());
    endpoint.client_secret = Some("c d".into());
    let encoded = encode(&endpoint, &refresh()).unwrap();
    assert_eq!(
        encoded.basic,
        Some(format!("Basic {}", STANDARD.encode("a%3Ab:c+d")))
    );
    assert!(!String::from_utf8(encoded.body).unwrap().contains("client"));
}

#[test]
fn what_cannot_be_sent() {
    let misconfigured =
        |endpoint: &TokenEndpoint, grant: &Grant, what: &str| match encode(endpoint, grant) {
            Err(TokenFault::Misconfigured(said)) => assert!(said.contains(what), "{said}"),
            _ => panic!("sent without {what}"),
        };
    let mut some = endpoint();
    misconfigured(&some, &code(), "client_id");
    misconfigured(&some, &Grant::ClientCredentials, "client_secret");
    some.client_id = Some("app".into());
    misconfigured(&some, &Grant::ClientCredentials, "client_secret");
    some.client_auth = ClientAuth::Basic;
    misconfigured(&some, &refresh(), "client_secret");
    some.client_auth = ClientAuth::Body;
    for name in RESERVED.into_iter().chain([""]) {
        some.extra = [(name.to_owned(), "x".to_owned())].into();
        misconfigured(&some, &refresh(), "extra field");
    }
    some.client_secret = Some("hush".into());
    some.scope = vec!["a".into()];
    some.extra = [("scope".to_owned(), "b".to_owned())].into();
    misconfigured(&some, &Grant::ClientCredentials, "\"scope\"");
    // A provider that wants the scope with a refresh gets it as an extra field.
    assert!(body(&some, &refresh()).contains("scope=b"));
}

#[test]
fn debug_shows_no_secret() {
    let grants = [refresh(), code()];
    let tokens = Tokens {
        access_token: "hush".into(),
        refresh_token: Some("hush".into()),
        expires_in_s: None,
        scope: None,
        organization_id: None,
        account_id: None,
    };
    let shown = format!("{grants:?} {tokens:?}");
    for secret in ["r+1", "hush", "\"c\"", "\"v\"", "\"s\""] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
