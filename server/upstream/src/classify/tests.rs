use actix_http::header::{HeaderMap, HeaderName, HeaderValue};

use super::*;
use crate::headers;

const NOW_MS: u64 = 1_772_000_000_000; // 2026-02-25T06:13:20Z

fn facts(pairs: &[(&'static str, &'static str)]) -> Facts {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.append(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    headers::down(&mut map, NOW_MS)
}

fn error(message: &str, code: Option<&str>) -> Vec<u8> {
    let details = code.map_or(String::new(), |code| {
        format!(r#","details":{{"error_code":"{code}"}}"#)
    });
    format!(r#"{{"type":"error","error":{{"type":"x","message":"{message}"{details}}},"request_id":"r"}}"#)
        .into_bytes()
}

fn of(status: u16, headers: &[(&'static str, &'static str)], body: Option<&[u8]>) -> Verdict {
    classify(
        StatusCode::from_u16(status).unwrap(),
        &facts(headers),
        body,
        NOW_MS,
    )
}

fn out(reason: &str) -> Verdict {
    Verdict::OutOfService {
        reason: reason.into(),
    }
}

fn wait(for_ms: Option<u64>, scope: Scope) -> Verdict {
    Verdict::Throttled { for_ms, scope }
}

#[test]
fn statuses_mean_what_the_table_says() {
    use Retry::{NextAccount, NextAccountAfterPause, Relay};
    for (status, verdict, retry, relayed) in [
        (200, Verdict::Success, Relay, true),
        (206, Verdict::Success, Relay, true),
        (302, Verdict::Platform, NextAccountAfterPause, false),
        (304, Verdict::Platform, NextAccountAfterPause, false),
        (400, Verdict::RequestFault, Relay, true),
        (401, Verdict::Unauthorized, NextAccount, false),
        (402, out("payment required"), NextAccount, false),
        (403, Verdict::Forbidden, NextAccount, false),
        (404, Verdict::NoModel, NextAccount, true),
        (405, Verdict::RequestFault, Relay, true),
        (413, Verdict::RequestFault, Relay, true),
        (422, Verdict::RequestFault, Relay, true),
        (429, wait(None, Scope::Account), NextAccount, true),
        (500, Verdict::Platform, NextAccountAfterPause, true),
        (502, Verdict::Platform, NextAccountAfterPause, true),
        (503, Verdict::Platform, NextAccountAfterPause, true),
        (504, Verdict::Platform, NextAccountAfterPause, true),
        (529, Verdict::Overloaded, NextAccountAfterPause, true),
        (599, Verdict::Platform, NextAccountAfterPause, true),
    ] {
        let got = of(status, &[], None);
        assert_eq!(got, verdict, "{status}");
        assert_eq!(retryable(&got), retry, "{status}");
        assert_eq!(
            is_relayable(StatusCode::from_u16(status).unwrap(), &got),
            relayed,
            "{status}"
        );
    }
    assert_eq!(retryable(&Verdict::Unknown), Retry::Never);
}

#[test]
fn a_400_is_the_accounts_fault_by_its_words_only() {
    let credit = "Your credit balance is too low to access the API.";
    let got = of(400, &[], Some(&error(credit, None)));
    assert_eq!(got, out(credit));
    assert!(!is_relayable(StatusCode::BAD_REQUEST, &got));
    assert_eq!(retryable(&got), Retry::NextAccount);
    for body in [
        error("messages.0: credit balance is too low", None),
        b"<html>credit balance is too low</html>".to_vec(),
        b"{\"error\":{\"message\":\"Your credit bal".to_vec(),
        Vec::new(),
    ] {
        assert_eq!(of(400, &[], Some(&body)), Verdict::RequestFault);
    }
    let plain = br#"{"error":"This organization has been disabled."}"#;
    assert_eq!(
        of(400, &[], Some(plain)),
        out("This organization has been disabled.")
    );
}

#[test]
fn a_spend_limit_lasts_until_its_date() {
    let said = "You have reached your specified API usage limits. You will regain access on 2026-02-26 at 06:13 UTC.";
    let day = 24 * 3600 * 1000 - 20_000;
    let code = Some("enforced_spend_limit_reached");
    assert_eq!(
        of(400, &[], Some(&error(said, None))),
        wait(Some(day), Scope::Account)
    );
    assert_eq!(
        of(429, &[], Some(&error(said, code))),
        wait(Some(day), Scope::Account)
    );
    assert_eq!(of(429, &[], Some(&error("limit", code))), out("limit"));
    assert_eq!(
        of(429, &[], Some(&error("since 2020-01-01", code))),
        out("since 2020-01-01")
    );
    let far = of(429, &[], Some(&error("until 2099-01-01", code)));
    assert_eq!(far, wait(Some(SPEND_LIMIT_MAX_MS), Scope::Account));
    // With retry-after it is a throttle like any other.
    let after = [("retry-after", "7")];
    assert_eq!(
        of(429, &after, Some(&error("limit", code))),
        wait(Some(7_000), Scope::Account)
    );
}

#[test]
fn a_throttle_is_as_long_and_as_wide_as_the_headers_say() {
    let opus = ("anthropic-ratelimit-unified-7d_opus-status", "rejected");
    let hours = ("anthropic-ratelimit-unified-5h-status", "rejected");
    let after = ("retry-after", "60");
    assert_eq!(of(429, &[after], None), wait(Some(60_000), Scope::Account));
    assert_eq!(
        of(429, &[after, opus], None),
        wait(Some(60_000), Scope::Model)
    );
    assert_eq!(
        of(429, &[after, opus, hours], None),
        wait(Some(60_000), Scope::Account)
    );
    assert_eq!(
        of(429, &[("retry-after", "later")], None),
        wait(None, Scope::Account)
    );
    assert_eq!(of(529, &[after], None), Verdict::Overloaded);
}

#[test]
fn reasons_are_one_short_line() {
    assert_eq!(reason("a\r\nb\u{1b}[31m", "x"), "ab[31m");
    assert_eq!(reason("", "x"), "x");
    assert_eq!(reason(&"é".repeat(500), "x").chars().count(), 200);
}
