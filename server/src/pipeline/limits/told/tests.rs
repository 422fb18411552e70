//! Headers of every kind of limit, and that they follow what happens.

use std::sync::atomic::AtomicU64;

use actix_web::http::header::HeaderMap;
use troupe_core::KeyId;
use troupe_core::limit::{
    Amounts, Cell, Demand, Grant, Hold, LimitName, LimitRule, OnLimit, Source,
};
use troupe_core::models::Pattern;
use troupe_core::port::Counter;
use troupe_core::price::Multiplier;

use super::*;

/// 24 February 2026, 09:59:37 UTC.
const NOW_MS: u64 = 1_771_927_177_000;
const MODEL: &str = "claude-opus-5";

#[derive(Default)]
struct Charged(AtomicU64);

impl Counter for Charged {
    fn value(&self) -> &AtomicU64 {
        &self.0
    }
}

/// A limit of which so much was used before.
fn limit(name: &str, value: u64, used: u64) -> Limit {
    let name: LimitName = name.parse().unwrap();
    let id = Scope::Gateway.limit_id(None, name);
    let cell = match name.period() {
        Some(period) => {
            let charged = Charged(used.into());
            Cell::new(id, period.span(NOW_MS), Arc::new(charged))
        }
        None => Cell::of_slots(id),
    };
    Limit {
        name,
        models: None,
        rule: LimitRule::of(value),
        source: Source::Key,
        cells: [Arc::new(cell)].into_iter().collect(),
    }
}

fn for_models(pattern: &str, limit: Limit) -> Limit {
    let models = Some(Pattern::parse(pattern).unwrap());
    Limit { models, ..limit }
}

fn view(scope: Scope, limits: Vec<Limit>) -> ScopeView {
    ScopeView {
        scope,
        label: "key troupe-abc12345".into(),
        limits: limits.into(),
        multiplier: Multiplier::ONE,
        ready: true,
    }
}

fn of_key(limits: Vec<Limit>) -> Arc<Gate> {
    Gate::new(view(Scope::Key(KeyId::declared("k")), limits))
}

fn told_for(gates: &[Arc<Gate>], model: &str, unix_ms: u64) -> HeaderMap {
    let mut out = HeaderMap::new();
    headers(
        gates,
        model,
        unix_ms,
        spend(gates, model, unix_ms),
        &mut out,
    );
    out
}

fn told(gates: &[Arc<Gate>]) -> HeaderMap {
    told_for(gates, MODEL, NOW_MS)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap())
}

#[test]
fn every_kind_of_limit() {
    let key = of_key(vec![
        limit("requests_per_minute", 100, 40),
        limit("requests_per_day", 1_000, 999),
        limit("tokens_per_hour", 100_000, 95_000),
        limit("input_tokens_per_week", 10, 0),
        limit("output_tokens_per_month", 7, 9),
        limit("usd_per_month", 1_000_000, 760_000),
        limit("concurrent", 32, 0),
    ]);
    let headers = told(&[key]);
    let expected = [
        ("anthropic-ratelimit-requests-limit", "1000"),
        ("anthropic-ratelimit-requests-remaining", "1"),
        ("anthropic-ratelimit-requests-reset", "2026-02-25T00:00:00Z"),
        ("anthropic-ratelimit-tokens-limit", "100000"),
        ("anthropic-ratelimit-tokens-remaining", "5000"),
        ("anthropic-ratelimit-tokens-reset", "2026-02-24T10:00:00Z"),
        ("anthropic-ratelimit-input-tokens-limit", "10"),
        ("anthropic-ratelimit-input-tokens-remaining", "10"),
        (
            "anthropic-ratelimit-input-tokens-reset",
            "2026-03-02T00:00:00Z",
        ),
        ("anthropic-ratelimit-output-tokens-limit", "7"),
        ("anthropic-ratelimit-output-tokens-remaining", "0"),
        (
            "anthropic-ratelimit-output-tokens-reset",
            "2026-03-01T00:00:00Z",
        ),
        (
            "ratelimit-policy",
            "\"requests-minute\";q=100;w=60, \"requests-day\";q=1000;w=86400, \
             \"tokens-hour\";q=100000;qu=\"tokens\";w=3600, \
             \"input-tokens-week\";q=10;qu=\"tokens\";w=604800, \
             \"output-tokens-month\";q=7;qu=\"tokens\";w=2419200, \
             \"usd-month\";q=1000000;qu=\"micro-usd\";w=2419200, \
             \"concurrent\";q=32;qu=\"concurrent-requests\"",
        ),
        (
            "ratelimit",
            "\"requests-minute\";r=60;t=23, \"requests-day\";r=1;t=50423, \
             \"tokens-hour\";r=5000;t=23, \"input-tokens-week\";r=10;t=482423, \
             \"output-tokens-month\";r=0;t=396023, \"usd-month\";r=240000;t=396023",
        ),
        ("anthropic-ratelimit-unified-status", "allowed_warning"),
        ("anthropic-ratelimit-unified-reset", "1772323200"),
        (
            "anthropic-ratelimit-unified-representative-claim",
            "overage",
        ),
        (
            "anthropic-ratelimit-unified-overage-status",
            "allowed_warning",
        ),
        ("anthropic-ratelimit-unified-overage-reset", "1772323200"),
        ("anthropic-ratelimit-unified-overage-utilization", "0.76"),
        (
            "anthropic-ratelimit-unified-overage-surpassed-threshold",
            "0.75",
        ),
    ];
    for (name, value) in expected {
        assert_eq!(text(&headers, name), Some(value), "{name}");
    }
    assert_eq!(headers.len(), expected.len());
    assert!(headers.len() <= MOST_HEADERS);
}

#[test]
fn nothing_is_said_of_what_there_is_not() {
    assert!(told(&[of_key(Vec::new())]).is_empty());
    let slots_alone = told(&[of_key(vec![limit("concurrent", 1, 0)])]);
    assert_eq!(slots_alone.len(), 1);
    assert!(slots_alone.contains_key("ratelimit-policy"));
    let rates_alone = told(&[of_key(vec![limit("requests_per_minute", 1, 0)])]);
    assert_eq!(rates_alone.len(), 5);
}

#[test]
fn shadow_limits_and_those_of_accounts_are_not_told() {
    let mut shadow = limit("requests_per_minute", 1, 0);
    shadow.rule.on_limit = OnLimit::Shadow;
    let account = Scope::Account(troupe_core::AccountId::declared("a"));
    let of_account = Gate::new(view(account, vec![limit("usd_per_day", 1, 0)]));
    assert!(told(&[of_key(vec![shadow]), of_account]).is_empty());
}

#[test]
fn spend_is_told_of_the_fullest_cap_of_the_caller_alone() {
    let group = Gate::new(view(
        Scope::Group("team".into()),
        vec![limit("usd_per_month", 100, 50)],
    ));
    let key = of_key(vec![
        limit("usd_per_day", 100, 40),
        for_models("claude-haiku-*", limit("usd_per_day", 100, 90)),
    ]);
    let whole = Gate::new(view(Scope::Gateway, vec![limit("usd_per_day", 100, 80)]));
    let gates = [whole.clone(), group, key];
    let spent = |model| spend(&gates, model, NOW_MS).map(|spend| spend.used_micro_usd);
    assert_eq!(spent(MODEL), Some(50));
    assert_eq!(spent("claude-haiku-5"), Some(90));
    assert_eq!(spend([&whole], MODEL, NOW_MS), None);
    let headers = told_for(&gates, MODEL, NOW_MS);
    let share = text(&headers, "anthropic-ratelimit-unified-overage-utilization");
    assert_eq!(share, Some("0.5"));
    assert!(!headers.contains_key("anthropic-ratelimit-unified-overage-surpassed-threshold"));
}

#[test]
fn names_are_unique_over_scopes_and_models_and_well_formed() {
    let minute = || limit("requests_per_minute", 5, 0);
    let gates = [
        Gate::new(view(Scope::Gateway, vec![minute()])),
        Gate::new(view(Scope::Group("team \"x\"".into()), vec![minute()])),
        of_key(vec![
            minute(),
            for_models("claude-*", minute()),
            for_models("*\"\\%é*", minute()),
        ]),
    ];
    let headers = told_for(&gates, "claude-\"\\%é", NOW_MS);
    let expected = [
        r#""gateway/requests-minute";r=5;t=23"#,
        r#""group/requests-minute";r=5;t=23"#,
        r#""requests-minute";r=5;t=23"#,
        r#""requests-minute/claude-*";r=5;t=23"#,
        r#""requests-minute/*\"\\%25%c3%a9*";r=5;t=23"#,
    ];
    assert_eq!(
        text(&headers, "ratelimit"),
        Some(expected.join(", ").as_str())
    );
}

#[test]
fn integers_stay_within_structured_fields() {
    let headers = told(&[of_key(vec![limit("tokens_per_month", u64::MAX, 0)])]);
    assert_eq!(
        text(&headers, "ratelimit-policy"),
        Some("\"tokens-month\";q=999999999999999;qu=\"tokens\";w=2419200")
    );
    assert_eq!(
        text(&headers, "anthropic-ratelimit-tokens-remaining"),
        Some("18446744073709551615")
    );
}

#[test]
fn what_is_told_follows_requests_models_and_views() {
    let opus = || for_models("claude-opus-*", limit("requests_per_day", 2, 0));
    let gates = [of_key(vec![limit("requests_per_minute", 10, 0), opus()])];
    let left = |model: &str| {
        let headers = told_for(&gates, model, NOW_MS);
        let text = text(&headers, "anthropic-ratelimit-requests-remaining");
        text.map(str::to_owned)
    };
    assert_eq!(left(MODEL).as_deref(), Some("2"));
    let one = Demand {
        bound: Amounts {
            requests: 1,
            ..Amounts::default()
        },
        at_once: Amounts::default(),
    };
    let hold = Hold::take(&gates[0], &one, MODEL, NOW_MS, false).unwrap();
    assert_eq!(left(MODEL).as_deref(), Some("1"));
    assert_eq!(left("claude-haiku-5").as_deref(), Some("9"));
    hold.give_back();
    assert_eq!(left(MODEL).as_deref(), Some("2"));

    let key = Scope::Key(KeyId::declared("k"));
    gates[0].publish(view(key, vec![limit("requests_per_minute", 50, 0)]));
    assert_eq!(left(MODEL).as_deref(), Some("50"));
}

#[test]
fn a_new_window_and_the_end_of_a_grant_are_seen() {
    let mut granted = limit("requests_per_day", 10, 0);
    granted.rule.grant = Some(Grant {
        extra: 5,
        until_ms: NOW_MS + 10_000,
    });
    let gates = [of_key(vec![granted, limit("tokens_per_minute", 9, 0)])];
    let told = |unix_ms| {
        let headers = told_for(&gates, MODEL, unix_ms);
        let text = |name| text(&headers, name).unwrap().to_owned();
        (
            text("anthropic-ratelimit-requests-limit"),
            text("anthropic-ratelimit-tokens-reset"),
        )
    };
    let at = |limit: &str, reset: &str| (limit.to_owned(), reset.to_owned());
    assert_eq!(told(NOW_MS), at("15", "2026-02-24T10:00:00Z"));
    assert_eq!(told(NOW_MS + 10_000), at("10", "2026-02-24T10:00:00Z"));
    assert_eq!(told(NOW_MS + 23_000), at("10", "2026-02-24T10:01:00Z"));
    // A clock that was put back.
    assert_eq!(told(NOW_MS), at("15", "2026-02-24T10:00:00Z"));
}

#[test]
fn more_callers_than_a_thread_keeps_are_told_the_truth() {
    let gates: Vec<_> = (1..600)
        .map(|value| of_key(vec![limit("requests_per_minute", value, 0)]))
        .collect();
    for _ in 0..2 {
        for (gate, value) in gates.iter().zip(1_u64..) {
            let headers = told(std::slice::from_ref(gate));
            let left = text(&headers, "anthropic-ratelimit-requests-remaining");
            assert_eq!(left, Some(value.to_string().as_str()));
        }
    }
}
