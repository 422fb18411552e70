use proptest::prelude::*;
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::*;

const SECRET: &str = "rt-very-secret-refresh";

fn answer(status: u16, body: &str) -> Answer {
    Answer {
        status,
        retry_after_ms: None,
        body: body.as_bytes().to_vec(),
        cut: false,
    }
}

fn fault(answer: &Answer) -> TokenFault {
    read(answer, &Secrets::of([SECRET])).unwrap_err()
}

fn refused(status: u16, error: &str, description: Option<&str>) -> TokenFault {
    TokenFault::Refused {
        status,
        error: error.to_owned(),
        description: description.map(str::to_owned),
    }
}

#[test]
fn a_whole_answer() {
    let body = json!({"access_token": "at", "refresh_token": "rt", "expires_in": 28800, "token_type": "Bearer",
        "scope": "a b", "organization": {"uuid": "org-1", "name": "N"}, "account": {"uuid": "acc-1", "email_address": "e"}});
    let tokens = read(&answer(200, &body.to_string()), &Secrets::of([])).unwrap();
    assert_eq!(tokens.access_token.expose_secret(), "at");
    assert_eq!(tokens.refresh_token.unwrap().expose_secret(), "rt");
    assert_eq!(tokens.expires_in_s, Some(28_800));
    assert_eq!(tokens.scope.as_deref(), Some("a b"));
    assert_eq!(tokens.organization_id.as_deref(), Some("org-1"));
    assert_eq!(tokens.account_id.as_deref(), Some("acc-1"));
    let flat = json!({"access_token": "at", "refresh_token": "", "organization_id": "o", "account_uuid": "a"});
    let tokens = read(&answer(200, &flat.to_string()), &Secrets::of([])).unwrap();
    assert!(tokens.refresh_token.is_none() && tokens.expires_in_s.is_none());
    assert_eq!(tokens.organization_id.as_deref(), Some("o"));
    assert_eq!(tokens.account_id.as_deref(), Some("a"));
}

#[test]
fn lives() {
    for (value, life_s) in [
        (json!(3600), Some(3600)),
        (json!("3600"), Some(3600)),
        (json!(" 60 "), Some(60)),
        (json!(3599.9), Some(3599)),
        (json!(1), Some(1)),
        (json!(LIFE_MAX_S), Some(LIFE_MAX_S)),
        (json!(LIFE_MAX_S + 1), None),
        (json!(0), None),
        (json!(0.5), None),
        (json!(-1), None),
        (json!(1e300), None),
        (json!("soon"), None),
        (json!(""), None),
        (json!("-5"), None),
        (json!(null), None),
        (json!([3600]), None),
        (json!(true), None),
    ] {
        assert_eq!(super::life_s(&value), life_s, "{value}");
    }
}

#[test]
fn refusals_and_the_rest() {
    let invalid = r#"{"error":"invalid_grant","error_description":"spent"}"#;
    for status in [400, 401, 403] {
        assert_eq!(
            fault(&answer(status, invalid)),
            refused(status, "invalid_grant", Some("spent"))
        );
    }
    let own = r#"{"type":"error","error":{"type":"permission_error","message":"no"}}"#;
    assert_eq!(
        fault(&answer(403, own)),
        refused(403, "permission_error", Some("no"))
    );
    let bare = r#"{"error":"invalid_client"}"#;
    assert_eq!(
        fault(&answer(401, bare)),
        refused(401, "invalid_client", None)
    );
    for (status, body) in [
        (400, ""),
        (400, "<html>"),
        (400, r#"{"error":1}"#),
        (400, r#"{"error":""}"#),
        (400, r#"{"message":"x"}"#),
        (400, r#"{"error":"server_error"}"#),
        (400, r#"{"error":"temporarily_unavailable"}"#),
        // Of a wall before the endpoint.
        (403, r#"{"error":"Forbidden"}"#),
        (403, r#"{"error":"blocked","error_description":"bot"}"#),
        (401, r#"{"error":"Unauthorized"}"#),
        (400, r#"{"error":{"type":"rate_limit_error"}}"#),
        (404, invalid),
        (405, invalid),
        (408, invalid),
        (429, ""),
        (429, "<html>"),
        (500, invalid),
        (502, "<html>"),
        (503, invalid),
        (302, ""),
        (200, ""),
        (200, "<html>"),
        (200, "{}"),
        (200, invalid),
        (200, r#"{"access_token":""}"#),
        (200, r#"{"access_token":5}"#),
        (200, r#"{"access_token":"a b"}"#),
        (200, r#"{"access_token":"a\n"}"#),
        (200, r#"{"access_token":"a","refresh_token":"é"}"#),
        (204, ""),
    ] {
        let fault = fault(&answer(status, body));
        assert!(fault.is_unknown(), "{status} {body}: {fault}");
        assert!(fault.to_string().contains(&status.to_string()));
    }
    let cut = |status| Answer {
        cut: true,
        ..answer(status, r#"{"access_token":"a","error":"invalid_grant"}"#)
    };
    assert!(fault(&cut(200)).is_unknown() && fault(&cut(400)).is_unknown());
    let long = format!(
        r#"{{"access_token":"{}"}}"#,
        "x".repeat(TOKEN_MAX_BYTES + 1)
    );
    assert!(fault(&answer(200, &long)).is_unknown());
}

#[test]
fn busy() {
    let said = r#"{"error":{"type":"rate_limit_error","message":"slow down"}}"#;
    for (body, header, wish) in [
        (said, Some(2_000), Some(2_000)),
        (said, None, None),
        (said, Some(u64::MAX), Some(PAUSE_MAX_MS)),
        ("<html>", Some(1_000), Some(1_000)),
    ] {
        let answer = Answer {
            retry_after_ms: header,
            ..answer(429, body)
        };
        assert_eq!(
            fault(&answer),
            TokenFault::Busy {
                retry_after_ms: wish
            }
        );
    }
    let unavailable = Answer {
        retry_after_ms: Some(1_000),
        ..answer(503, said)
    };
    assert!(fault(&unavailable).is_unknown());
}

#[test]
fn what_is_repeated_is_hidden() {
    let body = json!({"error": format!("bad {SECRET}"), "error_description": format!("{SECRET}\r\n{}", "y".repeat(500))});
    for status in [400, 500] {
        let text = format!("{0:?} {0}", fault(&answer(status, &body.to_string())));
        assert!(
            !text.contains(SECRET) && !text.contains('\n') && text.len() < 1_200,
            "{text}"
        );
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read(status in 100u16..600, body in prop::collection::vec(any::<u8>(), 0..200), cut: bool, pause in any::<Option<u64>>()) {
        let answer = Answer { status, retry_after_ms: pause, body, cut };
        let read = read(&answer, &Secrets::of([SECRET]));
        prop_assert!(read.is_err() || (200..300).contains(&status) && !cut);
    }

    #[test]
    fn any_object_is_read(access in "\\PC{0,20}", life in any::<f64>(), other in "[a-z_]{1,12}") {
        let body = json!({"access_token": access, "expires_in": life, other: {"uuid": life}}).to_string();
        let read = read(&answer(200, &body), &Secrets::of([]));
        prop_assert_eq!(read.is_ok(), !access.is_empty() && access.bytes().all(|byte| byte.is_ascii_graphic()));
    }
}
