//! Limits of the model: few names and small numbers, so that they are reached.

use proptest::prelude::*;

use super::super::*;
use crate::limit::{Cap, Grant, OnLimit, Source};
use crate::models::Pattern;
use crate::price::Multiplier;
use crate::quota::AppliedRule;

pub const MODELS: [&str; 2] = ["m-large", "m-small"];
pub const BEGIN_MS: u64 = 60_000_000;

/// What holds for one scope.
#[derive(Clone, Debug)]
pub struct Variant {
    pub rules: Vec<AppliedRule>,
    pub multiplier: Multiplier,
    pub revoked: bool,
}

fn name() -> impl Strategy<Value = LimitName> {
    use Dimension::{InputTokens, OutputTokens, Requests, Tokens, Usd};
    prop::sample::select(vec![
        LimitName::Concurrent,
        LimitName::Concurrent,
        LimitName::Per(Requests, Period::Minute),
        LimitName::Per(Requests, Period::Month),
        LimitName::Per(InputTokens, Period::Week),
        LimitName::Per(OutputTokens, Period::Minute),
        LimitName::Per(Tokens, Period::Minute),
        LimitName::Per(Tokens, Period::Hour),
        LimitName::Per(Usd, Period::Minute),
        LimitName::Per(Usd, Period::Day),
    ])
}

fn rule() -> impl Strategy<Value = AppliedRule> {
    let on_limit = prop_oneof![
        4 => Just(OnLimit::Reject),
        2 => Just(OnLimit::Queue),
        1 => Just(OnLimit::Shadow),
        1 => Just(OnLimit::Downgrade { model: "m-small".into() }),
    ];
    let cap = prop_oneof![4 => Just(Cap::Strict), 1 => Just(Cap::Soft)];
    let models = prop::sample::select(vec![None, None, None, Some("m-*"), Some("*small")]);
    let grant = prop::option::weighted(0.3, (0..6u64, 0..600_000u64));
    (name(), 0..14u64, on_limit, cap, models, grant).prop_map(
        |(name, value, on_limit, cap, models, grant)| AppliedRule {
            name,
            models: models.map(|text| Pattern::parse(text).unwrap()),
            rule: LimitRule {
                value,
                on_limit,
                cap,
                grant: grant.map(|(extra, after_ms)| Grant {
                    extra,
                    until_ms: BEGIN_MS + after_ms,
                }),
            },
            source: Source::Key,
        },
    )
}

pub fn variant() -> impl Strategy<Value = Variant> {
    let multiplier = prop::sample::select(vec![1_000_000, 1_000_000, 500_000, 2_500_000]);
    let revoked = prop::bool::weighted(0.05);
    (prop::collection::vec(rule(), 0..5), multiplier, revoked).prop_map(
        |(mut rules, multiplier, revoked)| {
            rules.sort_by(|a, b| (&a.models, a.name).cmp(&(&b.models, b.name)));
            rules.dedup_by(|a, b| (&a.models, a.name) == (&b.models, b.name));
            Variant {
                rules,
                multiplier: Multiplier::from_ppm(multiplier),
                revoked,
            }
        },
    )
}
