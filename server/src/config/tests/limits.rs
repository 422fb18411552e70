//! Limits from the file to what scopes are made of, and back.

use std::sync::Arc;

use troupe_core::limit::{Cap, Grant, LimitName, LimitRule, OnLimit, Own};
use troupe_core::models::Pattern;
use troupe_core::quota::LimitPolicy;

use super::*;

const EVERYTHING: &str = r#"version: 1
limits:
  defaults: { requests_per_minute: 100, tokens_per_hour: 5_000_000, usd_per_month: 12.50, concurrent: 8, tokens_per_day: null }
  gateway: { usd_per_month: { limit: 1000, on_limit: shadow } }
  groups:
    Platform Team:
      limits: { usd_per_day: { limit: 0.000001, cap: soft, grant: { extra: 50, until: 2026-12-24 } } }
      multiplier: 1.25
    free: { multiplier: 0 }
    bare:
  new_keys: { concurrent: 2, models: { "Claude-Opus-*": { usd_per_day: 5 } } }
  spend_message: ask the platform team
accounts:
  - name: main
    api_key: a
    limits:
      usd_per_day: 50
      models: { "*opus*": { requests_per_minute: { limit: 5, on_limit: shadow } } }
keys:
  - name: ci
    secret: aaaaaaaaaaaaaaaaaaaa
    limits:
      requests_per_minute: null
      usd_per_day: { limit: 5, on_limit: downgrade, model: claude-haiku-4-5 }
      tokens_per_minute: { limit: 7, on_limit: queue, cap: strict, grant: null, model: null }
      concurrent: { limit: 4, grant: { extra: 1, until: "2026-12-24T12:30:00Z" } }
"#;

fn is(name: &str, own: &std::collections::BTreeMap<LimitName, Own>) -> LimitRule {
    match own.get(&name.parse().expect("a name")) {
        Some(Own::Is(rule)) => rule.clone(),
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn every_form_reaches_the_policy() {
    let config = Bench::yaml(EVERYTHING).load().config;
    let policy = config.limits.policy();
    let usd = |rule: LimitRule| (rule.value, rule.on_limit, rule.cap, rule.grant);
    assert!(policy.enabled);
    assert_eq!(policy.defaults.all.len(), 5);
    let tokens_per_day = "tokens_per_day".parse().expect("a name");
    assert_eq!(policy.defaults.all.get(&tokens_per_day), Some(&Own::None));
    assert_eq!(is("usd_per_month", &policy.defaults.all).value, 12_500_000);
    assert_eq!(is("tokens_per_hour", &policy.defaults.all).value, 5_000_000);
    assert_eq!(
        usd(is("usd_per_month", &policy.gateway.all)),
        (1_000_000_000, OnLimit::Shadow, Cap::Strict, None)
    );
    let group = |name: &str| policy.groups.get(&Arc::from(name)).expect("a group");
    let grant = Grant {
        extra: 50_000_000,
        until_ms: 1_798_070_400_000,
    };
    assert_eq!(
        usd(is("usd_per_day", &group("Platform Team").limits.all)),
        (1, OnLimit::Reject, Cap::Soft, Some(grant))
    );
    let factors = ["Platform Team", "free", "bare"].map(|name| group(name).multiplier.ppm());
    assert_eq!(factors, [1_250_000, 0, 1_000_000]);

    let opus = Pattern::parse("claude-opus-*").expect("a pattern");
    assert_eq!(config.limits.new_keys.0.models[&opus].len(), 1);
    let key = &config.keys[0].limits.0.all;
    let downgrade = OnLimit::Downgrade {
        model: "claude-haiku-4-5".to_owned(),
    };
    assert_eq!(is("usd_per_day", key).on_limit, downgrade);
    assert_eq!(is("tokens_per_minute", key).on_limit, OnLimit::Queue);
    assert_eq!(is("tokens_per_minute", key).grant, None);
    let record = config.accounts[0].record();
    assert_eq!(record.limits.rules().count(), 2);
    assert!(record.limits.is_metered());
}

#[test]
fn what_is_shown_of_limits_reads_back() {
    let config = Bench::yaml(EVERYTHING).load().config;
    let shown = show(&config);
    insta::assert_snapshot!(of_limits(&shown), @r#"
    limits:
      enabled: true
      defaults:
        concurrent: 8
        requests_per_minute: 100
        tokens_per_hour: 5000000
        tokens_per_day: null
        usd_per_month: 12.5
      gateway:
        usd_per_month:
          limit: 1000
          on_limit: shadow
      groups:
        Platform Team:
          limits:
            usd_per_day:
              limit: "0.000001"
              cap: soft
              grant:
                extra: 50
                until: "2026-12-24"
          multiplier: 1.25
        bare:
          multiplier: 1
        free:
          multiplier: 0
      new_keys:
        concurrent: 2
        models:
          claude-opus-*:
            usd_per_day: 5
      spend_message: ask the platform team
      concurrency_queue: 30s
      error_shape: messages
    "#);
    let mut again = Bench::yaml(&shown);
    again.sources.redacted = Redacted::Accept;
    let again = again.load().config;
    assert_eq!(again.limits, config.limits);
    assert_eq!(again.keys[0].limits, config.keys[0].limits);
    assert_eq!(again.accounts[0].limits, config.accounts[0].limits);
}

/// The section `limits` of what is shown.
fn of_limits(shown: &str) -> String {
    let lines = shown.lines().skip_while(|line| *line != "limits:");
    let mut lines = lines.peekable();
    let first: Vec<_> = lines.next().into_iter().collect();
    let rest = lines.take_while(|line| line.starts_with(' '));
    first.into_iter().chain(rest).collect::<Vec<_>>().join("\n")
}

#[test]
fn nothing_written_is_no_limit() {
    let config = Bench::yaml("version: 1\nlimits:\n  defaults:\n  gateway: {}\n  groups:\n")
        .load()
        .config;
    assert_eq!(config, Config::default());
    assert_eq!(config.limits.policy(), LimitPolicy::default());
}

#[test]
fn every_name_there_is_is_read_and_in_the_schema() {
    let schema = schema();
    for name in LimitName::all() {
        let text = format!("version: 1\nlimits: {{ defaults: {{ {name}: 1 }} }}\n");
        let limits = Bench::yaml(&text).load().config.limits.defaults;
        assert_eq!(limits.lines(), [format!("{name}=1")]);
        for place in [
            "/properties/limits/properties/defaults",
            "/properties/limits/properties/gateway",
            "/properties/limits/properties/new_keys",
            "/properties/limits/properties/groups/additionalProperties/properties/limits",
            "/properties/keys/items/properties/limits",
            "/properties/accounts/items/properties/limits",
            "/$defs/LimitsOfModels",
        ] {
            let refer = schema.pointer(&format!("{place}/properties/{name}/$ref"));
            let refer = refer.and_then(|refer| refer.as_str()).expect(place);
            assert!(
                schema.pointer(refer.trim_start_matches('#')).is_some(),
                "{refer}"
            );
        }
    }
}

#[test]
fn patterns_are_bounded() {
    let many: String = (0..65)
        .map(|n| format!("    m{n}: {{ usd_per_day: 1 }}\n"))
        .collect();
    let told = Bench::yaml(&format!(
        "version: 1\nlimits:\n  gateway:\n   models:\n{many}"
    ))
    .errors();
    assert!(
        told.ends_with("holds more than 64 patterns; use `*` for many models"),
        "{told}"
    );
}
