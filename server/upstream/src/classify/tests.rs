use actix_http::header::{HeaderName, HeaderValue};

use super::*;
use crate::headers;

const NOW_MS: u64 = 1_772_000_000_000; // 2026-02-25T06:13:20Z

fn facts(pairs: &[(&'static str, &'static str)]) -> Facts {
    let headers = pairs.iter().map(|&(name, value)| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )
    });
    headers::down(headers.collect(), headers::Owner::Account, NOW_MS).1
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

const UNIFIED: &str = "anthropic-ratelimit-unified-status";
const RESET: &str = "anthropic-ratelimit-unified-reset";
const HOURS: &str = "anthropic-ratelimit-unified-5h-status";
const HOURS_RESET: &str = "anthropic-ratelimit-unified-5h-reset";
const OPUS: &str = "anthropic-ratelimit-unified-7d_opus-status";
const OPUS_RESET: &str = "anthropic-ratelimit-unified-7d_opus-reset";
const OVERAGE: &str = "anthropic-ratelimit-unified-overage-status";
const REJECTED: &str = "rejected";
/// In an hour, in ten days, an hour ago, and in milliseconds where seconds are meant.
const HOUR: &str = "1772003600";
const DAYS: &str = "1772864000";
const PAST: &str = "1771996400";
const MILLIS: &str = "1772003600000";
const HOUR_MS: u64 = 3_600_000;

#[test]
fn without_retry_after_a_refused_plan_waits_for_its_reset() {
    use Scope::{Account, Model};
    for (headers, for_ms, scope) in [
        (
            &[(UNIFIED, REJECTED), (RESET, HOUR)][..],
            Some(HOUR_MS),
            Account,
        ),
        (
            &[(UNIFIED, REJECTED), (RESET, DAYS)],
            Some(RETRY_AFTER_MAX_MS),
            Account,
        ),
        // Stale, misread, or not there.
        (&[(UNIFIED, REJECTED), (RESET, PAST)], None, Account),
        (&[(UNIFIED, REJECTED), (RESET, MILLIS)], None, Account),
        (&[(UNIFIED, REJECTED), (RESET, "3600")], None, Account),
        (&[(UNIFIED, REJECTED), (RESET, "-1")], None, Account),
        (&[(UNIFIED, REJECTED)], None, Account),
        (&[(RESET, HOUR)], None, Account),
        // The plan allows: the refusal has another reason, and passes sooner.
        (&[(UNIFIED, "allowed"), (RESET, HOUR)], None, Account),
        (
            &[
                (UNIFIED, "allowed_warning"),
                (RESET, HOUR),
                (HOURS, REJECTED),
                (HOURS_RESET, HOUR),
            ],
            None,
            Account,
        ),
        // Of the windows that refuse.
        (
            &[
                (UNIFIED, REJECTED),
                (RESET, PAST),
                (HOURS, REJECTED),
                (HOURS_RESET, HOUR),
            ],
            Some(HOUR_MS),
            Account,
        ),
        (
            &[(HOURS, REJECTED), (HOURS_RESET, HOUR)],
            Some(HOUR_MS),
            Account,
        ),
        (&[(HOURS, "allowed"), (HOURS_RESET, HOUR)], None, Account),
        (
            &[
                (UNIFIED, REJECTED),
                (RESET, HOUR),
                (OPUS, REJECTED),
                (OPUS_RESET, DAYS),
            ],
            Some(HOUR_MS),
            Model,
        ),
        (
            &[
                (UNIFIED, REJECTED),
                (OPUS, REJECTED),
                (OPUS_RESET, HOUR),
                (HOURS_RESET, DAYS),
            ],
            Some(HOUR_MS),
            Model,
        ),
        (
            &[
                (UNIFIED, REJECTED),
                (OPUS, REJECTED),
                (OVERAGE, REJECTED),
                (RESET, HOUR),
            ],
            Some(HOUR_MS),
            Model,
        ),
        (
            &[
                (OPUS, REJECTED),
                (OPUS_RESET, DAYS),
                (HOURS, REJECTED),
                (HOURS_RESET, HOUR),
            ],
            Some(HOUR_MS),
            Account,
        ),
    ] {
        assert_eq!(of(429, headers, None), wait(for_ms, scope), "{headers:?}");
        // What the header says comes first; where it cannot be, it is bounded by the reset, or in itself.
        let with = |value: &'static str| {
            let all = [headers, &[("retry-after", value)]].concat();
            of(429, &all, None)
        };
        assert_eq!(with("60"), wait(Some(60_000), scope), "{headers:?}");
        let eighteen_days = with("1555200");
        let bounded = for_ms.or(Some(RETRY_AFTER_MAX_MS));
        assert_eq!(eighteen_days, wait(bounded, scope), "{headers:?}");
        assert_eq!(with("soon"), wait(for_ms, scope), "{headers:?}");
    }
}

/// Headers about limits are heard with a 429 and with nothing else.
#[test]
fn no_other_status_is_changed_by_limits() {
    let headers: [&[(&str, &str)]; 6] = [
        &[],
        &[("retry-after", "60")],
        &[("retry-after", "1555200")],
        &[(UNIFIED, REJECTED), (RESET, HOUR)],
        &[(OPUS, REJECTED), (OPUS_RESET, HOUR)],
        &[
            ("retry-after", "60"),
            (UNIFIED, REJECTED),
            (RESET, HOUR),
            (OPUS, REJECTED),
        ],
    ];
    for (status, verdict) in [
        (200, Verdict::Success),
        (400, Verdict::RequestFault),
        (401, Verdict::Unauthorized),
        (402, out("payment required")),
        (403, Verdict::Forbidden),
        (404, Verdict::NoModel),
        (413, Verdict::RequestFault),
        (500, Verdict::Platform),
        (502, Verdict::Platform),
        (503, Verdict::Platform),
        (504, Verdict::Platform),
        (529, Verdict::Overloaded),
    ] {
        for headers in headers {
            assert_eq!(of(status, headers, None), verdict, "{status} {headers:?}");
        }
    }
    // A limit on spending has no moment in its headers, whatever else they say.
    let code = Some("enforced_spend_limit_reached");
    for headers in [&[][..], &[(UNIFIED, REJECTED), (RESET, HOUR)]] {
        assert_eq!(of(429, headers, Some(&error("limit", code))), out("limit"));
    }
}

#[test]
fn reasons_are_one_short_line() {
    assert_eq!(reason("a\r\nb\u{1b}[31m", "x"), "ab[31m");
    assert_eq!(reason("", "x"), "x");
    assert_eq!(reason(&"é".repeat(500), "x").chars().count(), 200);
}
