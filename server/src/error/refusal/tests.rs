//! What is told of each way to be short.

use std::time::Duration;

use proptest::prelude::*;
use troupe_core::limit::{LimitRule, Period, Source, Span};
use troupe_core::models::Pattern;
use uuid::Uuid;

use super::super::{Manner, Problem};
use super::*;

/// 24 November 2026, 10:00:37 UTC.
const NOW_MS: u64 = 1_795_514_437_000;

fn id(random: u32) -> RequestId {
    RequestId(Uuid::from_u128(u128::from(random)))
}

fn short(name: &str, why: Why, capacity: u64, used: u64, need: u64) -> Shortage {
    let name: LimitName = name.parse().unwrap();
    Shortage {
        scope: Scope::Group("unused".into()),
        label: "key troupe-abc12345".into(),
        name,
        models: None,
        rule: LimitRule::of(capacity),
        source: Source::Key,
        why,
        need,
        capacity,
        used,
        taken: used,
        span: name
            .period()
            .map_or(Span::ALWAYS, |period| period.span(NOW_MS)),
    }
}

fn refusal(short: Shortage) -> Refusal {
    Refusal::new(Box::new(short), Balances::default(), NOW_MS, id(0))
}

/// Status, type, `retry-after`, whether it says not to retry, and the text.
fn told(refusal: &Refusal) -> (u16, &'static str, Option<u64>, bool, String) {
    (
        refusal.status().as_u16(),
        refusal.kind(),
        refusal.retry_after_s(),
        refusal.should_not_retry(),
        refusal.message(None),
    )
}

#[test]
fn each_way_to_be_short() {
    let rate = "rate_limit_error";
    let invalid = "invalid_request_error";
    let table = [
        (
            short("requests_per_minute", Why::Spent, 100, 100, 1),
            (429, rate, Some(23), false),
            "Rate limit exceeded: 100 requests per minute for key troupe-abc12345; retry in 23 s",
        ),
        (
            short("requests_per_hour", Why::Spent, 100, 100, 1),
            (429, rate, Some(3_563), true),
            "Rate limit exceeded: 100 requests per hour for key troupe-abc12345; retry in 3563 s",
        ),
        (
            short("concurrent", Why::Reserved, 32, 0, 1),
            (429, rate, Some(1), false),
            "Rate limit exceeded: 32 concurrent requests for key troupe-abc12345; retry in 1 s",
        ),
        (
            short("tokens_per_minute", Why::Reserved, 1_000, 0, 10),
            (429, rate, Some(1), false),
            "Rate limit exceeded: 1000 tokens per minute for key troupe-abc12345; retry in 1 s, when requests that run now have given back what they do not use",
        ),
        (
            short("tokens_per_minute", Why::TooLittle, 1_000, 600, 500),
            (429, rate, Some(23), false),
            "Rate limit exceeded: 1000 tokens per minute for key troupe-abc12345; retry in 23 s, or lower max_tokens or shorten the input: this request may need up to 500 tokens, 400 tokens left until the limit resets Nov 24 10:01 UTC",
        ),
        (
            short("input_tokens_per_day", Why::TooLittle, 1_000, 600, 500),
            (429, rate, Some(50_363), true),
            "Rate limit exceeded: 1000 input tokens per day for key troupe-abc12345; retry in 50363 s, or shorten the input: this request may need up to 500 input tokens, 400 input tokens left until the limit resets Nov 25",
        ),
        (
            short(
                "usd_per_month",
                Why::TooLittle,
                100_000_000,
                99_800_000,
                500_000,
            ),
            (429, rate, Some(568_763), true),
            "Rate limit exceeded: $100.00 per month for key troupe-abc12345; retry in 568763 s, or lower max_tokens or shorten the input: this request may need up to $0.50, $0.20 left until the limit resets Dec 1",
        ),
        (
            short("usd_per_minute", Why::Spent, 1_000_000, 1_000_000, 1),
            (429, "billing_error", Some(23), true),
            "spend limit reached · resets Nov 24 10:01 UTC",
        ),
        (
            short("usd_per_day", Why::Spent, 1_000_000, 1_030_000, 1),
            (429, "billing_error", Some(50_363), true),
            "spend limit reached · resets Nov 25",
        ),
        (
            short("tokens_per_hour", Why::Never, 1_000, 0, 8_192),
            (400, invalid, None, true),
            "this request can never fit: it may need up to 8192 tokens, and the limit is 1000 tokens per hour for key troupe-abc12345; lower max_tokens or shorten the input",
        ),
        (
            short("concurrent", Why::Never, 0, 0, 1),
            (400, invalid, None, true),
            "this request can never fit: it may need up to 1 concurrent requests, and the limit is 0 concurrent requests for key troupe-abc12345",
        ),
    ];
    for (short, (status, kind, seconds, is_final), text) in table {
        let expected = (status, kind, seconds, is_final, text.to_owned());
        assert_eq!(told(&refusal(short.clone())), expected, "{short:?}");
        assert!(!text.contains("x-api-key"));
    }
}

#[test]
fn whose_limit_it_is() {
    let spent = || short("requests_per_minute", Why::Spent, 5, 5, 1);
    let opus = Pattern::parse("claude-opus-*").unwrap();
    let of = |scope, label: &str, models: Option<Pattern>| Shortage {
        scope,
        label: label.into(),
        models,
        ..spent()
    };
    for (short, whose) in [
        (
            of(Scope::Gateway, "this gateway", None),
            "this gateway; retry",
        ),
        (
            of(Scope::Group("a".into()), "group a", None),
            "group a; retry",
        ),
        (
            of(Scope::Group("a".into()), "key troupe-abc12345", Some(opus)),
            "models claude-opus-* of key troupe-abc12345; retry",
        ),
        // Accounts are the operator's own.
        (
            of(
                Scope::Account(troupe_core::AccountId::declared("main")),
                "account main",
                None,
            ),
            "the upstream account; retry",
        ),
    ] {
        let text = refusal(short).message(None);
        assert!(text.contains(&format!("for {whose}")), "{text}");
    }
}

#[test]
fn a_spend_cap_is_rejected_in_the_form_that_clients_read() {
    let mut spent = short("usd_per_day", Why::Spent, 1_000_000, 1_030_000, 1);
    spent.taken = 1_030_000;
    let problem = Problem::Limit(Box::new(refusal(spent)));
    let manner = Manner {
        spend_message: Some("ask ops@example.org"),
        ..Manner::default()
    };
    let answer = problem.answer(id(7), manner);
    let mut headers: Vec<_> = answer
        .headers()
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    headers.sort();
    let prefix = "anthropic-ratelimit-unified";
    let expected = [
        format!("{prefix}-overage-disabled-reason: org_spend_cap_reached"),
        format!("{prefix}-overage-period: daily"),
        format!("{prefix}-overage-reset: 1795564800"),
        format!("{prefix}-overage-surpassed-threshold: 1"),
        format!("{prefix}-overage-utilization: 1.03"),
        format!("{prefix}-reset: 1795564800"),
        format!("{prefix}-status: rejected"),
        "content-type: application/json".to_owned(),
        "retry-after: 50363".to_owned(),
        "x-should-retry: false".to_owned(),
    ];
    assert_eq!(headers, expected);

    let body: serde_json::Value = serde_json::from_slice(&problem.body(id(7), manner)).unwrap();
    let expected = serde_json::json!({
        "type": "error",
        "error": {
            "type": "billing_error",
            "message": "spend limit reached · resets Nov 25 · ask ops@example.org",
        },
        "retry_after": 50_363,
        "limits": {
            "usd": {"limit": 1, "remaining": 0, "window": "day", "reset": "2026-11-25T00:00:00Z"},
        },
        "request_id": id(7).to_string(),
    });
    assert_eq!(body, expected);
    assert_eq!(
        problem.detail(),
        "spend limit reached · resets Nov 25 ($1.00 per day for key troupe-abc12345, $1.03 used)"
    );
}

#[test]
fn the_roadmap_shape_is_for_rates_alone() {
    let roadmap = Manner {
        shape: crate::config::limits::ErrorShape::Roadmap,
        spend_message: None,
    };
    let body = |short| -> serde_json::Value {
        let problem = Problem::Limit(Box::new(refusal(short)));
        serde_json::from_slice(&problem.body(id(0), roadmap)).unwrap()
    };
    let rate = body(short("requests_per_minute", Why::Spent, 100, 100, 1));
    assert_eq!(rate["error"], "Rate limit exceeded");
    assert_eq!(rate["retry_after"], 23);
    assert_eq!(rate["limits"]["requests"]["window"], "minute");
    let spend = body(short("usd_per_day", Why::Spent, 1, 1, 1));
    assert_eq!(spend["error"]["type"], "billing_error");
    let never = body(short("tokens_per_hour", Why::Never, 1, 0, 2));
    assert_eq!(never["error"]["type"], "invalid_request_error");
}

#[test]
fn only_spend_carries_the_unified_headers() {
    for (name, why) in [
        ("requests_per_minute", Why::Spent),
        ("usd_per_day", Why::TooLittle),
        ("usd_per_day", Why::Never),
        ("usd_per_day", Why::Reserved),
    ] {
        assert_eq!(refusal(short(name, why, 10, 5, 6)).headers().count(), 0);
    }
}

proptest! {
    #[test]
    fn waits_are_never_too_short_and_a_tenth_too_long_at_most(
        random: u32,
        ahead_ms in 0u64..60 * 60 * 1_000,
        period in 0usize..5,
    ) {
        let period = Period::ALL[period];
        let now_ms = NOW_MS + ahead_ms;
        let span = period.span(now_ms);
        let short = Shortage { span, ..short("requests_per_hour", Why::Spent, 1, 1, 1) };
        let refusal = Refusal::new(Box::new(short), Balances::default(), now_ms, id(random));
        let told = Duration::from_secs(refusal.retry_after_s().unwrap());
        let real = Duration::from_millis(span.end_ms - now_ms);
        prop_assert!(told >= real);
        prop_assert!(told.as_secs() <= real.as_secs() + 1 + (real.as_secs() + 1) / 10);
        if real <= Duration::from_secs(LONGEST_SLEEP_S) {
            prop_assert!(told.as_secs() <= LONGEST_SLEEP_S && !refusal.should_not_retry());
        }
    }

    #[test]
    fn what_waits_for_others_comes_back_soon(random: u32) {
        let short = short("tokens_per_hour", Why::Reserved, 10, 0, 6);
        let refusal = Refusal::new(Box::new(short), Balances::default(), NOW_MS, id(random));
        prop_assert!((1..=LONGEST_RESERVED_S).contains(&refusal.retry_after_s().unwrap()));
    }
}
